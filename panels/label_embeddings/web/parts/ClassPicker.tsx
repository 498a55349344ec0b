import { Autocomplete, TextField } from "@mui/material";
import React from "react";
import { pickable } from "../reviewOrder";
import type { Item } from "../wire";

const MOST_LISTED = 100;

/** Picks the class that a label should have, one that there is or a new one, beside its crop. */
export function ClassPicker({
  classes,
  item,
  onPick,
}: {
  classes: string[];
  item: Item;
  /** is given the class that was picked, null for none */
  onPick: (label: string | null) => void;
}) {
  const isNew = (name: string) => name !== item.label && !classes.includes(name);
  return (
    <Autocomplete
      open
      freeSolo
      autoHighlight
      size="small"
      options={classes}
      filterOptions={(_classes, { inputValue }) => {
        const typed = inputValue.trim();
        const found = pickable(classes, item, typed).slice(0, MOST_LISTED);
        return typed && isNew(typed) ? [...found, typed] : found;
      }}
      onChange={(_event, name) => name?.trim() && onPick(name.trim())}
      onClose={(_event, reason) => {
        if (reason === "escape" || reason === "blur") onPick(null);
      }}
      renderInput={(params) => (
        <TextField
          {...params}
          autoFocus
          placeholder={`Not ${item.label ?? "labeled"}, but…`}
          inputProps={{ ...params.inputProps, "aria-label": "Search classes" }}
        />
      )}
      renderOption={(props, name) => (
        <li {...props} key={name}>
          <span>
            {isNew(name) ? `'${name}', a new class` : name}
            {name === item.suggested && <em> suggested</em>}
          </span>
        </li>
      )}
    />
  );
}
