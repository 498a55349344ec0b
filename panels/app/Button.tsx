import { type ButtonProps, Button as MuiButton } from "@mui/material";
import React from "react";
import { Icon } from "./Icon";

type Props = Pick<ButtonProps, "children" | "disabled" | "onClick" | "title" | "aria-haspopup"> & {
  /** of the App's icon font */
  icon?: string;
  /** the key that does the same */
  shortcut?: string;
  /** whether it is what is likely wanted next */
  primary?: boolean;
  "aria-pressed"?: boolean;
  "data-cy"?: string;
};

/** A button with words, in the App's own look. */
export function Button({ icon, shortcut, primary = false, children, ...props }: Props) {
  return (
    <MuiButton
      size="small"
      variant={primary ? "contained" : "outlined"}
      color={primary ? "primary" : "inherit"}
      startIcon={icon && <Icon name={icon} />}
      endIcon={shortcut && <kbd>{shortcut}</kbd>}
      {...props}
    >
      {children}
    </MuiButton>
  );
}
