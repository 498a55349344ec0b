import { Autocomplete, TextField } from "@mui/material";
import React, { useState } from "react";
import { named, offered } from "../reviewOrder";
import type { Item } from "../wire";

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
    if (name === null || name === item.label) return;
    const picked = isNew(name) ? name.trim() : name;
    if (picked || !isNew(picked)) onPick(picked);
  };
  const [typed, setTyped] = useState("");
  return (
    <Autocomplete
      open
      freeSolo
      // Enter takes the first row, unless what was typed is the class that the label has
      autoHighlight={typed.trim() !== item.label}
      onInputChange={(_event, text) => setTyped(text)}
      size="small"
      options={classes}
      filterOptions={(_classes, { inputValue }) => offered(classes, item, inputValue)}
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
            {isNew(name) ? `New class: ${name}` : named(name)}
            {name === item.suggested && <em> suggested</em>}
          </span>
        </li>
      )}
    />
  );
}
