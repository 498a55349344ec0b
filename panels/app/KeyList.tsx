import { Dialog, DialogContent, DialogTitle } from "@mui/material";
import React from "react";
import type { Shortcut } from "./shortcuts";

/** All keys of a page, as a dialog. */
export function KeyList({
  open,
  shortcuts,
  onClose,
}: {
  open: boolean;
  shortcuts: Shortcut[];
  onClose: () => void;
}) {
  return (
    <Dialog
      open={open}
      onClose={onClose}
      aria-label="Keys"
      onKeyDown={(event) => event.key === "?" && onClose()}
    >
      <DialogTitle>Keys</DialogTitle>
      <DialogContent className="lv-keys">
        <dl>
          {shortcuts.map(({ key, does }) => (
            <React.Fragment key={key}>
              <dt>
                <kbd>{key}</kbd>
              </dt>
              <dd>{does}</dd>
            </React.Fragment>
          ))}
          <dt>
            <kbd>shift</kbd> <kbd>alt</kbd>
          </dt>
          <dd>with a lasso, a box, or a click: add to the selection, or remove from it</dd>
        </dl>
      </DialogContent>
    </Dialog>
  );
}
