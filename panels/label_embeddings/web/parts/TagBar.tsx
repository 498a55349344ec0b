import React, { useMemo, useState } from "react";
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
}: {
  tagging: Tagging;
  selection: LabelSelection;
  hasLabels: boolean;
  onUndo: () => void;
}) {
  const [excluding, setExcluding] = useState(false);
  const count = useMemo(
    () => (selection.judged ? countRows(selection.judged) : 0),
    [selection.judged],
  );
  const selected = count > 0;
  const what = hasLabels ? tagging.target : "samples";
  return (
    <div className="lv-tagbar">
      <input
        className="lv-tag"
        aria-label="Tag"
        value={tagging.tag}
        onChange={(event) => tagging.setTag(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === "Enter") tagging.apply(false);
        }}
      />
      {hasLabels && (
        <select
          aria-label="What is tagged"
          value={tagging.target}
          onChange={(event) => tagging.setTarget(event.target.value as "labels" | "samples")}
        >
          <option value="labels">labels</option>
          <option value="samples">samples</option>
        </select>
      )}
      <button
        type="button"
        className="lv-button"
        data-primary
        disabled={!selected || tagging.busy}
        onClick={() => tagging.apply(false)}
      >
        <Icon name="sell" /> Tag {selected ? count.toLocaleString() : ""} <kbd>t</kbd>
      </button>
      <button
        type="button"
        className="lv-button"
        disabled={!selected || tagging.busy}
        onClick={() => tagging.apply(true)}
      >
        Untag <kbd>r</kbd>
      </button>
      <button
        type="button"
        className="lv-button"
        disabled={tagging.busy}
        onClick={tagging.saveView}
      >
        Save view <kbd>s</kbd>
      </button>
      <span className="lv-menu">
        <button
          type="button"
          className="lv-button"
          aria-expanded={excluding}
          disabled={tagging.busy}
          onClick={() => setExcluding(!excluding)}
        >
          Exclude flagged <Icon name="arrow_drop_down" />
        </button>
        {excluding && (
          <div className="lv-menu-list" role="menu">
            {hasLabels && (
              <button
                type="button"
                role="menuitem"
                onClick={() => {
                  setExcluding(false);
                  tagging.exclude("labels");
                }}
              >
                <b>Labels</b> tagged '{tagging.named}' are hidden, their images stay <kbd>x</kbd>
              </button>
            )}
            <button
              type="button"
              role="menuitem"
              onClick={() => {
                setExcluding(false);
                tagging.exclude("images");
              }}
            >
              <b>Images</b> with {hasLabels ? "such a label" : "this tag"} are hidden
            </button>
          </div>
        )}
      </span>
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
        disabled={!selected}
        onClick={selection.clear}
      />
    </div>
  );
}
