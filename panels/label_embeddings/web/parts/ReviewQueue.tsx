import { usePromptOperatorInput } from "@fiftyone/operators";
import React, { useState } from "react";
import { IconButton } from "../../../app/Icon";
import { useCrops } from "../hooks/useCrops";
import type { Review } from "../hooks/useReview";
import { partDone, pickable } from "../reviewing";
import type { Crop, Item, RunWire } from "../wire";
import { CropCaption, CropImage } from "./CropImage";

export const PAGE = 24;
const PREFETCH = 4;
const BESIDE = 5;
const MOST_LISTED = 100;

/** What the buttons and the keys of a review do with the label that is looked at. */
export interface Verdicts {
  right: () => void;
  suggested: () => void;
  pick: () => void;
  notAnObject: () => void;
  skip: () => void;
  pageIsRight: () => void;
}

/** The labels that are probably wrong, one at a time or a page of them, and what is said of them. */
export function ReviewQueue({
  wire,
  review,
  edition,
  paged,
  current,
  picking,
  verdicts,
  onPaged,
  onCurrent,
  onPick,
  onOpen,
  onClose,
}: {
  wire: RunWire;
  review: Review;
  edition: number;
  /** whether a page is shown, and which of its labels the keys are about */
  paged: boolean;
  current: number;
  picking: boolean;
  verdicts: Verdicts;
  onPaged: (paged: boolean) => void;
  onCurrent: (index: number) => void;
  /** is given the class that was picked, null for none */
  onPick: (label: string | null) => void;
  onOpen: (row: number) => void;
  onClose: () => void;
}) {
  const { queue, items, reviewed } = review;
  const item = items[current];
  return (
    <section className="lv-review" aria-label="Review">
      <header>
        <h3>Review</h3>
        {queue && (
          <>
            <progress
              max={1}
              value={partDone(reviewed, queue.expected)}
              aria-label="Part of the expected issues that was reviewed"
            />
            <span>{reviewed.toLocaleString()} reviewed</span>
          </>
        )}
        <span className="lv-spring" />
        <IconButton
          icon={paged ? "crop_portrait" : "grid_view"}
          label={paged ? "One at a time" : "A page of crops"}
          shortcut="g"
          onClick={() => onPaged(!paged)}
        />
        <IconButton icon="close" label="Back to the map" shortcut="q" onClick={onClose} />
      </header>
      {queue && (
        <p className="lv-expected" data-stop={queue.stop}>
          {queue.sentence}
        </p>
      )}
      {queue && item ? (
        <>
          {paged ? (
            <Page {...{ wire, items, edition, current, onCurrent, onOpen }} />
          ) : (
            <One {...{ wire, items, edition, onOpen }} />
          )}
          <Buttons {...{ item, paged, verdicts }} />
          {picking && <Picker classes={queue.classes} item={item} onPick={onPick} />}
        </>
      ) : (
        <Empty queue={queue} />
      )}
      {queue?.notes.map((note) => (
        <p key={note} className="lv-faint">
          {note}
        </p>
      ))}
    </section>
  );
}

function Empty({ queue }: { queue: Review["queue"] }) {
  const prompt = usePromptOperatorInput();
  if (queue === undefined)
    return (
      <div className="lv-message" aria-live="polite">
        <progress aria-label="Ranking labels" />
        <p className="lv-faint">Ranking labels…</p>
      </div>
    );
  if (queue)
    return (
      <div className="lv-message">
        <p>Nothing is left to review: every label of this run has an answer.</p>
      </div>
    );
  return (
    <div className="lv-message">
      <h3>No issues were looked for yet</h3>
      <p>
        <b>Find label issues</b> ranks all labels of this run by how likely they are wrong, says why
        and suggests the class. Then they are asked about here, the most suspicious first.
      </p>
      <button
        type="button"
        className="lv-button"
        data-primary
        onClick={() => prompt("@labelvet/labelvet/find_label_issues")}
      >
        Find label issues
      </button>
    </div>
  );
}

function One({
  wire,
  items,
  edition,
  onOpen,
}: {
  wire: RunWire;
  items: Item[];
  edition: number;
  onOpen: (row: number) => void;
}) {
  const [item] = items;
  const large = useCrops(
    wire,
    items.slice(0, PREFETCH).map(({ row }) => row),
    512,
    1,
    edition,
  );
  const rows = items
    .slice(0, 2)
    .flatMap(({ examples, neighbors }) => [...examples, ...neighbors.slice(0, BESIDE)]);
  const small = useCrops(wire, [...new Set(rows)], 112, 0.15, edition);
  return (
    <div className="lv-review-one">
      <button
        type="button"
        className="lv-review-crop"
        title="Opens the image (e)"
        onClick={() => onOpen(item.row)}
      >
        <CropImage key={item.id} crop={large.get(item.row)} />
      </button>
      <div className="lv-review-facts">
        <h2>{item.label ?? "no label"}</h2>
        <div className="lv-chips">
          {item.confidence !== null && <span>confidence {item.confidence.toFixed(2)}</span>}
          <span>{Math.round(100 * item.suspicion)}% suspicious</span>
          {item.issue && <b data-issue={item.issue}>{item.issue}</b>}
          {item.flagged && <b>flagged for a review</b>}
        </div>
        {item.reason && <p>{item.reason}</p>}
        {item.examples.length > 0 && item.suggested && (
          <Beside
            title={`What ${item.suggested} looks like`}
            rows={item.examples}
            crops={small}
            onOpen={onOpen}
          />
        )}
        {item.neighbors.length > 0 && (
          <Beside
            title="The most similar patches"
            rows={item.neighbors.slice(0, BESIDE)}
            crops={small}
            onOpen={onOpen}
          />
        )}
      </div>
    </div>
  );
}

function Beside({
  title,
  rows,
  crops,
  onOpen,
}: {
  title: string;
  rows: number[];
  crops: ReadonlyMap<number, Crop>;
  onOpen: (row: number) => void;
}) {
  return (
    <div>
      <h4>{title}</h4>
      <div className="lv-beside">
        {rows.map((row) => (
          <button type="button" key={row} className="lv-tile" onClick={() => onOpen(row)}>
            <CropImage crop={crops.get(row)} />
            <CropCaption crop={crops.get(row)} />
          </button>
        ))}
      </div>
    </div>
  );
}

function Page({
  wire,
  items,
  edition,
  current,
  onCurrent,
  onOpen,
}: {
  wire: RunWire;
  items: Item[];
  edition: number;
  current: number;
  onCurrent: (index: number) => void;
  onOpen: (row: number) => void;
}) {
  const page = items.slice(0, PAGE);
  const crops = useCrops(
    wire,
    page.map(({ row }) => row),
    160,
    0.25,
    edition,
  );
  return (
    <div className="lv-review-page">
      {page.map((item, index) => (
        <button
          type="button"
          key={item.id}
          className="lv-tile"
          aria-current={index === current}
          title={item.reason ?? undefined}
          onClick={() => onCurrent(index)}
          onDoubleClick={() => onOpen(item.row)}
        >
          <CropImage crop={crops.get(item.row)} />
          <div className="lv-caption">
            <span>{item.label ?? "no label"}</span>
            {item.suggested && item.issue === "mislabeled" && <em>{item.suggested}?</em>}
            <b>{Math.round(100 * item.suspicion)}%</b>
          </div>
        </button>
      ))}
    </div>
  );
}

function Buttons({ item, paged, verdicts }: { item: Item; paged: boolean; verdicts: Verdicts }) {
  const likely =
    item.issue === "mislabeled" && item.suggested
      ? "suggested"
      : item.issue === "spurious" || item.issue === "duplicate"
        ? "not an object"
        : "right";
  return (
    <div className="lv-verdicts">
      <button
        type="button"
        className="lv-button"
        data-primary={likely === "right" || undefined}
        onClick={verdicts.right}
      >
        Right <kbd>y</kbd>
      </button>
      {item.suggested && (
        <button
          type="button"
          className="lv-button"
          data-primary={likely === "suggested" || undefined}
          onClick={verdicts.suggested}
        >
          It is {item.suggested} <kbd>w</kbd>
        </button>
      )}
      <button type="button" className="lv-button" onClick={verdicts.pick}>
        Another class… <kbd>o</kbd>
      </button>
      <button
        type="button"
        className="lv-button"
        data-primary={likely === "not an object" || undefined}
        onClick={verdicts.notAnObject}
      >
        Not an object <kbd>n</kbd>
      </button>
      <button type="button" className="lv-button" onClick={verdicts.skip}>
        Skip <kbd>k</kbd>
      </button>
      {paged && (
        <>
          <span className="lv-spring" />
          <button type="button" className="lv-button" onClick={verdicts.pageIsRight}>
            All of this page are right <kbd>Y</kbd>
          </button>
        </>
      )}
    </div>
  );
}

function Picker({
  classes,
  item,
  onPick,
}: {
  classes: string[];
  item: Item;
  onPick: (label: string | null) => void;
}) {
  const [search, setSearch] = useState("");
  const found = pickable(classes, item, search);
  const typed = search.trim();
  const unknown = typed !== "" && typed !== item.label && !classes.includes(typed);
  return (
    <dialog open className="lv-classes" aria-label="Pick a class">
      <input
        autoFocus
        aria-label="Search classes"
        placeholder={`Not ${item.label ?? "labeled"}, but…`}
        value={search}
        onChange={(event) => setSearch(event.target.value)}
        onKeyDown={(event) => {
          event.stopPropagation();
          if (event.key === "Escape") onPick(null);
          if (event.key === "Enter" && (found[0] || unknown)) onPick(found[0] ?? typed);
        }}
      />
      <ul>
        {found.slice(0, MOST_LISTED).map((name) => (
          <li key={name}>
            <button type="button" onClick={() => onPick(name)}>
              {name}
              {name === item.suggested && <em> suggested</em>}
            </button>
          </li>
        ))}
        {unknown && (
          <li>
            <button type="button" onClick={() => onPick(typed)}>
              '{typed}', a new class
            </button>
          </li>
        )}
      </ul>
    </dialog>
  );
}
