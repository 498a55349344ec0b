import { Autocomplete, ListItemText, Menu, MenuItem, TextField } from "@mui/material";
import React, { useState } from "react";
import { Button } from "../../../app/Button";
import { Icon } from "../../../app/Icon";
import { Question } from "../../../app/Question";
import type { Many } from "../hooks/useMany";
import { named } from "../reviewOrder";
import type { Rows } from "../rows";

/** One answer for everything that is selected: a class, no object, or what is suggested. */
export function ManyMenu({
  many,
  rows,
  classes,
  disabled,
}: {
  many: Many;
  /** the selected ones, null for none */
  rows: Rows | null;
  /** the names of the classes that there are */
  classes: string[];
  disabled: boolean;
}) {
  const [anchor, setAnchor] = useState<HTMLElement | null>(null);
  const close = () => setAnchor(null);
  const plan: Many["plan"] = async (...what) => {
    close();
    return many.plan(...what);
  };
  return (
    <>
      <Button
        aria-haspopup="menu"
        disabled={disabled || rows === null}
        title="Give all selected labels one answer"
        onClick={(event) => setAnchor(event.currentTarget)}
      >
        Answer all <Icon name="arrow_drop_down" />
      </Button>
      <Menu open={anchor !== null} anchorEl={anchor} onClose={close}>
        <Autocomplete
          freeSolo
          size="small"
          sx={{ minWidth: 240, margin: "4px 16px" }}
          options={classes}
          getOptionLabel={named}
          // letters typed here are not the menu's
          onKeyDown={(event) => event.stopPropagation()}
          onChange={(_event, label) =>
            rows && label && plan(rows, "relabel", label.trim() || label)
          }
          renderInput={(params) => (
            <TextField
              {...params}
              label="All are"
              inputProps={{ ...params.inputProps, "aria-label": "Class of all selected" }}
            />
          )}
        />
        <MenuItem onClick={() => rows && plan(rows, "suggestion")}>
          <ListItemText
            primary="Take the suggestions"
            secondary="Class or box, of those whose issue has one"
          />
        </MenuItem>
        <MenuItem onClick={() => rows && plan(rows, "reject")}>
          <ListItemText primary="Not objects" secondary="Reject them all" />
        </MenuItem>
      </Menu>
      <Question
        open={many.question !== null}
        text={many.question ?? ""}
        confirm="Answer all"
        onConfirm={many.confirm}
        onClose={many.cancel}
      />
    </>
  );
}
