import { useCallback, useEffect, useRef, useState } from "react";
import { Polling } from "./polling";

/** How long until Python is asked again: while something of the dataset is on its way, and when
 * nothing is. */
export const WHILE_RUNNING_MS = 2_000;
export const WHILE_IDLE_MS = 10_000;

/**
 * What Python says of the dataset, null until it has answered: asked again and again while the page
 * can be seen, often while something is on its way.
 *
 * @param ask asks it; another function asks anew
 * @param datasetName of another dataset nothing is known until it is answered
 * @param isOnItsWay whether an answer tells of something that is not finished
 */
export function usePolled<Answer>(
  ask: () => Promise<Answer>,
  datasetName: string | null,
  isOnItsWay: (answer: Answer) => boolean,
) {
  // of a dataset that was left, nothing is said about the next
  const [said, setSaid] = useState<{ of: string | null; answer: Answer } | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const polling = useRef<Polling<Answer> | null>(null);

  useEffect(() => {
    const asked = new Polling(
      ask,
      (found) => (isOnItsWay(found) ? WHILE_RUNNING_MS : WHILE_IDLE_MS),
      {
        answer: (found) => {
          setSaid({ of: datasetName, answer: found });
          setProblem(null);
        },
        problem: (error) => setProblem(error.message),
      },
      WHILE_IDLE_MS,
    );
    polling.current = asked;
    asked.now();
    return () => asked.end();
  }, [ask, isOnItsWay, datasetName]);

  const refresh = useCallback(() => polling.current?.now(), []);
  return { answer: said?.of === datasetName ? said.answer : null, problem, refresh };
}
