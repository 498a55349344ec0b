import { useEffect, useRef, useState } from "react";
import type { Selection, SourceWire, State, Wire } from "../wire";

const SETTLE_MS = 250;

/** What the grid shows of a source: labels of a state as patches, all of them, or images. */
export type Shown = State | "all" | "images";

/** Makes the grid follow the selection. */
export function useGrid(
  wire: Wire,
  source: SourceWire,
  selection: Selection | null,
  onProblem: (problem: string) => void,
) {
  const [shown, setShown] = useState<Shown>("open");
  const asked = useRef<string | null>(null);
  // what is in the basket or approved is shown whole, whatever is selected to be added
  const whole = shown !== "open" && shown !== "all";
  const wanted = selection && JSON.stringify(whole ? null : selection);

  useEffect(() => {
    if (wanted === null || asked.current === `${shown} ${wanted}`) return;
    const timer = setTimeout(() => {
      asked.current = `${shown} ${wanted}`;
      const all = { low: null, high: null, classes: null };
      const showing =
        shown === "images"
          ? wire.showImages()
          : source.show(shown, (JSON.parse(wanted) as Selection | null) ?? all);
      showing.catch((error: Error) => onProblem(error.message));
    }, SETTLE_MS);
    return () => clearTimeout(timer);
  }, [wire, source, shown, wanted, onProblem]);

  return { shown, setShown };
}
