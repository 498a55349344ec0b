import { useCallback } from "react";
import { usePolled } from "../../../app/usePolled";
import type { Run, Wire } from "../wire";

/** The visualization runs of the dataset; while one is being computed, they are read again. */
export function useRuns(wire: Wire, datasetName: string | null) {
  const ask = useCallback(() => wire.listRuns(), [wire]);
  const { answer, ...rest } = usePolled(ask, datasetName, isComputing);
  return { runs: answer, ...rest };
}

function isComputing(runs: Run[]): boolean {
  return runs.some(({ state }) => state === "computing");
}
