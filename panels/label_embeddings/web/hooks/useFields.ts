import { useMemo, useState } from "react";
import { rowsNotHidden } from "../filters";
import { countsOf } from "../histograms";
import type { RunWire } from "../wire";
import { useCategoryColors } from "./useCategoryColors";
import { useColumn } from "./useColumn";

/**
 * The fields of a map of several: which each row is of, and which of them are hidden. They are hidden
 * in the map alone, whatever else colors it.
 *
 * @param path the attribute that tells the fields apart, null where there is one
 */
export function useFields(
  wire: RunWire,
  path: string | null,
  edition: number,
  onProblem: (problem: string) => void,
) {
  const { column } = useColumn(wire, path, edition, onProblem);
  const [hidden, hide] = useState<Set<string>>(new Set());
  const counts = useMemo(() => countsOf(column), [column]);
  const colors = useCategoryColors(column, counts);
  /** the rows of those that are not hidden, null for all */
  const shown = useMemo(() => rowsNotHidden(column, hidden), [column, hidden]);
  return { column, counts, colors, hidden, hide, shown };
}

export type Fields = ReturnType<typeof useFields>;
