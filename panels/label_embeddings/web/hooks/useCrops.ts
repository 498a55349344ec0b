import { useEffect, useRef, useState } from "react";
import type { Box } from "../boxes";
import type { Crop, RunWire } from "../wire";

const KEPT = 600;

const NOTHING: (Box | null)[] = [];

/**
 * The crops of some rows, as they arrive; those seen before are there at once, until another
 * `edition` of the dataset, whose labels and tags may differ. A crop that is wanted with more or less
 * around it stays until the other one is there.
 *
 * @param around of each row another box that is shown too, null for none
 */
export function useCrops(
  wire: RunWire,
  rows: number[],
  size: number,
  margin: number,
  edition: number,
  around: (Box | null)[] = NOTHING,
) {
  const kept = useRef(new Map<number, { crop: Crop; look: string }>());
  const [crops, setCrops] = useState<ReadonlyMap<number, Crop>>(new Map());
  const looks = rows.map((_row, place) => JSON.stringify([size, margin, around[place] ?? null]));
  const wanted = JSON.stringify([rows, looks]);
  // an answer may come after that to a later question
  const latest = useRef({ wire, edition, looks: new Map<number, string>() });
  latest.current = { wire, edition, looks: new Map(rows.map((row, place) => [row, looks[place]])) };

  // biome-ignore lint/correctness/useExhaustiveDependencies: they are what makes the kept ones old
  useEffect(() => {
    kept.current.clear();
    setCrops(new Map());
  }, [wire, edition]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: `wanted` is all of it; another edition has other crops
  useEffect(() => {
    const places = rows
      .map((_row, place) => place)
      .filter((place) => kept.current.get(rows[place])?.look !== looks[place]);
    if (places.length === 0) return;
    const of = <T>(values: T[]) => places.map((place) => values[place]);
    const others = around.length ? of(around).map((box) => box ?? null) : [];
    wire.crops(of(rows), size, margin, others).then(
      (arrived) => {
        const now = latest.current;
        if (now.wire !== wire || now.edition !== edition) return;
        const lookOf = new Map(places.map((place) => [rows[place], looks[place]]));
        for (const crop of arrived) {
          const look = lookOf.get(crop.row) ?? "";
          if ((now.looks.get(crop.row) ?? look) === look)
            kept.current.set(crop.row, { crop, look });
        }
        while (kept.current.size > KEPT)
          kept.current.delete(kept.current.keys().next().value as number);
        setCrops(new Map([...kept.current].map(([row, { crop }]) => [row, crop])));
      },
      // a crop that does not come is shown as an empty frame
      () => undefined,
    );
  }, [wire, wanted, edition]);

  return crops;
}
