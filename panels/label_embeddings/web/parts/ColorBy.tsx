import { Autocomplete, TextField } from "@mui/material";
import React from "react";
import type { Attribute } from "../wire";

/** The drop-down *Color by*: every attribute of the labels, then of the samples. */
export function ColorBy({
  attributes,
  path,
  loading,
  onChange,
}: {
  attributes: Attribute[];
  path: string | null;
  loading: boolean;
  onChange: (path: string | null) => void;
}) {
  return (
    <Autocomplete
      className="lv-picker"
      size="small"
      loading={loading}
      options={[...attributes].sort((a, b) => a.scope.localeCompare(b.scope))}
      value={attributes.find((attribute) => attribute.path === path) ?? null}
      groupBy={({ scope }) => (scope === "label" ? "Labels" : "Samples")}
      getOptionLabel={(attribute) => attribute.path}
      isOptionEqualToValue={(a, b) => a.path === b.path}
      onChange={(_event, attribute) => onChange(attribute?.path ?? null)}
      renderInput={(params) => (
        <TextField
          {...params}
          placeholder="Color by"
          inputProps={{ ...params.inputProps, "aria-label": "Color by" }}
        />
      )}
      renderOption={(props, attribute) => (
        <li {...props} key={attribute.path}>
          <div>
            {attribute.path}
            <small className="lv-option-detail">{attribute.kind}</small>
          </div>
        </li>
      )}
    />
  );
}
