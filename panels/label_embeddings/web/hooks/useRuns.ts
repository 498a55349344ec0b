import { useCallback, useEffect, useState } from "react";
import type { Run, Wire } from "../wire";

const POLL_MS = 2000;

/** The visualization runs of the dataset; while one is being computed, they are read again. */
export function useRuns(wire: Wire, datasetName: string | null) {
  const [runs, setRuns] = useState<Run[] | null>(null);
  const [problem, setProblem] = useState<string | null>(null);

  const refresh = useCallback(async () => {
    try {
      setRuns(await wire.listRuns());
      setProblem(null);
    } catch (error) {
      setProblem((error as Error).message);
    }
  }, [wire]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: another dataset has other runs
  useEffect(() => {
    setRuns(null);
    refresh();
  }, [refresh, datasetName]);

  const computing = runs?.some((run) => run.state === "computing") ?? false;
  useEffect(() => {
    if (!computing) return;
    const timer = setInterval(refresh, POLL_MS);
    return () => clearInterval(timer);
  }, [computing, refresh]);

  return { runs, problem, refresh };
}
