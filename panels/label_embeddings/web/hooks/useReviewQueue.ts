import { useCallback, useEffect, useRef, useState } from "react";
import type { PythonError } from "../../../app/panel";
import { Polling } from "../../../app/polling";
import { WHILE_IDLE_MS } from "../../../app/usePolled";
import type { Report } from "../../../app/useReport";
import type { Remember } from "../../../app/useUndo";
import { answeredBy, questionOf, rerank, without } from "../reviewOrder";
import type { Correction, Item, Queue, RunWire, Verdict, Wire } from "../wire";
import { Writes } from "../writes";

const AHEAD = 60;
const LEARN_EVERY = 5;
/** The order of an audit is fixed, but what it says changes with each answer. */
const AUDIT_EVERY = 1;

/**
 * The review queue: what is asked next, answers, and what undoes them. It is ranked anew after every
 * few answers; an answer is shown at once and written behind it.
 *
 * @param open whether a review is going on
 * @param audit the number of the audit whose random sample is asked for; false for the most
 *   suspicious labels
 * @param remember is given what undoes an answer
 */
export function useReviewQueue({
  wire,
  run,
  open,
  audit,
  remember,
  report,
  onStale,
}: {
  wire: Wire;
  run: RunWire;
  open: boolean;
  audit: number | false;
  remember: Remember;
  report: Report;
  onStale: () => void;
}) {
  /** undefined until Python answered, null where label issues were not looked for */
  const [queue, setQueue] = useState<Queue | null | undefined>(undefined);
  const [items, setItems] = useState<Item[]>([]);
  const [reviewed, setReviewed] = useState(0);
  const answered = useRef(new Set<string>());
  const sinceLearned = useRef(0);
  const [writes] = useState(() => new Writes());
  /** whether the number of this kind of review was read; from then on each answer counts at once */
  const counted = useRef(false);

  // it changes with every render of the App, what asks Python must not
  const told = useRef(onStale);
  told.current = onStale;
  const failed = useCallback(
    (error: Error) => {
      report.fail(error.message);
      if ((error as PythonError).stale) told.current();
    },
    [report],
  );
  const askNow = useRef<(() => void) | null>(null);
  const every = audit !== false ? AUDIT_EVERY : LEARN_EVERY;
  // what the other kind of review asked for is not asked in this one
  // biome-ignore lint/correctness/useExhaustiveDependencies: it is the change that counts
  useEffect(() => {
    answered.current.clear();
    counted.current = false;
    setQueue(undefined);
    setItems([]);
  }, [audit]);
  useEffect(() => {
    if (!open) return;
    const asked = new Polling(
      () => writes.around(() => run.nextIssues(AHEAD, audit !== false)),
      // until somebody has looked for issues, perhaps in another tab
      ({ answer: next }) => (next === null ? WHILE_IDLE_MS : null),
      {
        answer: ({ answer: next, quiet }) => {
          setQueue(next);
          if (!next) return;
          if (quiet || !counted.current) setReviewed(next.reviewed);
          counted.current = true;
          setItems((waiting) => rerank(waiting, next.items, answered.current));
        },
        problem: failed,
      },
      WHILE_IDLE_MS,
    );
    askNow.current = asked.now;
    asked.now();
    return () => asked.end();
  }, [open, audit, run, failed, writes]);
  const refresh = () => {
    sinceLearned.current = 0;
    askNow.current?.();
  };
  /** reads the queue as the dataset has it, whatever was answered here */
  const readAgain = () => {
    answered.current.clear();
    refresh();
  };

  const takeBack = (given: Item[], number: number, token: string) =>
    writes.follow(wire.undo(token)).then((done) => {
      for (const item of given) answered.current.delete(questionOf(item));
      setItems((waiting) => [...given, ...without(waiting, given)]);
      setReviewed((n) => n - number);
      report.say(done.sentence);
      refresh();
    }, failed);

  const answer = (
    given: Item[],
    verdict: Verdict,
    wholeTracks: boolean,
    correction: Correction = {},
  ) => {
    if (given.length === 0) return;
    const again = given.filter((item) => item.again);
    if (again.length > 0 && again.length < given.length) {
      // second answers are kept elsewhere, and undone by themselves
      answer(again, verdict, wholeTracks, correction);
      answer(without(given, again), verdict, wholeTracks, correction);
      return;
    }
    for (const item of given) answered.current.add(questionOf(item));
    const left = without(items, given).length;
    setItems((waiting) => without(waiting, given));
    const number = answeredBy(given, verdict, wholeTracks);
    setReviewed((n) => n + number);
    const answers = given.map((item) => ({ item, verdict, correction }));
    writes.follow(run.answer(answers, wholeTracks)).then(
      (done) => {
        if (done.refused) report.fail(done.sentence);
        else report.say(done.sentence, Boolean(done.undo));
        setReviewed((n) => n - done.refused);
        const token = done.undo;
        if (token) remember(() => takeBack(given, number, token), token);
        sinceLearned.current += given.length;
        if (sinceLearned.current >= every || left < LEARN_EVERY) refresh();
      },
      (error: Error) => {
        for (const item of given) answered.current.delete(questionOf(item));
        setItems((waiting) => [...given, ...without(waiting, given)]);
        setReviewed((n) => n - number);
        failed(error);
      },
    );
  };

  return { queue, items, reviewed, answer, readAgain };
}

export type ReviewQueue = ReturnType<typeof useReviewQueue>;
