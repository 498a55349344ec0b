import React, { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { Icon, IconButton } from "../../app/Icon";
import type { Source } from "../../app/opening";
import { RangeBar } from "../../app/RangeBar";
import { Shortcuts } from "../../app/Shortcuts";
import { Status } from "../../app/Status";
import { type Shortcut, useShortcuts } from "../../app/useShortcuts";
import { useUndo } from "../../app/useUndo";
import { countSelected, histogramOf, nearestEdge, selectionOf } from "./counting";
import { type Shown, useGrid } from "./hooks/useGrid";
import { useReview } from "./hooks/useReview";
import { Basket, Ending } from "./parts/Basket";
import { ClassTable } from "./parts/ClassTable";
import { LoopLine } from "./parts/LoopLine";
import type { Done, Edition, Rule, Run, Wire } from "./wire";

const TRUTH = "ground_truth";
const GRIDS: [Shown, string][] = [
  ["open", "To review"],
  ["basket", "Basket"],
  ["flagged", "Flagged"],
  ["approved", "Approved"],
  ["all", "All"],
  ["images", "Images"],
];

/** The review of one source: what to add, the basket, approval, and the end of the loop. */
export function ReviewPage({
  wire,
  source,
  run,
  fields,
  onBack,
}: {
  wire: Wire;
  source: Source;
  run: Run | null;
  fields: string[];
  onBack: () => void;
}) {
  const { field, run: runName } = source;
  const ours = useMemo(() => wire.of({ field, run: runName }), [wire, field, runName]);
  /** another one with each change of the dataset, so that it is read again */
  const [edition, setEdition] = useState<Edition>(() => ({ at: Date.now(), anew: false }));
  const { review, progress, problem, range, setRange, ticked, tick, waiting } = useReview(
    ours,
    edition.at,
  );
  const [sentence, setSentence] = useState<string | null>(null);
  const [failure, setFailure] = useState<string | null>(null);
  const [canUndo, setCanUndo] = useState(false);
  const [busy, setBusy] = useState(false);
  const [helping, setHelping] = useState(false);
  const [into, setInto] = useState(TRUTH);
  const [rule, setRule] = useState<Rule>("keep");
  const { remember, undo } = useUndo();
  const root = useRef<HTMLElement>(null);
  useEffect(() => root.current?.focus({ preventScroll: true }), []);

  const selection = useMemo(
    () => (review && range ? selectionOf(review, range, ticked) : null),
    [review, range, ticked],
  );
  const { shown, setShown } = useGrid(wire, ours, selection, edition, setFailure);
  const addable = review && range ? countSelected(review, range, ticked) : 0;
  const bars = useMemo(() => review && histogramOf(review, ticked), [review, ticked]);

  const perform = useCallback(
    async (act: () => Promise<Done>) => {
      setBusy(true);
      setFailure(null);
      let anew = false;
      try {
        const done = await act();
        anew = Boolean(done.anew);
        const token = done.undo;
        if (token) remember(() => perform(() => wire.undo(token)));
        setSentence(done.sentence);
        setCanUndo(Boolean(token));
      } catch (error) {
        setFailure((error as Error).message);
      } finally {
        // what was refused was often refused because the dataset is not what it was
        setEdition({ at: Date.now(), anew });
        setBusy(false);
        // a button that is disabled loses the focus, and the panel its keys
        if (document.activeElement === document.body) root.current?.focus({ preventScroll: true });
      }
    },
    [wire, remember],
  );
  const add = () => {
    if (!busy && selection && addable > 0) perform(() => ours.add(selection));
  };
  const approve = () => {
    if (!busy && progress?.basket && into.trim()) perform(() => ours.approve(into.trim(), rule));
  };

  const shortcuts: Shortcut[] = [
    { key: "a", does: "Add what is in range for approval", run: add },
    {
      key: "f",
      does: "Flag the selected patches needs-review",
      run: () => perform(ours.flag.bind(ours)),
    },
    {
      key: "r",
      does: "Take the selected patches out of the basket",
      run: () => perform(() => ours.remove("selected")),
    },
    { key: "p", does: "Approve the basket", run: approve },
    { key: "z", does: "Undo", run: undo },
    { key: "1", does: "Show what is to review", run: () => setShown("open") },
    { key: "2", does: "Show the basket", run: () => setShown("basket") },
    { key: "3", does: "Show what is flagged", run: () => setShown("flagged") },
    { key: "4", does: "Show what is approved", run: () => setShown("approved") },
    { key: "Esc", does: "Close", run: () => setHelping(false) },
    { key: "?", does: "These keys", run: () => setHelping(!helping) },
  ];
  const onKeyDown = useShortcuts(shortcuts);

  return (
    <section
      ref={root}
      className="lv-judge lv-labeling"
      aria-label="Auto Labeling"
      data-cy="auto-labeling"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: a click gives it the focus, for its keys
      tabIndex={0}
      onKeyDown={onKeyDown}
    >
      <header className="lv-toolbar">
        <IconButton icon="arrow_back" label="All runs and fields" onClick={onBack} />
        <span className="lv-labeling-name">
          <b>{runName ?? field}</b>{" "}
          <span className="lv-faint">
            {runName ? `${field}${run?.model ? ` · ${run.model}` : ""}` : "existing labels"}
          </span>
        </span>
        {waiting && <span className="lv-faint">counting…</span>}
        <span className="lv-spring" />
        <IconButton icon="undo" label="Undo" shortcut="z" onClick={undo} />
        <IconButton
          icon="keyboard"
          label="Keys"
          shortcut="?"
          active={helping}
          onClick={() => setHelping(!helping)}
        />
      </header>
      {helping && <Shortcuts shortcuts={shortcuts} onClose={() => setHelping(false)} />}

      {!review || !progress || !range || !bars ? (
        <p className="lv-message">{problem ?? "Counting labels…"}</p>
      ) : (
        <>
          <LoopLine progress={progress} onUndo={(round) => perform(() => wire.undo(round.token))} />
          <div className="lv-labeling-body">
            <RangeBar
              label="Confidence of what is to review"
              counts={bars}
              span={[review.edges[0], review.edges[review.edges.length - 1]]}
              range={[review.edges[range[0]], review.edges[range[1]]]}
              steps={review.edges.length - 1}
              onChange={([low, high]) =>
                setRange([nearestEdge(review, low), nearestEdge(review, high)])
              }
            />
            {review.classes.length === 0 ? (
              <p className="lv-message">
                {progress.found === 0
                  ? "There are no labels here any more."
                  : "No label is in the current view with the sidebar's filters: clear them to go on."}
              </p>
            ) : (
              <ClassTable review={review} range={range} ticked={ticked} onTick={tick} />
            )}
          </div>
          <div className="lv-tagbar">
            <button
              type="button"
              className="lv-button"
              data-primary
              data-cy="add"
              disabled={busy || addable === 0}
              onClick={add}
            >
              <Icon name="playlist_add" /> Add {addable.toLocaleString()}{" "}
              {addable === 1 ? "label" : "labels"} for approval <kbd>a</kbd>
            </button>
            <button
              type="button"
              className="lv-button"
              data-cy="flag"
              disabled={busy}
              title="Tag the patches selected in the grid 'needs-review'"
              onClick={() => perform(() => ours.flag())}
            >
              <Icon name="flag" /> Flag selected <kbd>f</kbd>
            </button>
            <button
              type="button"
              className="lv-button"
              data-cy="remove-selected"
              disabled={busy || progress.basket === 0}
              title="Take the patches selected in the grid out of the basket"
              onClick={() => perform(() => ours.remove("selected"))}
            >
              Take out selected <kbd>r</kbd>
            </button>
            <span className="lv-spring" />
            <fieldset className="lv-grids" aria-label="The grid shows">
              {GRIDS.map(([name, label]) => (
                <button
                  type="button"
                  key={name}
                  data-cy={`grid-${name}`}
                  aria-pressed={shown === name}
                  onClick={() => setShown(name)}
                >
                  {label}
                </button>
              ))}
            </fieldset>
          </div>
          <Basket
            progress={progress}
            fields={fields.filter((name) => name !== field)}
            into={into}
            onInto={setInto}
            rule={rule}
            onRule={setRule}
            busy={busy}
            onRemove={(which) => perform(() => ours.remove(which))}
            onApprove={approve}
          />
          <Ending
            progress={progress}
            field={field}
            busy={busy}
            onFinalize={(count) => perform(() => ours.finalize(count))}
            onFinish={() => perform(() => ours.finish())}
          />
        </>
      )}
      <Status
        sentence={sentence}
        problem={failure ?? (review ? problem : null)}
        onUndo={canUndo ? undo : null}
        onClose={() => {
          setFailure(null);
          setSentence(null);
        }}
      />
    </section>
  );
}
