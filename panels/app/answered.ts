// What was answered in a review, told to the panels that count labels. Other pages and other people's
// answers are seen when a panel reads again for another reason.
import { useEffect, useState } from "react";

/** A panel reads again once nobody has answered for so long. */
const PAUSE_MS = 3000;

const listeners = new Set<() => void>();

/** Says, once it is made, that a change gave answers, took some back, or began to ask for others. */
export function telling<Done>(change: Promise<Done>): Promise<Done> {
  change.then(
    () => {
      for (const listener of listeners) listener();
    },
    () => {},
  );
  return change;
}

/** A number that is another one after every pause in a review, and whether there were answers since. */
export function useAnswered(): { pauses: number; more: boolean } {
  const [pauses, setPauses] = useState(0);
  const [more, setMore] = useState(false);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const listener = () => {
      clearTimeout(timer);
      setMore(true);
      timer = setTimeout(() => {
        setMore(false);
        setPauses((n) => n + 1);
      }, PAUSE_MS);
    };
    listeners.add(listener);
    return () => {
      clearTimeout(timer);
      listeners.delete(listener);
    };
  }, []);
  return { pauses, more };
}
