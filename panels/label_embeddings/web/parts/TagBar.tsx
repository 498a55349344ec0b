import { ListItemText, Menu, MenuItem, Select, TextField } from "@mui/material";
import React, { useMemo, useState } from "react";
import { Button } from "../../../app/Button";
import { Icon, IconButton } from "../../../app/Icon";
import type { LabelSelection } from "../hooks/useSelection";
import type { Tagging } from "../hooks/useTagging";
import { countRows } from "../rows";

/** What is done with the selection: tag it, save the tag as a view, leave out what is flagged. */
export function TagBar({
  tagging,
  selection,
  hasLabels,
  onUndo,
  children,
}: {
  tagging: Tagging;
  selection: LabelSelection;
  hasLabels: boolean;
  onUndo: () => void;
  /** what else is done with the selection */
  children: React.ReactNode;
}) {
  const [excluding, setExcluding] = useState<HTMLElement | null>(null);
  const count = useMemo(
    () => (selection.judged ? countRows(selection.judged) : 0),
    [selection.judged],
  );
  const selected = count > 0;
  const what = hasLabels ? tagging.target : "samples";
  const exclude = (level: "labels" | "images") => {
    setExcluding(null);
    tagging.exclude(level);
  };
  return (
    <div className="lv-tagbar">
      <TextField
        size="small"
        className="lv-tag"
        inputProps={{ "aria-label": "Tag" }}
        value={tagging.tag}
        onChange={(event) => tagging.setTag(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === "Enter") tagging.apply(false);
        }}
      />
      {hasLabels && (
        <Select
          size="small"
          inputProps={{ "aria-label": "Tag labels or samples" }}
          value={tagging.target}
          onChange={(event) => tagging.setTarget(event.target.value as "labels" | "samples")}
        >
          <MenuItem value="labels">labels</MenuItem>
          <MenuItem value="samples">samples</MenuItem>
        </Select>
      )}
      <Button
        primary
        icon="sell"
        shortcut="t"
        disabled={!selected || tagging.busy}
        onClick={() => tagging.apply(false)}
      >
        Tag {selected ? count.toLocaleString() : ""}
      </Button>
      <Button shortcut="r" disabled={!selected || tagging.busy} onClick={() => tagging.apply(true)}>
        Untag
      </Button>
      <Button shortcut="s" disabled={tagging.busy} onClick={tagging.saveView}>
        Save view
      </Button>
      <Button
        aria-haspopup="menu"
        disabled={tagging.busy}
        onClick={(event) => setExcluding(event.currentTarget)}
      >
        Exclude tagged <Icon name="arrow_drop_down" />
      </Button>
      <Menu open={excluding !== null} anchorEl={excluding} onClose={() => setExcluding(null)}>
        {hasLabels && (
          <MenuItem onClick={() => exclude("labels")}>
            <ListItemText
              primary="Labels"
              secondary={`Hide labels tagged '${tagging.named}' and keep their images (x)`}
            />
          </MenuItem>
        )}
        <MenuItem onClick={() => exclude("images")}>
          <ListItemText
            primary="Images"
            secondary={`Hide those with ${hasLabels ? "such a label" : `the tag '${tagging.named}'`}`}
          />
        </MenuItem>
      </Menu>
      {children}
      <span className="lv-spring" />
      <IconButton
        icon="join_inner"
        label={`More ${what} like this`}
        shortcut="m"
        disabled={!selected}
        onClick={selection.moreLikeThis}
      />
      <IconButton
        icon="invert_colors"
        label="Invert the selection"
        shortcut="i"
        onClick={selection.invert}
      />
      <IconButton icon="undo" label="Undo" shortcut="z" onClick={onUndo} />
      <IconButton
        icon="close"
        label="Clear the selection"
        shortcut="Esc"
        disabled={selection.selected === null}
        onClick={selection.clear}
      />
    </div>
  );
}
