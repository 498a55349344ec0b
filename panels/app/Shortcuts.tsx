import React from "react";
import type { Shortcut } from "./useShortcuts";

/** All keys of the panel. */
export function Shortcuts({ shortcuts, onClose }: { shortcuts: Shortcut[]; onClose: () => void }) {
  return (
    <dialog open className="lv-shortcuts" aria-label="Keys">
      <h3>Keys</h3>
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
        <dd>with a lasso, a box or a click: add, remove</dd>
      </dl>
      <button type="button" className="lv-button" onClick={onClose}>
        Close
      </button>
    </dialog>
  );
}
