import { usePromptOperatorInput } from "@fiftyone/operators";
import React from "react";
import { Button } from "../../../app/Button";
import { Choice } from "../../../app/Choice";
import type { Run } from "../wire";

/** The runs of the dataset as cards, or how to make the first one. */
export function RunList({ runs, onOpen }: { runs: Run[]; onOpen: (key: string) => void }) {
  const prompt = usePromptOperatorInput();
  if (runs.length === 0)
    return (
      <div className="lv-message">
        <h3>No embeddings yet</h3>
        <p>
          <b>Compute visualization</b> embeds every label of a field and draws them as a map, where
          wrong labels stand out.
        </p>
        <Button primary onClick={() => prompt("@labelvet/labelvet/compute_visualization")}>
          Compute visualization
        </Button>
      </div>
    );
  return (
    <div className="lv-runs">
      <h3>Select brain key</h3>
      {runs.map((run) => (
        <Choice
          key={`${run.key} ${run.state}`}
          name={run.key}
          detail={describeRun(run)}
          progress={run.state === "computing" ? (run.progress ?? null) : undefined}
          disabled={run.state !== "ready"}
          onClick={() => onOpen(run.key)}
        />
      ))}
    </div>
  );
}

/** What a run is, in one line. */
export function describeRun(run: Run): string {
  if (run.state === "computing") return run.progressLabel ?? "Waiting for a worker";
  if (run.state === "empty")
    return run.problem ?? "This run has no results: compute it again under the same brain key";
  const parts = [
    run.fields.join(", ") || "whole images",
    run.numDims ? `${run.method ?? "map"}, ${run.numDims}D` : run.method,
    run.model,
    run.numPoints == null ? null : `${run.numPoints.toLocaleString()} points`,
    run.created && new Date(run.created).toLocaleString(),
  ];
  return parts.filter(Boolean).join(" · ");
}
