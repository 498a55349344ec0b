import { useCallback, useRef } from "react";

const DEPTH = 50;

/** What was done, newest last, so that the same key undoes selections and tags alike. */
export function useUndo() {
  const done = useRef<(() => void)[]>([]);
  const remember = useCallback((undo: () => void) => {
    done.current = [...done.current.slice(1 - DEPTH), undo];
  }, []);
  const undo = useCallback(() => done.current.pop()?.(), []);
  return { remember, undo };
}
