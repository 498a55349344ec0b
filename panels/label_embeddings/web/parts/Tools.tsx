import React from "react";
import { IconButton } from "../../../app/Icon";
import type { Mode } from "../hooks/useMapLook";

/** What the pointer does on the map. */
export function Tools({
  mode,
  dims,
  onMode,
}: {
  mode: Mode;
  dims: 2 | 3;
  onMode: (mode: Mode) => void;
}) {
  const tools: [Mode, string, string, string][] = [
    ["lasso", "gesture", "Lasso", "l"],
    ["box", "highlight_alt", "Box", "b"],
    ["explore", "open_with", dims === 3 ? "Turn the map" : "Move the map", "v"],
  ];
  return (
    <fieldset className="lv-tools" aria-label="Tools">
      {tools.map(([name, icon, label, shortcut]) => (
        <IconButton
          key={name}
          icon={icon}
          label={label}
          shortcut={shortcut}
          active={mode === name}
          onClick={() => onMode(name)}
        />
      ))}
    </fieldset>
  );
}

/** A part of the panel that is shown or not. */
export interface View {
  icon: string;
  label: string;
  shortcut: string;
  active?: boolean;
  onClick: () => void;
}

/** What is shown beside, over or instead of the points. */
export function Views({ views }: { views: View[] }) {
  return (
    <fieldset className="lv-tools" aria-label="Views">
      {views.map((view) => (
        <IconButton key={view.label} {...view} />
      ))}
    </fieldset>
  );
}
