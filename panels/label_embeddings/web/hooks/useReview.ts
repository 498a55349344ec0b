import { useCallback, useEffect, useRef, useState } from "react";
import type { PythonError } from "../../../app/panel";
import { rerank, without } from "../reviewing";
import type { Item, Queue, RunWire, Verdict } from "../wire";

const AHEAD = 60;
const LEARN_EVERY = 5;
const LOOK_AGAIN_MS = 3000;

/**
 * The review queue: what is asked next, answers, and what undoes them. It is ranked anew after every
 * few answers; an answer is shown at once and written behind it.
 *
 * @param open whether a review is going on
 * @param remember is given what undoes an answer
 */
export function useReview({
  wire,
  open,
  remember,
  onProblem,
  onStale,
}: {
  wire: RunWire;
  open: boolean;
  remember: (undo: () => void) => void;
  onProblem: (problem: string | null) => void;
  onStale: () => void;
}) {
  /** undefined until Python answered, null where label issues were not looked for */
  const [queue, setQueue] = useState<Queue | null | undefined>(undefined);
  const [items, setItems] = useState<Item[]>([]);
  const [reviewed, setReviewed] = useState(0);
  const [sentence, say] = useState<string | null>(null);
  const answered = useRef(new Set<string>());
  const sinceLearned = useRef(0);
  const turns = useRef(0);

  // these change with every render of the App, what asks Python must not
  const told = useRef({ onProblem, onStale });
  told.current = { onProblem, onStale };
  const failed = useCallback((error: Error) => {
    told.current.onProblem(error.message);
    if ((error as PythonError).stale) told.current.onStale();
  }, []);
  const refresh = useCallback(() => {
    const turn = ++turns.current;
    sinceLearned.current = 0;
    return wire.nextIssues(AHEAD).then((next) => {
      if (turn !== turns.current) return;
      setQueue(next);
      if (!next) return;
      setReviewed(next.reviewed);
      setItems((waiting) => rerank(waiting, next.items, answered.current));
    }, failed);
  }, [wire, failed]);

  useEffect(() => {
    if (open) refresh();
  }, [open, refresh]);
  // until somebody has looked for issues, perhaps in another tab
  useEffect(() => {
    if (!open || queue !== null) return;
    const timer = setInterval(refresh, LOOK_AGAIN_MS);
    return () => clearInterval(timer);
  }, [open, queue, refresh]);

  const takeBack = (given: Item[], token: string) =>
    wire.undoAnswer(token).then((done) => {
      for (const { id } of given) answered.current.delete(id);
      setItems((waiting) => [...given, ...without(waiting, given)]);
      setReviewed((n) => n - given.length);
      say(done.sentence);
      refresh();
    }, failed);

  const answer = (given: Item[], verdict: Verdict, label?: string) => {
    if (given.length === 0) return;
    onProblem(null);
    for (const { id } of given) answered.current.add(id);
    const rest = without(items, given);
    setItems(rest);
    setReviewed((n) => n + given.length);
    wire.answer(given.map((item) => ({ item, verdict, label }))).then(
      (done) => {
        if (done.refused) onProblem(done.sentence);
        else say(done.sentence);
        setReviewed((n) => n - done.refused);
        const token = done.undo;
        if (token) remember(() => takeBack(given, token));
        sinceLearned.current += given.length;
        if (sinceLearned.current >= LEARN_EVERY || rest.length < LEARN_EVERY) refresh();
      },
      (error: Error) => {
        for (const { id } of given) answered.current.delete(id);
        setItems((waiting) => [...given, ...without(waiting, given)]);
        setReviewed((n) => n - given.length);
        failed(error);
      },
    );
  };

  return { queue, items, reviewed, sentence, say, answer };
}

export type Review = ReturnType<typeof useReview>;
