import React, { useState } from "react";
import { pickable } from "../reviewOrder";
import type { Item } from "../wire";

const MOST_LISTED = 100;

/** Picks the class that a label should have. */
export function ClassPicker({
  classes,
  item,
  onPick,
}: {
  classes: string[];
  item: Item;
  onPick: (label: string | null) => void;
}) {
  const [search, setSearch] = useState("");
  const found = pickable(classes, item, search);
  const typed = search.trim();
  const unknown = typed !== "" && typed !== item.label && !classes.includes(typed);
  return (
    <dialog open className="lv-classes" aria-label="Pick a class">
      <input
        autoFocus
        aria-label="Search classes"
        placeholder={`Not ${item.label ?? "labeled"}, but…`}
        value={search}
        onChange={(event) => setSearch(event.target.value)}
        onKeyDown={(event) => {
          event.stopPropagation();
          if (event.key === "Escape") onPick(null);
          if (event.key === "Enter" && (found[0] || unknown)) onPick(found[0] ?? typed);
        }}
      />
      <ul>
        {found.slice(0, MOST_LISTED).map((name) => (
          <li key={name}>
            <button type="button" onClick={() => onPick(name)}>
              {name}
              {name === item.suggested && <em> suggested</em>}
            </button>
          </li>
        ))}
        {unknown && (
          <li>
            <button type="button" onClick={() => onPick(typed)}>
              '{typed}', a new class
            </button>
          </li>
        )}
      </ul>
    </dialog>
  );
}
