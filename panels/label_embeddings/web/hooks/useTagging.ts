import { useState } from "react";
import type { PythonError } from "../../../app/panel";
import type { Shortcut } from "../../../app/shortcuts";
import type { Report } from "../../../app/useReport";
import type { Remember } from "../../../app/useUndo";
import type { Rows } from "../rows";
import type { Done, RunWire, Wire } from "../wire";

export const NEEDS_REVIEW = "needs-review";

/** What is tagged how. */
export function useTagging({
  wire,
  run,
  judged,
  remember,
  report,
  onChanged,
  onStale,
}: {
  wire: Wire;
  run: RunWire;
  /** the rows that a tag goes to */
  judged: Rows | null;
  remember: Remember;
  report: Report;
  onChanged: () => void;
  onStale: () => void;
}) {
  const [tag, setTag] = useState(NEEDS_REVIEW);
  const [target, setTarget] = useState<"labels" | "samples">("labels");
  const [busy, setBusy] = useState(false);

  const perform = async (act: () => Promise<Done>): Promise<Done | null> => {
    setBusy(true);
    try {
      const done = await act();
      report.say(done.sentence, Boolean(done.undo));
      onChanged();
      return done;
    } catch (error) {
      report.fail((error as Error).message);
      if ((error as PythonError).stale) onStale();
      return null;
    } finally {
      setBusy(false);
    }
  };

  const named = tag.trim();
  /** does what can be undone by the same key as ever */
  const change = async (act: () => Promise<Done>) => {
    const token = (await perform(act))?.undo;
    if (token) remember(() => perform(() => wire.undo(token)), token);
  };
  const apply = async (remove: boolean) => {
    if (busy) return;
    if (!judged) return report.say("Select something first: lasso it, or click a point.");
    if (!named) return report.say("Enter a tag first.");
    change(() => run.tag(judged, named, target, remove));
  };
  // not refused while a tag is on its way: who presses t and then s means both
  const ofTag = (act: () => Promise<Done>) => {
    if (!named) return report.say("Enter a tag first.");
    perform(act);
  };
  const saveView = () => ofTag(() => run.saveTaggedView(named, target));
  const exclude = (level: "labels" | "images") => ofTag(() => run.excludeTagged(named, level));
  const keys: Shortcut[] = [
    { key: "t", does: `Tag the selection '${named}'`, run: () => apply(false) },
    { key: "r", does: `Remove the tag '${named}'`, run: () => apply(true) },
    { key: "s", does: "Save the tag as a view", run: saveView },
    { key: "x", does: `Exclude labels with the tag '${named}'`, run: () => exclude("labels") },
  ];
  const undo = (token: string) => perform(() => wire.undo(token));
  return {
    tag,
    named,
    setTag,
    target,
    setTarget,
    busy,
    change,
    apply,
    saveView,
    exclude,
    undo,
    keys,
  };
}

export type Tagging = ReturnType<typeof useTagging>;
