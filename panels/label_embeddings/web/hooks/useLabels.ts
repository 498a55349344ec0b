import { useMemo } from "react";
import { countsOf } from "../histograms";
import type { OpenRun, RunWire } from "../wire";
import { useCategoryColors } from "./useCategoryColors";
import { useColumn } from "./useColumn";

/** The classes and confidences of a run's labels, and the color of each class. */
export function useLabels(
  wire: RunWire,
  { labelPath, confidencePath }: OpenRun,
  edition: number,
  onProblem: (problem: string) => void,
) {
  const { column: classes } = useColumn(wire, labelPath, edition, onProblem);
  const { column: confidences } = useColumn(wire, confidencePath, edition, onProblem);
  const counts = useMemo(() => countsOf(classes), [classes]);
  return { classes, confidences, colors: useCategoryColors(classes, counts) };
}

export type Labels = ReturnType<typeof useLabels>;
