import { Autocomplete, TextField } from "@mui/material";
import React from "react";
import type { Run } from "../wire";
import { describeRun } from "./RunList";

/** The drop-down *Select brain key*. */
export function RunPicker({
  runs,
  current,
  onOpen,
}: {
  runs: Run[];
  current: string | null;
  onOpen: (key: string | null) => void;
}) {
  return (
    <Autocomplete
      className="lv-picker"
      size="small"
      options={runs}
      value={runs.find(({ key }) => key === current) ?? null}
      getOptionLabel={({ key }) => key}
      getOptionDisabled={({ state }) => state !== "ready"}
      isOptionEqualToValue={(a, b) => a.key === b.key && a.state === b.state}
      onChange={(_event, run) => onOpen(run?.key ?? null)}
      renderInput={(params) => <TextField {...params} placeholder="Select brain key" />}
      renderOption={(props, run) => (
        <li {...props} key={`${run.key} ${run.state}`}>
          <div>
            {run.key}
            <small className="lv-option-detail">{describeRun(run)}</small>
          </div>
        </li>
      )}
    />
  );
}
