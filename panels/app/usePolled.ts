import { useCallback, useEffect, useState } from "react";

const POLL_MS = 2000;

/**
 * What Python says of the dataset, null until it has answered. While something of it is on its way,
 * it is asked again and again.
 *
 * @param ask asks it; another function asks anew
 * @param isOnItsWay whether an answer tells of something that is not finished
 */
export function usePolled<Answer>(
  ask: () => Promise<Answer>,
  datasetName: string | null,
  isOnItsWay: (answer: Answer) => boolean,
) {
  const [answer, setAnswer] = useState<Answer | null>(null);
  const [problem, setProblem] = useState<string | null>(null);

  const refresh = useCallback(async () => {
    try {
      setAnswer(await ask());
      setProblem(null);
    } catch (error) {
      setProblem((error as Error).message);
    }
  }, [ask]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: another dataset has another answer
  useEffect(() => {
    setAnswer(null);
    refresh();
  }, [refresh, datasetName]);

  const waiting = answer !== null && isOnItsWay(answer);
  useEffect(() => {
    if (!waiting) return;
    const timer = setInterval(refresh, POLL_MS);
    return () => clearInterval(timer);
  }, [waiting, refresh]);

  return { answer, problem, refresh };
}
