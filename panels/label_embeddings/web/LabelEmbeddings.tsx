import { LinearProgress } from "@mui/material";
import React, { useCallback, useEffect } from "react";
import { Button } from "../../app/Button";
import { openMaps, openReviews, openSamples, useOpened } from "../../app/opening";
import type { Drawn } from "../../app/panel";
import css from "../../app/panel.css?inline";
import { useOpenRun } from "./hooks/useOpenRun";
import { useRuns } from "./hooks/useRuns";
import { RunList } from "./parts/RunList";
import { RunPicker } from "./parts/RunPicker";
import { RunPage } from "./RunPage";
import type { Wire } from "./wire";

/** Where a review that was asked for has begun: what a person leaves stays left. */
const begun = new Set<string>();

/** The panel *Label embeddings*: choose a run, then judge its labels. */
export function LabelEmbeddings({ wire, datasetName, page }: Drawn<Wire>) {
  const { runs, problem: listProblem, refresh } = useRuns(wire, datasetName);
  const chosen = useOpened(openMaps, datasetName);
  const key = chosen ?? null;
  const sampled = useOpened(openSamples, datasetName);
  const { opened, problem: openProblem, reopen } = useOpenRun(wire, key);

  const open = useCallback(
    (next: string | null) => {
      openSamples.set(datasetName, null);
      openReviews.set(datasetName, null);
      openMaps.set(datasetName, next);
      refresh();
    },
    [datasetName, refresh],
  );

  const asked = page === "review";
  const asksReview = asked && opened?.run.patchesField != null;
  useEffect(() => {
    if (!asksReview || datasetName === null || begun.has(datasetName)) return;
    if (openReviews.of(datasetName)?.run === opened.run.run) return;
    begun.add(datasetName);
    openReviews.set(datasetName, { run: opened.run.run, sample: false });
  }, [asksReview, datasetName, opened]);

  // of one there is nothing to choose
  const only = chosen === undefined && runs?.length === 1 ? runs[0] : null;
  useEffect(() => {
    if (only?.state === "ready") openMaps.set(datasetName, only.key);
  }, [only, datasetName]);

  const picker = <RunPicker runs={runs ?? []} current={key} onOpen={open} />;
  return (
    <div className="lv-panel">
      <style>{css}</style>
      {opened ? (
        <RunPage
          key={`${opened.run.run}`}
          wire={wire}
          datasetName={datasetName}
          opened={opened}
          picker={picker}
          asksSample={sampled === key && opened.run.key === key}
          onSample={() => openSamples.set(datasetName, null)}
          onStale={() => {
            reopen();
            refresh();
          }}
        />
      ) : (
        <>
          {key !== null && <header className="lv-toolbar">{picker}</header>}
          <Waiting
            key={key}
            problem={openProblem ?? (key === null ? listProblem : null)}
            doing={key !== null ? `Opening ${key}` : runs === null ? "Looking for runs" : null}
            onRetry={key !== null ? reopen : refresh}
            onBack={key !== null ? () => open(null) : null}
          >
            <RunList runs={runs ?? []} onOpen={open} />
          </Waiting>
        </>
      )}
    </div>
  );
}

function Waiting({
  problem,
  doing,
  onRetry,
  onBack,
  children,
}: {
  problem: string | null;
  doing: string | null;
  onRetry: () => void;
  onBack: (() => void) | null;
  children: React.ReactNode;
}) {
  if (problem)
    return (
      <div className="lv-message" role="alert">
        <p>{problem}</p>
        <div>
          <Button primary onClick={onRetry}>
            Try again
          </Button>
          {onBack && <Button onClick={onBack}>All runs</Button>}
        </div>
      </div>
    );
  if (doing)
    return (
      <div className="lv-message" aria-live="polite">
        <LinearProgress aria-label={doing} />
        <p className="lv-faint">{doing}…</p>
      </div>
    );
  return <>{children}</>;
}
