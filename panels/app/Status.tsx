import React from "react";
import { Icon } from "./Icon";

/** What was done last, or what went wrong, in a sentence. */
export function Status({
  sentence,
  problem,
  onUndo,
  onClose,
}: {
  sentence: string | null;
  problem: string | null;
  onUndo: (() => void) | null;
  onClose: () => void;
}) {
  const text = problem ?? sentence;
  if (!text) return null;
  return (
    <div className="lv-status" role="status" data-problem={problem !== null}>
      <Icon name={problem ? "error_outline" : "check"} />
      <span>{text}</span>
      {!problem && onUndo && (
        <button type="button" className="lv-link" onClick={onUndo}>
          Undo
        </button>
      )}
      <button type="button" className="lv-link" aria-label="Close" onClick={onClose}>
        <Icon name="close" />
      </button>
    </div>
  );
}
