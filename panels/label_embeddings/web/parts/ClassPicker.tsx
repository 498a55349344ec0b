import { Autocomplete, TextField } from "@mui/material";
import React from "react";
import { named, pickable } from "../reviewOrder";
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
  // a class that there is may have no name, or spaces around it
  const pick = (name: string | null) => {
    if (name === null) return;
    const picked = isNew(name) ? name.trim() : name;
    if (picked || !isNew(picked)) onPick(picked);
  };
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
      onChange={(_event, name) => pick(name)}
      onClose={(_event, reason) => {
        if (reason === "escape" || reason === "blur") onPick(null);
      }}
      renderInput={(params) => (
        <TextField
          {...params}
          autoFocus
          placeholder={`Not ${item.label === null ? "labeled" : named(item.label)}, but…`}
          inputProps={{ ...params.inputProps, "aria-label": "Search classes" }}
        />
      )}
      renderOption={(props, name) => (
        <li {...props} key={name}>
          <span>
            {isNew(name) ? `'${name}', a new class` : named(name)}
            {name === item.suggested && <em> suggested</em>}
          </span>
        </li>
      )}
    />
  );
}
