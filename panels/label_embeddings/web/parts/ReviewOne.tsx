import React from "react";
import { percent } from "../../../app/percent";
import type { BoxDraft } from "../hooks/useBoxDraft";
import { useCrops } from "../hooks/useCrops";
import { named } from "../reviewOrder";
import type { Crop, Item, RunWire } from "../wire";
import { BoxEditor } from "./BoxEditor";
import { CropCaption, CropImage } from "./CropImage";

const PREFETCH = 4;
const BESIDE = 5;

/** The most suspicious label, what speaks against it, and what it is compared with. */
export function ReviewOne({
  wire,
  items,
  edition,
  draft,
  onOpen,
}: {
  wire: RunWire;
  items: Item[];
  edition: number;
  draft: BoxDraft;
  onOpen: (row: number) => void;
}) {
  const [item] = items;
  const next = items.slice(0, PREFETCH);
  const large = useCrops(
    wire,
    next.map(({ row }) => row),
    640,
    draft.margin,
    edition,
    next.map(({ suggestedBox }) => suggestedBox),
  );
  const rows = items
    .slice(0, 2)
    .flatMap(({ examples, neighbors }) => [...examples, ...neighbors.slice(0, BESIDE)]);
  const small = useCrops(wire, [...new Set(rows)], 112, 0.15, edition);
  return (
    <div className="lv-review-one">
      {item.box ? (
        <div className="lv-review-crop">
          <BoxEditor
            key={item.id}
            {...{ item, draft }}
            crop={large.get(item.row)}
            onOpen={() => onOpen(item.row)}
          />
        </div>
      ) : (
        <button
          type="button"
          className="lv-review-crop"
          title="Open the image (e)"
          onClick={() => onOpen(item.row)}
        >
          <CropImage key={item.id} crop={large.get(item.row)} />
        </button>
      )}
      <div className="lv-review-facts">
        <h2>{named(item.label)}</h2>
        <div className="lv-chips">
          {item.confidence !== null && <span>confidence {item.confidence.toFixed(2)}</span>}
          {item.issue === "missed" ? (
            <span title="It is not accepted: rejected, or of a confidence below 0.2">
              may show an object without a label
            </span>
          ) : (
            <span>{percent(item.suspicion)} likely wrong</span>
          )}
          {item.issue && <b data-issue={item.issue}>{item.issue}</b>}
          {item.flagged && <b>flagged for review</b>}
        </div>
        {item.reason && <p>{item.reason}</p>}
        {compared(item).map(([title, rows]) => (
          <Beside key={title} {...{ title, rows, onOpen }} crops={small} />
        ))}
      </div>
    </div>
  );
}

/**
 * What the label is compared with: first the suggested class, where it is the class that is doubted,
 * and not at all where it is not.
 */
function compared(item: Item): [title: string, rows: number[]][] {
  const { examples, neighbors, suggested, issue } = item;
  const similar: [string, number[]] = ["The most similar patches", neighbors.slice(0, BESIDE)];
  const other: [string, number[]] = [`What ${named(suggested)} looks like`, examples];
  if (issue === "misplaced" || issue === "duplicate") return [similar];
  const parts = issue === "mislabeled" ? [other, similar] : [similar, other];
  return parts.filter(([, rows]) => rows.length > 0);
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
