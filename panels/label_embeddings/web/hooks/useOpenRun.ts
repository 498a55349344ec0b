import { useCallback, useEffect, useState } from "react";
import type { OpenRun, Wire } from "../wire";

/** The points and attributes of a run, null while they are read or where none is chosen. */
export function useOpenRun(wire: Wire, key: string | null) {
  const [opened, setOpened] = useState<OpenRun | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [attempt, setAttempt] = useState(0);

  // biome-ignore lint/correctness/useExhaustiveDependencies: `attempt` reads the same run again
  useEffect(() => {
    setOpened(null);
    setProblem(null);
    if (key === null) return;
    let current = true;
    wire.openRun(key).then(
      (run) => current && setOpened(run),
      (error: Error) => current && setProblem(error.message),
    );
    return () => {
      current = false;
    };
  }, [wire, key, attempt]);

  return { opened, problem, reopen: useCallback(() => setAttempt((n) => n + 1), []) };
}
