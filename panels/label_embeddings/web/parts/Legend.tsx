import { Link, TextField } from "@mui/material";
import React, { useMemo, useState } from "react";
import type { RGB } from "../colors";
import { isolateCategory, toggleCategory } from "../filters";

const MOST_LISTED = 300;

/** All categories with their counts: a click hides one, a double click isolates it. */
export function Legend({
  label,
  categories,
  counts,
  colors,
  hidden,
  searchRef,
  onChange,
}: {
  label: string;
  categories: string[];
  /** of each code; code 0 is none */
  counts: Uint32Array;
  /** null where the map has other colors */
  colors: RGB[] | null;
  hidden: Set<string>;
  /** null where there are too few to search */
  searchRef: React.RefObject<HTMLInputElement> | null;
  onChange: (hidden: Set<string>) => void;
}) {
  const [search, setSearch] = useState("");
  const found = useMemo(() => {
    const wanted = search.trim().toLowerCase();
    return categories
      .map((category, index) => ({ category, index, count: counts[index + 1] }))
      .filter(({ category }) => category.toLowerCase().includes(wanted))
      .sort((a, b) => b.count - a.count || a.category.localeCompare(b.category));
  }, [categories, counts, search]);

  return (
    <section className="lv-legend" aria-label={label} data-short={searchRef === null}>
      <div className="lv-legend-head">
        {searchRef && (
          <TextField
            size="small"
            fullWidth
            inputRef={searchRef}
            type="search"
            placeholder={`Search ${categories.length.toLocaleString()} values`}
            inputProps={{ "aria-label": "Search the legend" }}
            value={search}
            onChange={(event) => setSearch(event.target.value)}
            onKeyDown={(event) => event.key === "Escape" && searchRef.current?.blur()}
          />
        )}
        {hidden.size > 0 && (
          <Link component="button" onClick={() => onChange(new Set())}>
            Show all
          </Link>
        )}
      </div>
      <ul>
        {found.slice(0, MOST_LISTED).map(({ category, index, count }) => (
          <li key={category}>
            <button
              type="button"
              aria-pressed={!hidden.has(category)}
              title="Click to hide or show it, double-click to show it alone"
              // a double click comes after two clicks, which undo each other
              onClick={() => onChange(toggleCategory(hidden, category))}
              onDoubleClick={() => onChange(isolateCategory(hidden, category, categories))}
            >
              {colors && (
                <i style={{ background: `rgb(${(colors[index] ?? [0, 0, 0]).join(",")})` }} />
              )}
              <span>{category}</span>
              <b>{count.toLocaleString()}</b>
            </button>
          </li>
        ))}
        {counts[0] > 0 && !search && (
          <li>
            <span>
              <i />
              <span>none</span>
              <b>{counts[0].toLocaleString()}</b>
            </span>
          </li>
        )}
        {found.length === 0 && <li className="lv-faint">No values match.</li>}
        {found.length > MOST_LISTED && (
          <li className="lv-faint">
            and {(found.length - MOST_LISTED).toLocaleString()} more; search to find them
          </li>
        )}
      </ul>
    </section>
  );
}
