import React, { useState } from "react";
import { Button } from "../../../app/Button";
import { Question } from "../../../app/Question";
import type { LoopProgress } from "../wire";

/** The end of the loop: what was not approved leaves, and then for good. */
export function Ending({
  progress,
  field,
  busy,
  onFinalize,
  onFinish,
}: {
  progress: LoopProgress;
  field: string;
  busy: boolean;
  onFinalize: (count: number) => void;
  onFinish: () => void;
}) {
  const [asking, setAsking] = useState<"finalize" | "finish" | null>(null);
  const count = progress.notApproved;
  const open = progress.left - progress.basket;
  return (
    <section className="lv-ending" aria-label="Finalize">
      <Button
        data-cy="finalize"
        disabled={busy || count === 0}
        onClick={() => setAsking("finalize")}
      >
        Finalize…
      </Button>
      <Button data-cy="finish" disabled={busy} onClick={() => setAsking("finish")}>
        Finish…
      </Button>
      <span className="lv-faint">
        {progress.found === 0
          ? "There are no labels here."
          : count === 0
            ? "Every label here is approved."
            : `${count.toLocaleString()} not approved: they stay until you finalize.`}
      </span>
      <Question
        open={asking === "finalize"}
        text={`Remove the ${count.toLocaleString()} labels of '${field}' that are not approved (${open.toLocaleString()} to review, ${progress.basket.toLocaleString()} in the basket, ${progress.flagged.toLocaleString()} flagged, ${progress.rejected.toLocaleString()} rejected)? They move to '${field}_removed' and can be restored until you finish.`}
        confirm={`Remove ${count.toLocaleString()}`}
        onConfirm={() => onFinalize(count)}
        onClose={() => setAsking(null)}
      />
      <Question
        open={asking === "finish"}
        text="Finish? Removed labels are deleted for good, and approvals so far can no longer be undone."
        confirm="Finish"
        onConfirm={onFinish}
        onClose={() => setAsking(null)}
      />
    </section>
  );
}
