import { useCallback } from "react";
import { usePolled } from "../../../app/usePolled";
import type { Overview, Wire } from "../wire";

/** The runs and fields of the dataset; while labels are being generated, they are read again. */
export function useOverview(wire: Wire, datasetName: string | null) {
  const ask = useCallback(() => wire.overview(), [wire]);
  const { answer, ...rest } = usePolled(ask, datasetName, isGenerating);
  return { overview: answer, ...rest };
}

function isGenerating({ runs }: Overview): boolean {
  return runs.some(({ state }) => state === "generating");
}
