import { IconButton as MuiIconButton, Tooltip } from "@mui/material";
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
  hint,
  shortcut,
  active,
  disabled = false,
  onClick,
}: {
  icon: string;
  label: string;
  /** what it does, where its label does not say it all */
  hint?: string;
  shortcut?: string;
  /** whether what it switches is on; undefined where it switches nothing */
  active?: boolean;
  disabled?: boolean;
  onClick: (event: React.MouseEvent<HTMLElement>) => void;
}) {
  const words = hint ? `${label}${label.endsWith("?") ? "" : ":"} ${hint}` : label;
  return (
    <Tooltip title={shortcut ? `${words} (${shortcut})` : words} enterDelay={400}>
      <span>
        <MuiIconButton
          size="small"
          color={active ? "primary" : "default"}
          aria-label={label}
          aria-pressed={active}
          disabled={disabled}
          onClick={onClick}
        >
          <Icon name={icon} />
        </MuiIconButton>
      </span>
    </Tooltip>
  );
}
