import { Autocomplete, createFilterOptions, TextField } from "@mui/material";
import React from "react";
import type { Attribute } from "../wire";

// a path can be typed too
const filterOptions = createFilterOptions<Attribute>({
  stringify: ({ name, path }) => `${name} ${path}`,
});

/** The drop-down *Color by*: every attribute of the labels under their fields, then of the samples. */
export function ColorBy({
  fields,
  attributes,
  path,
  loading,
  onChange,
}: {
  /** the label fields, none for whole images */
  fields: string[];
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
      groupBy={({ scope }) => (scope === "label" ? fields.join(", ") || "Labels" : "Samples")}
      getOptionLabel={({ name }) => name}
      getOptionKey={({ path }) => path}
      filterOptions={filterOptions}
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
        <li {...props} key={attribute.path} title={attribute.path}>
          <div>
            {attribute.name}
            <small className="lv-option-detail">{attribute.kind}</small>
          </div>
        </li>
      )}
    />
  );
}
