import { useState } from "react";
import type { Rows } from "../rows";
import type { Done, RunWire, Way } from "../wire";

/** What is done to many labels at once, and what Python says that it would change. */
interface Planned {
  rows: Rows;
  way: Way;
  label: string | null;
  question: string;
}

/**
 * One answer for everything that is selected: it is counted first, then asked once.
 *
 * @param perform does it, and remembers what undoes it
 */
export function useMany({
  run,
  perform,
}: {
  run: RunWire;
  perform: (act: () => Promise<Done>) => void;
}) {
  const [planned, setPlanned] = useState<Planned | null>(null);

  const plan = (rows: Rows, way: Way, label: string | null = null) =>
    run.planMany(rows, way, label).then(
      ({ count, sentence }) => {
        if (count > 0) setPlanned({ rows, way, label, question: sentence });
        else perform(async () => ({ sentence, undo: null }));
      },
      (error: Error) => perform(() => Promise.reject(error)),
    );
  const confirm = () => {
    if (planned) perform(() => run.answerMany(planned.rows, planned.way, planned.label));
  };
  return { question: planned?.question ?? null, plan, confirm, cancel: () => setPlanned(null) };
}

export type Many = ReturnType<typeof useMany>;
