import { Checkbox, FormControlLabel, TextField } from "@mui/material";
import React, { useState } from "react";
import { Button } from "../../../app/Button";
import type { LoopProgress } from "../wire";

/** Approval to a target, beside that by confidence: what is to be proven, and what is so far. */
export function TargetBar({
  progress,
  busy,
  onBegin,
  onAnswer,
  onFill,
}: {
  progress: LoopProgress;
  busy: boolean;
  /** the target and the confidence, in percent, and whether each class is to meet the target */
  onBegin: (target: number, confidence: number, perClass: boolean) => void;
  /** shows the sample in the review of the map of a brain key */
  onAnswer: (key: string) => void;
  onFill: () => void;
}) {
  const [target, setTarget] = useState("98");
  const [confidence, setConfidence] = useState("95");
  const [perClass, setPerClass] = useState(false);
  const { target: said, targetNotes, targetKey, proven } = progress;
  const given = [target, confidence].every((text) => text.trim() !== "" && Number(text) >= 0);
  return (
    <section className="lv-target" aria-label="Approve to a target" data-cy="target">
      <div className="lv-approve">
        <span>At least</span>
        <Percent label="% right" name="target" value={target} onChange={setTarget} />
        <span>with</span>
        <Percent
          label="% confidence"
          name="confidence"
          value={confidence}
          onChange={setConfidence}
        />
        <FormControlLabel
          label="In each class"
          title="Each class meets the target by itself; it takes more answers"
          control={
            <Checkbox
              size="small"
              inputProps={{ "data-cy": "target-per-class" } as React.ComponentProps<"input">}
              checked={perClass}
              onChange={(event) => setPerClass(event.target.checked)}
            />
          }
        />
        <Button
          icon="workspace_premium"
          data-cy="target-begin"
          disabled={busy || !given}
          title={
            said === null
              ? "Asks about a random sample of the least suspicious labels to prove how many are right"
              : "Starts a new random sample; the current one is dropped"
          }
          onClick={() => onBegin(Number(target), Number(confidence), perClass)}
        >
          {said === null ? "Prove it" : "Begin again"}
        </Button>
        {targetKey !== null && (
          <Button
            data-cy="target-answer"
            title="Opens the sample in the review of Label embeddings"
            onClick={() => onAnswer(targetKey)}
          >
            Answer
          </Button>
        )}
        {proven > 0 && (
          <Button
            primary
            data-cy="target-fill"
            disabled={busy}
            title="Replaces what is in the basket now"
            onClick={onFill}
          >
            Fill the basket with these {proven.toLocaleString()}
          </Button>
        )}
      </div>
      {said !== null && (
        <p className="lv-faint" data-cy="target-says">
          {said}
        </p>
      )}
      {targetNotes.map((note) => (
        <p key={note} className="lv-faint">
          {note}
        </p>
      ))}
    </section>
  );
}

function Percent({
  label,
  name,
  value,
  onChange,
}: {
  label: string;
  name: string;
  value: string;
  onChange: (value: string) => void;
}) {
  return (
    <TextField
      size="small"
      label={label}
      inputProps={{ "data-cy": name, inputMode: "decimal", size: 4 }}
      value={value}
      onChange={(event) => onChange(event.target.value)}
    />
  );
}
