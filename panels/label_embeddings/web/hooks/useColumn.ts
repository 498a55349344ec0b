import { useEffect, useRef, useState } from "react";
import type { ColorColumn, RunWire } from "../wire";

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
  const kept = useRef(new Map<string, { column: ColorColumn; edition: number }>());
  const [, setArrived] = useState(0);
  const [loading, setLoading] = useState(false);

  useEffect(() => {
    if (path === null || kept.current.get(path)?.edition === edition) return;
    let current = true;
    setLoading(true);
    wire
      .colorColumn(path)
      .then(
        (column) => {
          kept.current.set(path, { column, edition });
          if (current) setArrived((n) => n + 1);
        },
        (error: Error) => current && onProblem(error.message),
      )
      .finally(() => current && setLoading(false));
    return () => {
      current = false;
      setLoading(false);
    };
  }, [wire, path, edition, onProblem]);

  return { column: path === null ? null : (kept.current.get(path)?.column ?? null), loading };
}
