import { useCallback, useState } from "react";
import type { Report } from "../../../app/useReport";
import type { UndoStack } from "../../../app/useUndo";
import type { Done, Edition, Undone, Wire } from "../wire";

/**
 * What changes the dataset, one change at a time. After each, done or refused, there is another
 * `edition` of the dataset, so that it is read again.
 *
 * @param undoing is given what undoes a change
 */
export function useChanges(wire: Wire, undoing: UndoStack, report: Report) {
  const { remember, forget } = undoing;
  const [edition, setEdition] = useState<Edition>(() => ({ at: Date.now(), anew: false }));
  const [busy, setBusy] = useState(false);
  const perform = useCallback(
    async (act: () => Promise<Done | Undone>) => {
      setBusy(true);
      let anew = false;
      try {
        const done = await act();
        anew = Boolean(done.anew);
        const token = done.undo;
        if (token) remember(() => perform(() => wire.undo(token)), token);
        report.say(done.sentence, Boolean(token));
      } catch (error) {
        report.fail((error as Error).message);
      } finally {
        // what was refused was often refused because the dataset is not what it was
        setEdition({ at: Date.now(), anew });
        setBusy(false);
      }
    },
    [wire, remember, report],
  );
  /** undoes a change, whoever made it */
  const undo = (token: string) =>
    perform(async () => {
      const undone = await wire.undo(token);
      forget(token);
      return undone;
    });
  return { edition, busy, perform, undo };
}
