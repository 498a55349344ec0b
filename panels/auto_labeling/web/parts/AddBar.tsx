import React from "react";
import { Icon } from "../../../app/Icon";
import type { Shown } from "../hooks/useGrid";

const GRIDS: [Shown, string][] = [
  ["open", "To review"],
  ["basket", "Basket"],
  ["flagged", "Flagged"],
  ["approved", "Approved"],
  ["all", "All"],
  ["images", "Images"],
];

/** What is done with the labels in range and with the patches that are selected in the grid, and
 * what the grid shows. */
export function AddBar({
  addable,
  canTakeOut,
  busy,
  shown,
  onAdd,
  onFlag,
  onTakeOut,
  onShow,
}: {
  /** how many labels are in range */
  addable: number;
  canTakeOut: boolean;
  busy: boolean;
  shown: Shown;
  onAdd: () => void;
  onFlag: () => void;
  onTakeOut: () => void;
  onShow: (shown: Shown) => void;
}) {
  return (
    <div className="lv-tagbar">
      <button
        type="button"
        className="lv-button"
        data-primary
        data-cy="add"
        disabled={busy || addable === 0}
        onClick={onAdd}
      >
        <Icon name="playlist_add" /> Add {addable.toLocaleString()}{" "}
        {addable === 1 ? "label" : "labels"} for approval <kbd>a</kbd>
      </button>
      <button
        type="button"
        className="lv-button"
        data-cy="flag"
        disabled={busy}
        title="Tag the patches selected in the grid 'needs-review'"
        onClick={onFlag}
      >
        <Icon name="flag" /> Flag selected <kbd>f</kbd>
      </button>
      <button
        type="button"
        className="lv-button"
        data-cy="remove-selected"
        disabled={busy || !canTakeOut}
        title="Take the patches selected in the grid out of the basket"
        onClick={onTakeOut}
      >
        Take out selected <kbd>r</kbd>
      </button>
      <span className="lv-spring" />
      <fieldset className="lv-grids" aria-label="The grid shows">
        {GRIDS.map(([name, label]) => (
          <button
            type="button"
            key={name}
            data-cy={`grid-${name}`}
            aria-pressed={shown === name}
            onClick={() => onShow(name)}
          >
            {label}
          </button>
        ))}
      </fieldset>
    </div>
  );
}
