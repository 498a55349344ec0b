import { useCallback } from "react";
import { usePolled } from "../../../app/usePolled";
import type { Listing, OperationState, Wire } from "../wire";

/** The newest operations of the dataset. */
export function useListing(
  wire: Wire,
  datasetName: string | null,
  state: OperationState | null,
  limit: number,
) {
  const ask = useCallback(() => wire.list(state, limit), [wire, state, limit]);
  const { answer, ...rest } = usePolled(ask, datasetName, isOnItsWay);
  return { listing: answer, ...rest };
}

function isOnItsWay({ counts }: Listing): boolean {
  return Boolean(counts.running || counts.queued);
}
