import { MenuItem, Select, TextField } from "@mui/material";
import React from "react";
import { IconButton } from "../../../app/Icon";
import type { Search } from "../hooks/useSearch";
import { type LabelSelection, NUMBERS } from "../hooks/useSelection";

/** What the nearest patches are searched by, and how many of them are selected. */
export function SearchBox({
  search: { can, words, setWords, byWords, clear, wordsRef, byImage, pickImage, picker },
  selection,
  onLeave,
}: {
  search: Search;
  selection: LabelSelection;
  /** gives the keys back to the page */
  onLeave: () => void;
}) {
  if (!can?.images) return null;
  return (
    <fieldset className="lv-tools" aria-label="Search">
      {can.words && (
        <TextField
          size="small"
          className="lv-words"
          inputRef={wordsRef}
          type="search"
          placeholder="person on a bike"
          inputProps={{ "aria-label": "Search by words", title: "Search by words (w)" }}
          value={words}
          onChange={(event) => setWords(event.target.value)}
          onKeyDown={(event) => {
            if (event.key === "Enter") byWords();
            else if (event.key === "Escape") clear();
            else return;
            onLeave(); // so that what was found is tagged by a key
          }}
        />
      )}
      <input
        ref={picker}
        type="file"
        accept="image/*"
        hidden
        onChange={(event) => {
          const file = event.target.files?.[0];
          if (file) byImage(file);
          event.target.value = ""; // so that the same file can be chosen again
          onLeave();
        }}
      />
      <IconButton
        icon="image_search"
        label="Search by an image"
        hint="choose, drop or paste one"
        shortcut="g"
        onClick={pickImage}
      />
      <Select
        size="small"
        inputProps={{ "aria-label": "How many of the nearest are selected" }}
        value={selection.howMany}
        onChange={(event) => selection.setHowMany(Number(event.target.value))}
      >
        {NUMBERS.map((number) => (
          <MenuItem key={number} value={number}>
            {number.toLocaleString()}
          </MenuItem>
        ))}
      </Select>
    </fieldset>
  );
}
