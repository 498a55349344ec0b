import { usePromptOperatorInput } from "@fiftyone/operators";
import { Chip } from "@mui/material";
import React from "react";
import { Button } from "../../../app/Button";
import { Choice } from "../../../app/Choice";
import type { Source } from "../../../app/opening";
import type { Overview, Run, RunState } from "../wire";

const AUTO_LABEL = "@labelvet/labelvet/auto_label";
const STATE_WORDS: Record<RunState, string> = {
  generating: "labeling",
  in_review: "in review",
  approved: "approved",
  failed: "failed",
  canceled: "canceled",
};

/** The runs of auto labeling, the other fields of labels, or how to make the first labels. */
export function SourceList({
  overview,
  onOpen,
}: {
  overview: Overview;
  onOpen: (source: Source) => void;
}) {
  const prompt = usePromptOperatorInput();
  const { runs, fields } = overview;
  const start = (
    <Button primary data-cy="auto-label" onClick={() => prompt(AUTO_LABEL)}>
      Auto label
    </Button>
  );
  if (runs.length === 0 && fields.length === 0)
    return (
      <div className="lv-message">
        <h3>No labels yet</h3>
        <p>
          <b>Auto label</b> labels the images with a model. You review its labels here and, once
          they are approved, they become ground truth.
        </p>
        {start}
      </div>
    );
  return (
    <div className="lv-runs" data-cy="auto-labeling-sources">
      <header className="lv-sources-head">
        <h3>Runs</h3>
        {start}
      </header>
      {runs.length === 0 && <p className="lv-faint">No model has labeled this dataset yet.</p>}
      {runs.map((run) => (
        <RunCard key={run.name} run={run} onOpen={onOpen} />
      ))}
      {fields.length > 0 && <h3>Existing labels</h3>}
      {fields.map((field) => (
        <Choice
          key={field}
          name={field}
          detail="all labels of the field, from any source"
          data-cy={`auto-labeling-field-${field}`}
          onClick={() => onOpen({ field, run: null })}
        />
      ))}
    </div>
  );
}

function RunCard({ run, onOpen }: { run: Run; onOpen: (source: Source) => void }) {
  const { field, state } = run;
  const ended = state === "failed" || state === "canceled";
  const empty = state === "generating" || (ended && run.labels === 0);
  return (
    <Choice
      name={
        <>
          {run.name}{" "}
          <Chip
            size="small"
            variant="outlined"
            color={state === "in_review" ? "primary" : "default"}
            label={STATE_WORDS[state]}
          />
        </>
      }
      detail={describe(run)}
      progress={state === "generating" ? run.progress : undefined}
      error={run.error}
      disabled={empty || field === null}
      data-cy={`auto-labeling-run-${run.name}`}
      data-state={state}
      onClick={() => field !== null && onOpen({ field, run: run.name })}
    />
  );
}

function describe(run: Run): string {
  if (run.state === "generating" && run.line) return run.line;
  const parts = [
    run.field,
    run.model,
    run.labels > 0 && `${run.labels.toLocaleString()} labels`,
    run.images > 0 && `${run.images.toLocaleString()} images`,
    run.unreadable > 0 && `${run.unreadable.toLocaleString()} unreadable`,
    run.user,
    run.created && new Date(run.created).toLocaleString(),
  ];
  return parts.filter(Boolean).join(" · ");
}
