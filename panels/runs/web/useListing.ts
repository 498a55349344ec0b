import { useCallback, useEffect, useRef, useState } from "react";
import type { Listing, State, Wire } from "./wire";

const WHILE_RUNNING = 1000;
const WHILE_IDLE = 3000;

/** The newest operations, read again and again while the page can be seen. */
export function useListing(wire: Wire, state: State | null, limit: number) {
  const [listing, setListing] = useState<Listing | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const refreshNow = useRef<() => void>(() => undefined);

  useEffect(() => {
    let ended = false;
    let timer: number | undefined;
    const look = async () => {
      window.clearTimeout(timer);
      let pause = WHILE_IDLE;
      if (!document.hidden) {
        try {
          const found = await wire.list(state, limit);
          if (ended) return;
          setListing(found);
          setProblem(null);
          if (found.counts.running || found.counts.queued) pause = WHILE_RUNNING;
        } catch (error) {
          if (ended) return;
          setProblem(error instanceof Error ? error.message : String(error));
        }
      }
      if (ended) return;
      window.clearTimeout(timer);
      timer = window.setTimeout(look, pause);
    };
    refreshNow.current = look;
    look();
    return () => {
      ended = true;
      window.clearTimeout(timer);
    };
  }, [wire, state, limit]);

  const refresh = useCallback(() => refreshNow.current(), []);
  return { listing, problem, refresh };
}
