import { useEffect, useRef, useState } from "react";
import type { Edition, LabelState, Selection, SourceWire, Wire } from "../wire";

const SETTLE_MS = 250;
const ALL: Selection = { low: null, high: null, classes: null };

/** What the grid shows of a source: labels of a state as patches, all of them, or images. */
export type Shown = LabelState | "all" | "images";

/** Makes the grid follow the selection, and the dataset as it changes. */
export function useGrid(
  wire: Wire,
  source: SourceWire,
  selection: Selection | null,
  edition: Edition,
  onProblem: (problem: string) => void,
) {
  const [shown, setShown] = useState<Shown>("open");
  const asked = useRef<string | null>(null);
  /** one after the other, so that the last one asked for is the last one shown */
  const showing = useRef<Promise<unknown>>(Promise.resolve());
  const known = selection !== null;
  // what is in the basket or approved is shown whole, whatever is selected to be added
  const narrowed = JSON.stringify(shown === "open" || shown === "all" ? selection : ALL);
  const { at, anew } = edition;

  useEffect(() => {
    // images are shown once, and change by themselves
    const wanted = shown === "images" ? shown : `${shown} ${narrowed} ${at}`;
    if (!known || asked.current === wanted) return;
    const timer = setTimeout(() => {
      asked.current = wanted;
      const show = () =>
        shown === "images"
          ? wire.showImages()
          : source.show(shown, JSON.parse(narrowed) as Selection, { at, anew });
      showing.current = showing.current.then(() => {
        if (asked.current === wanted)
          return show().catch((error: Error) => onProblem(error.message));
      });
    }, SETTLE_MS);
    return () => clearTimeout(timer);
  }, [wire, source, shown, narrowed, known, at, anew, onProblem]);

  return { shown, setShown };
}
