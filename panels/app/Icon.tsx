import { Tooltip } from "@mui/material";
import React from "react";

/** An icon of the App's icon font. */
export function Icon({ name }: { name: string }) {
  return (
    <span className="material-icons" aria-hidden="true">
      {name}
    </span>
  );
}

/** A button that is an icon, with a tooltip that also names its key. */
export function IconButton({
  icon,
  label,
  shortcut,
  active = false,
  disabled = false,
  onClick,
}: {
  icon: string;
  label: string;
  shortcut?: string;
  active?: boolean;
  disabled?: boolean;
  onClick: () => void;
}) {
  return (
    <Tooltip title={shortcut ? `${label} (${shortcut})` : label} enterDelay={400}>
      <span>
        <button
          type="button"
          className="lv-icon-button"
          aria-label={label}
          aria-pressed={active}
          disabled={disabled}
          onClick={onClick}
        >
          <Icon name={icon} />
        </button>
      </span>
    </Tooltip>
  );
}
