import { useCallback, useEffect, useState } from "react";
import type { Overview, Wire } from "../wire";

const POLL_MS = 2000;

/** The runs and fields of the dataset; while labels are being generated, they are read again. */
export function useOverview(wire: Wire, datasetName: string | null) {
  const [overview, setOverview] = useState<Overview | null>(null);
  const [problem, setProblem] = useState<string | null>(null);

  const refresh = useCallback(async () => {
    try {
      setOverview(await wire.overview());
      setProblem(null);
    } catch (error) {
      setProblem((error as Error).message);
    }
  }, [wire]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: another dataset has other runs
  useEffect(() => {
    setOverview(null);
    refresh();
  }, [refresh, datasetName]);

  const generating = overview?.runs.some((run) => run.state === "generating") ?? false;
  useEffect(() => {
    if (!generating) return;
    const timer = setInterval(refresh, POLL_MS);
    return () => clearInterval(timer);
  }, [generating, refresh]);

  return { overview, problem, refresh };
}
