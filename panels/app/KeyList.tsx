import { Dialog, DialogContent, DialogTitle } from "@mui/material";
import React from "react";
import type { Shortcut } from "./shortcuts";

/** All keys of a page, as a dialog. */
export function KeyList({
  open,
  shortcuts,
  hasMap,
  onClose,
}: {
  open: boolean;
  shortcuts: Shortcut[];
  /** whether labels are selected on a map there */
  hasMap: boolean;
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
          {hasMap && (
            <>
              <dt>
                <kbd>shift</kbd> <kbd>alt</kbd>
              </dt>
              <dd>
                hold while you lasso, draw a box or click: shift adds to the selection, alt removes
                from it
              </dd>
            </>
          )}
        </dl>
      </DialogContent>
    </Dialog>
  );
}
