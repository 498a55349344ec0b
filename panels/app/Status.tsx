import { Alert, Button } from "@mui/material";
import React from "react";
import { IconButton } from "./Icon";
import type { Message } from "./useReport";

/** What was done last, or what went wrong, in a sentence. */
export function Status({
  message,
  onUndo,
  onClose,
}: {
  message: Message | null;
  onUndo?: () => void;
  onClose: () => void;
}) {
  if (!message) return null;
  return (
    <Alert
      className="lv-status"
      role="status"
      severity={message.problem ? "error" : "success"}
      action={
        <>
          {message.undoable && onUndo && (
            <Button size="small" color="inherit" onClick={onUndo}>
              Undo
            </Button>
          )}
          <IconButton icon="close" label="Close" onClick={onClose} />
        </>
      }
    >
      {message.text}
    </Alert>
  );
}
