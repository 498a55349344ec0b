import * as fos from "@fiftyone/state";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { useRecoilState } from "recoil";
import type { Range } from "../../../app/range";
import { paintRows } from "../colors";
import {
  filterHiding,
  filterRange,
  hiddenCategories,
  rangeOf,
  rowsNotHidden,
  withFilter,
} from "../filters";
import { countsOf, spanOf } from "../histograms";
import type { Attribute, RunWire } from "../wire";
import { useCategoryColors } from "./useCategoryColors";
import { useColumn } from "./useColumn";

/**
 * What colors the map: an attribute, its values and colors, and which of them are hidden. What is
 * hidden is what the sidebar's filters say, and is said to them.
 */
export function useColoring(
  wire: RunWire,
  attributes: Attribute[],
  firstPath: string | null,
  edition: number,
  onProblem: (problem: string) => void,
) {
  const [path, setPath] = useState(firstPath);
  const { column: asked, loading } = useColumn(wire, path, edition, onProblem);
  // until it arrives, the map keeps the colors that it has
  const drawn = useRef(asked);
  if (asked !== null || path === null) drawn.current = asked;
  const column = drawn.current;
  const attribute = attributes.find((other) => other.path === (column?.path ?? path));
  const [filters, setFilters] = useRecoilState(fos.filters);
  const setFilter = (of: string, filter: Record<string, unknown> | null) =>
    setFilters(withFilter(filters, of, filter));

  const [hiddenHere, setHiddenHere] = useState<Set<string>>(new Set());
  // biome-ignore lint/correctness/useExhaustiveDependencies: another attribute starts with all shown
  useEffect(() => setHiddenHere(new Set()), [attribute]);
  // what the sidebar has no filter for, as a set of tags or the classes of several fields, is hidden
  // in the map alone
  const isLocal = (of: string) =>
    attributes.find((other) => other.path === of)?.isFilteredHere ?? false;
  const [rangesHere, setRangesHere] = useState<Record<string, Range>>({});
  const local = attribute?.isFilteredHere ?? false;
  const hidden = useMemo(() => {
    if (column?.kind !== "categorical") return new Set<string>();
    return local ? hiddenHere : hiddenCategories(filters[column.path], column.categories);
  }, [column, filters, local, hiddenHere]);
  /** the rows that are not hidden in the map alone, null for all */
  const shown = useMemo(
    () => (local ? rowsNotHidden(column, hidden) : null),
    [local, hidden, column],
  );

  const counts = useMemo(() => countsOf(column), [column]);
  const palette = useCategoryColors(column, counts);
  const span = useMemo(
    () => (column?.kind === "continuous" ? spanOf(column.values) : ([0, 1] as Range)),
    [column],
  );
  const paint = useCallback(
    (looks: Uint8Array) => paintRows(looks, column, palette, span),
    [column, palette, span],
  );

  return {
    path,
    setPath,
    attribute,
    column,
    loading,
    counts,
    palette,
    span,
    paint,
    hidden,
    shown,
    /** the ranges that are set in the map alone, by the path of their attribute */
    rangesHere,
    rangeOf: (of: string, whole: Range) =>
      isLocal(of) ? (rangesHere[of] ?? whole) : rangeOf(filters[of], whole),
    hide: (next: Set<string>) => {
      if (local) setHiddenHere(next);
      else if (column?.kind === "categorical")
        setFilter(
          column.path,
          filterHiding(next, column.categories, attribute?.kind ?? "categorical"),
        );
    },
    keepRange: (of: string, range: Range, whole: Range) => {
      const filter = filterRange(range, whole);
      if (!isLocal(of)) return setFilter(of, filter);
      setRangesHere(({ [of]: _, ...others }) => (filter ? { ...others, [of]: range } : others));
    },
    clearFilters: () => setFilters({}),
  };
}

export type Coloring = ReturnType<typeof useColoring>;
