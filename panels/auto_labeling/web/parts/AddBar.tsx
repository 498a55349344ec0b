import { ToggleButton, ToggleButtonGroup } from "@mui/material";
import React from "react";
import { Button } from "../../../app/Button";
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
      <Button
        primary
        icon="playlist_add"
        shortcut="a"
        data-cy="add"
        disabled={busy || addable === 0}
        onClick={onAdd}
      >
        Add {addable.toLocaleString()} {addable === 1 ? "label" : "labels"} for approval
      </Button>
      <Button
        icon="flag"
        shortcut="f"
        data-cy="flag"
        disabled={busy}
        title="Tag the patches selected in the grid 'needs-review'"
        onClick={onFlag}
      >
        Flag selected
      </Button>
      <Button
        shortcut="r"
        data-cy="remove-selected"
        disabled={busy || !canTakeOut}
        title="Remove the patches selected in the grid from the basket"
        onClick={onTakeOut}
      >
        Remove selected from basket
      </Button>
      <span className="lv-spring" />
      <ToggleButtonGroup
        exclusive
        size="small"
        aria-label="The grid shows"
        value={shown}
        onChange={(_event, name: Shown | null) => name && onShow(name)}
      >
        {GRIDS.map(([name, label]) => (
          <ToggleButton key={name} value={name} data-cy={`grid-${name}`}>
            {label}
          </ToggleButton>
        ))}
      </ToggleButtonGroup>
    </div>
  );
}
