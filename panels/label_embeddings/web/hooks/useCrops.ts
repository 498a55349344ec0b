import { useEffect, useRef, useState } from "react";
import type { Crop, RunWire } from "../wire";

const KEPT = 600;

/**
 * The crops of some rows, as they arrive; those seen before are there at once, until another
 * `edition` of the dataset, whose labels and tags may differ.
 */
export function useCrops(
  wire: RunWire,
  rows: number[],
  size: number,
  margin: number,
  edition: number,
) {
  const kept = useRef(new Map<number, Crop>());
  const [, setArrived] = useState(0);
  const wanted = rows.join(",");

  // biome-ignore lint/correctness/useExhaustiveDependencies: they are what makes the kept ones old
  useEffect(() => kept.current.clear(), [wire, edition]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: another edition has other crops
  useEffect(() => {
    const all = wanted ? wanted.split(",").map(Number) : [];
    const missing = all.filter((row) => !kept.current.has(row));
    if (missing.length === 0) return;
    let current = true;
    wire.crops(missing, size, margin).then(
      (crops) => {
        for (const crop of crops) kept.current.set(crop.row, crop);
        while (kept.current.size > KEPT)
          kept.current.delete(kept.current.keys().next().value as number);
        if (current) setArrived((n) => n + 1);
      },
      // a crop that does not come is shown as an empty frame
      () => undefined,
    );
    return () => {
      current = false;
    };
  }, [wire, wanted, size, margin, edition]);

  return kept.current as ReadonlyMap<number, Crop>;
}
