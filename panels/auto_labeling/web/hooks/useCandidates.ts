import * as fos from "@fiftyone/state";
import { useCallback, useEffect, useRef, useState } from "react";
import { useRecoilValue } from "recoil";
import { useAnswered } from "../../../app/answered";
import { type EdgeRange, tickedAgain, wholeRange } from "../confidenceRange";
import { chosenStages } from "../showing";
import type { LoopProgress, Review, SourceWire } from "../wire";

const SETTLE_MS = 150;

/** What there is to review in the App's view, read again when it or the dataset changes, by answers
 * in a review too. */
export function useCandidates(wire: SourceWire, edition: number) {
  const [review, setReview] = useState<Review | null>(null);
  const [progress, setProgress] = useState<LoopProgress | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [range, setRange] = useState<EdgeRange | null>(null);
  const [ticked, setTicked] = useState<Set<number>>(new Set());
  const [waiting, setWaiting] = useState(true);
  const latest = useRef({ review, ticked });
  latest.current = { review, ticked };

  // the grid shows what is selected here: that is no other view to review
  const stages = JSON.stringify(chosenStages(useRecoilValue(fos.view)));
  const filters = useRecoilValue(fos.filters);
  const { pauses, more } = useAnswered();

  // biome-ignore lint/correctness/useExhaustiveDependencies: Python reads view and filters itself
  useEffect(() => {
    let current = true;
    setWaiting(true);
    const timer = setTimeout(() => {
      wire
        .review()
        .then(
          (answer) => {
            if (!current) return;
            const { review: before, ticked: were } = latest.current;
            setTicked(tickedAgain(before, were, answer.review));
            setReview(answer.review);
            setProgress(answer.progress);
            setProblem(null);
            // another scale of confidence has other edges
            if (before?.edges.at(-1) !== answer.review.edges.at(-1))
              setRange(wholeRange(answer.review));
          },
          (error: Error) => current && setProblem(error.message),
        )
        .finally(() => current && setWaiting(false));
    }, SETTLE_MS);
    return () => {
      current = false;
      clearTimeout(timer);
    };
  }, [wire, stages, filters, edition, pauses]);

  const tick = useCallback((rows: Set<number>) => setTicked(rows), []);
  return { review, progress, problem, range, setRange, ticked, tick, waiting: waiting || more };
}
