import { useState } from "react";
import type { Shortcut } from "../../../app/shortcuts";
import type { Report } from "../../../app/useReport";
import type { RunWire } from "../wire";

/** Whether the review asks for a random sample of the labels, which says how many are wrong. */
export function useAudit(run: RunWire, report: Report, wasOpen: boolean) {
  /** how many were begun or opened here: each has another order */
  const [begun, setBegun] = useState(0);
  const [open, setOpen] = useState(wasOpen);
  const begin = (anew: boolean) =>
    run.beginAudit(anew).then(
      (done) => {
        setBegun((n) => n + 1);
        setOpen(true);
        report.say(done.sentence);
        return true;
      },
      (error: Error) => {
        report.fail(error.message);
        return false;
      },
    );
  const toggle = () => {
    if (open) setOpen(false);
    else begin(false);
  };
  const keys: Shortcut[] = [
    { key: "a", does: "Switch between the audit (a random sample) and the review", run: toggle },
  ];
  return {
    open,
    begun,
    toggle,
    beginAnew: () => begin(true),
    /** goes on with the one that was begun last, maybe elsewhere; false where it cannot */
    goOn: () => begin(false),
    keys,
  };
}

export type Audit = ReturnType<typeof useAudit>;
