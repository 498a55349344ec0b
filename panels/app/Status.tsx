import React from "react";
import { Icon } from "./Icon";
import type { Message } from "./useReport";

/** What was done last, or what went wrong, in a sentence. */
export function Status({
  message,
  onUndo,
  onClose,
}: {
  message: Message | null;
  onUndo: () => void;
  onClose: () => void;
}) {
  if (!message) return null;
  return (
    <div className="lv-status" role="status" data-problem={message.problem}>
      <Icon name={message.problem ? "error_outline" : "check"} />
      <span>{message.text}</span>
      {message.undoable && (
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
