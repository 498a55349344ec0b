import * as fos from "@fiftyone/state";
import { useEffect, useMemo, useState } from "react";
import { useRecoilValue } from "recoil";
import { rowsPassing } from "../filters";
import { everyRows, type Rows } from "../rows";
import type { RunWire } from "../wire";
import type { Coloring } from "./useColoring";
import type { Fields } from "./useFields";
import type { Labels } from "./useLabels";

const SETTLE_MS = 120;

/**
 * The rows in the App's view under the sidebar's filters, those that are not hidden in the map alone,
 * and those that are both, which the map draws; null for all. What the columns at hand can tell is told at once; the rest follows when Python has asked
 * the database.
 */
export function useVisible(
  wire: RunWire,
  length: number,
  { classes, confidences }: Labels,
  { column, shown, rangesHere }: Coloring,
  fields: Fields,
  edition: number,
  onProblem: (problem: string) => void,
) {
  const view = useRecoilValue(fos.view);
  const filters = useRecoilValue(fos.filters);
  const unrestricted = view.length === 0 && Object.keys(filters).length === 0;
  const [answer, setAnswer] = useState<Rows | null>(null);
  const [waiting, setWaiting] = useState(false);

  // biome-ignore lint/correctness/useExhaustiveDependencies: Python reads view and filters itself
  useEffect(() => {
    if (unrestricted) {
      setAnswer(null);
      setWaiting(false);
      return;
    }
    let current = true;
    setWaiting(true);
    const timer = setTimeout(() => {
      wire
        .visibleRows()
        .then(
          (rows) => current && setAnswer(rows),
          (error: Error) => current && onProblem(error.message),
        )
        .finally(() => current && setWaiting(false));
    }, SETTLE_MS);
    return () => {
      current = false;
      clearTimeout(timer);
    };
  }, [wire, length, view, filters, unrestricted, edition, onProblem]);

  const visible = useMemo(() => {
    const known = [classes, confidences, column].map(
      (values) => values && rowsPassing(values, filters[values.path]),
    );
    return everyRows([unrestricted ? null : answer, ...known]);
  }, [answer, unrestricted, filters, classes, confidences, column]);
  const kept = useMemo(() => {
    const ranged = new Map([confidences, column].flatMap((one) => (one ? [[one.path, one]] : [])));
    const within = [...ranged.values()].map((values) => {
      const range = rangesHere[values.path];
      // what has no number stays, as labels without a confidence beside those that have one
      return range && values.kind === "continuous" ? rowsPassing(values, { range }) : null;
    });
    return everyRows([shown, fields.shown, ...within]);
  }, [shown, fields.shown, rangesHere, confidences, column]);
  const drawn = useMemo(() => everyRows([visible, kept]), [visible, kept]);
  return { visible, kept, drawn, waiting };
}

export type Visible = ReturnType<typeof useVisible>;
