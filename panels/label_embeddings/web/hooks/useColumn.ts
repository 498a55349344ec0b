import { useEffect, useState } from "react";
import type { ColorColumn, RunWire } from "../wire";

interface Kept {
  edition: number;
  /** what is shown: that of an older edition until the new one arrives */
  column: ColorColumn | null;
  arrived: boolean;
  arriving: Promise<ColorColumn>;
}

// of a run, so that whoever asks for an attribute gets what another has read
const columnsOf = new WeakMap<RunWire, Map<string, Kept>>();

function readColumn(wire: RunWire, path: string, edition: number): Promise<ColorColumn> {
  const columns = columnsOf.get(wire) ?? new Map<string, Kept>();
  columnsOf.set(wire, columns);
  const before = columns.get(path);
  if (before?.edition === edition) return before.arriving;
  const arriving = wire.colorColumn(path);
  const kept: Kept = { edition, column: before?.column ?? null, arrived: false, arriving };
  columns.set(path, kept);
  arriving.then(
    (column) => {
      kept.column = column;
      kept.arrived = true;
    },
    // a question that failed can be asked again
    () => columns.get(path) === kept && columns.delete(path),
  );
  return arriving;
}

/**
 * The column of an attribute, null while it is read or where no path is given. Columns are kept, so
 * that going back to one costs nothing; another `edition` of the dataset reads them anew, and until
 * then shows what it had.
 */
export function useColumn(
  wire: RunWire,
  path: string | null,
  edition: number,
  onProblem: (problem: string) => void,
) {
  const [, setArrived] = useState(0);
  const [loading, setLoading] = useState(false);
  const kept = path === null ? undefined : columnsOf.get(wire)?.get(path);
  const fresh = kept !== undefined && kept.edition === edition && kept.arrived;

  useEffect(() => {
    if (path === null || fresh) return;
    let current = true;
    setLoading(true);
    readColumn(wire, path, edition)
      .then(
        () => current && setArrived((n) => n + 1),
        (error: Error) => current && onProblem(error.message),
      )
      .finally(() => current && setLoading(false));
    return () => {
      current = false;
      setLoading(false);
    };
  }, [wire, path, edition, fresh, onProblem]);

  return { column: kept?.column ?? null, loading };
}
