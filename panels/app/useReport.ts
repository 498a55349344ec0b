import { useMemo, useState } from "react";

/** What was done last, or what went wrong. */
export interface Message {
  text: string;
  problem: boolean;
  /** whether an *Undo* beside it takes it back */
  undoable: boolean;
}

/** Where the parts of a page say what they did, and what went wrong. */
export interface Report {
  say: (text: string, undoable?: boolean) => void;
  fail: (problem: string) => void;
  clear: () => void;
}

/** The last message of a page, and how to give one. */
export function useReport(): [Message | null, Report] {
  const [message, setMessage] = useState<Message | null>(null);
  const report = useMemo(
    () => ({
      say: (text: string, undoable = false) => setMessage({ text, problem: false, undoable }),
      fail: (text: string) => setMessage({ text, problem: true, undoable: false }),
      clear: () => setMessage(null),
    }),
    [],
  );
  return [message, report];
}
