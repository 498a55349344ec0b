import { useState } from "react";
import type { PythonError } from "../../../app/panel";
import type { Rows } from "../rows";
import type { Done, RunWire, Wire } from "../wire";

export const NEEDS_REVIEW = "needs-review";

/** What is tagged how, and what was said about it last. */
export function useTagging({
  wire,
  run,
  judged,
  remember,
  onChanged,
  onProblem,
  onStale,
}: {
  wire: Wire;
  run: RunWire;
  /** the rows that a tag goes to */
  judged: Rows | null;
  remember: (undo: () => void) => void;
  onChanged: () => void;
  onProblem: (problem: string | null) => void;
  onStale: () => void;
}) {
  const [tag, setTag] = useState(NEEDS_REVIEW);
  const [target, setTarget] = useState<"labels" | "samples">("labels");
  const [sentence, say] = useState<string | null>(null);
  const [canUndo, setCanUndo] = useState(false);
  const [busy, setBusy] = useState(false);

  const perform = async (act: () => Promise<Done>): Promise<Done | null> => {
    setBusy(true);
    onProblem(null);
    try {
      const done = await act();
      say(done.sentence);
      setCanUndo(Boolean(done.undo));
      onChanged();
      return done;
    } catch (error) {
      onProblem((error as Error).message);
      if ((error as PythonError).stale) onStale();
      return null;
    } finally {
      setBusy(false);
    }
  };

  const named = tag.trim();
  return {
    tag: named,
    setTag,
    target,
    setTarget,
    sentence,
    say,
    canUndo,
    busy,
    apply: async (remove: boolean) => {
      if (busy) return;
      if (!judged) return say("Select something first: lasso it, or click a point.");
      if (!named) return say("Give the tag a name first.");
      const done = await perform(() => run.tag(judged, named, target, remove));
      const token = done?.undo;
      if (token) remember(() => perform(() => wire.undo(token)));
    },
    saveView: () => perform(() => run.saveTaggedView(named, target)),
    exclude: (level: "labels" | "images") => perform(() => run.excludeTagged(named, level)),
  };
}

export type Tagging = ReturnType<typeof useTagging>;
