import React, { useCallback, useEffect, useMemo, useState } from "react";
import { History } from "../../app/History";
import { IconButton } from "../../app/Icon";
import type { Source } from "../../app/opening";
import { RangeBar } from "../../app/RangeBar";
import { Status } from "../../app/Status";
import { useKeys } from "../../app/useKeys";
import { useReport } from "../../app/useReport";
import { useUndo } from "../../app/useUndo";
import { countSelected, histogramOf, nearestEdge, selectionOf } from "./confidenceRange";
import { useCandidates } from "./hooks/useCandidates";
import { useChanges } from "./hooks/useChanges";
import { useGrid } from "./hooks/useGrid";
import { AddBar } from "./parts/AddBar";
import { Basket } from "./parts/Basket";
import { ClassTable } from "./parts/ClassTable";
import { Ending } from "./parts/Ending";
import { LoopLine } from "./parts/LoopLine";
import { TargetBar } from "./parts/TargetBar";
import type { Rule, Run, Wire } from "./wire";

const TRUTH = "ground_truth";

/** The labels of one source on their way to ground truth: what to add, the basket, approval, and the
 * end of the loop. */
export function ApprovalPage({
  wire,
  source,
  run,
  fields,
  onAnswer,
  onChanged,
  onBack,
}: {
  wire: Wire;
  source: Source;
  run: Run | null;
  fields: string[];
  /** shows the sample of a target in the review of the map of a brain key */
  onAnswer: (key: string) => void;
  /** reads again which runs and fields there are; the same function every time */
  onChanged: () => void;
  onBack: () => void;
}) {
  const { field, run: runName } = source;
  const ours = useMemo(() => wire.of({ field, run: runName }), [wire, field, runName]);
  const [message, report] = useReport();
  const undoing = useUndo();
  const { undo } = undoing;
  const changes = useChanges(wire, undoing, report);
  const { edition, busy, perform } = changes;
  const { review, progress, problem, range, setRange, ticked, tick, waiting } = useCandidates(
    ours,
    edition.at,
  );
  useEffect(() => {
    if (problem) report.fail(problem);
  }, [problem, report]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: an approval, or its undo, made a field or took it away
  useEffect(() => {
    onChanged();
  }, [edition]);
  const list = useCallback((most: number) => wire.changes(most), [wire]);
  const [into, setInto] = useState(TRUTH);
  const [rule, setRule] = useState<Rule>("keep");

  const selection = useMemo(
    () => (review && range ? selectionOf(review, range, ticked) : null),
    [review, range, ticked],
  );
  const { shown, setShown } = useGrid(wire, ours, selection, edition, report.fail);
  const addable = review && range ? countSelected(review, range, ticked) : 0;
  const bars = useMemo(() => review && histogramOf(review, ticked), [review, ticked]);

  const add = () => {
    if (!busy && selection && addable > 0) perform(() => ours.add(selection));
  };
  const flag = () => {
    if (!busy) perform(() => ours.flag());
  };
  const takeOut = () => {
    if (!busy) perform(() => ours.remove("selected"));
  };
  const approve = () => {
    if (!busy && progress?.basket && into.trim()) perform(() => ours.approve(into.trim(), rule));
  };

  const keys = useKeys([
    { key: "a", does: "Add the labels in range for approval", run: add },
    { key: "f", does: "Flag the selected patches as needs-review", run: flag },
    { key: "r", does: "Remove the selected patches from the basket", run: takeOut },
    { key: "p", does: "Approve the basket", run: approve },
    { key: "z", does: "Undo", run: undo },
    { key: "1", does: "Show what is left to review", run: () => setShown("open") },
    { key: "2", does: "Show the basket", run: () => setShown("basket") },
    { key: "3", does: "Show what is flagged", run: () => setShown("flagged") },
    { key: "4", does: "Show what is approved", run: () => setShown("approved") },
  ]);

  return (
    <section
      {...keys.frame}
      className="lv-page lv-labeling"
      aria-label="Auto Labeling"
      data-cy="auto-labeling"
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
        <History list={list} onUndo={changes.undo} />
        <IconButton
          icon="keyboard"
          label="Keys"
          shortcut="?"
          active={keys.listing}
          onClick={keys.toggleList}
        />
      </header>

      {!review || !progress || !range || !bars ? (
        <p className="lv-message">{problem ?? "Counting labels…"}</p>
      ) : (
        <>
          <LoopLine progress={progress} onUndo={(round) => changes.undo(round.token)} />
          <div className="lv-labeling-body">
            <RangeBar
              label="Confidence of the labels to review"
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
                  ? "There are no labels left here."
                  : "The current view and the sidebar's filters leave no labels. Clear them to continue."}
              </p>
            ) : (
              <ClassTable review={review} range={range} ticked={ticked} onTick={tick} />
            )}
          </div>
          <AddBar
            {...{ addable, busy, shown }}
            canTakeOut={progress.basket > 0}
            onAdd={add}
            onFlag={flag}
            onTakeOut={takeOut}
            onShow={setShown}
          />
          <TargetBar
            {...{ progress, busy }}
            onBegin={(...asked) => perform(() => ours.beginTarget(...asked))}
            onAnswer={onAnswer}
            onFill={() => perform(() => ours.fillBasket())}
          />
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
      <Status message={message} onUndo={undo} onClose={report.clear} />
      {keys.keyList}
    </section>
  );
}
