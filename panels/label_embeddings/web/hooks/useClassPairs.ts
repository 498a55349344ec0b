import { useCallback, useEffect, useState } from "react";
import type { Shortcut } from "../../../app/shortcuts";
import type { Merge } from "../classWords";
import type { ClassPairs, Done, RunWire } from "../wire";

/**
 * The classes that are confused and those that may be one, read while their list is open, and
 * merging two of them.
 *
 * @param edition counts the changes after which they are read again
 * @param perform does a change and keeps what undoes it
 */
export function useClassPairs(
  wire: RunWire,
  edition: number,
  perform: (act: () => Promise<Done>) => Promise<unknown>,
) {
  const [open, setOpen] = useState(false);
  const [found, setFound] = useState<ClassPairs | null>(null);
  const [problem, setProblem] = useState<string | null>(null);

  // biome-ignore lint/correctness/useExhaustiveDependencies: labels may have changed since
  useEffect(() => {
    if (!open) return;
    let wanted = true;
    setProblem(null);
    wire.classPairs().then(
      (pairs) => wanted && setFound(pairs),
      (error: Error) => wanted && setProblem(error.message),
    );
    return () => {
      wanted = false;
    };
  }, [wire, open, edition]);

  const toggle = () => setOpen(!open);
  const close = useCallback(() => setOpen(false), []);
  const merge = (asked: Merge) => perform(() => wire.mergeClasses(asked));
  const keys: Shortcut[] = [{ key: "j", does: "Confused classes", run: toggle }];
  return { open, toggle, close, found, problem, merge, keys };
}

export type ClassPairsList = ReturnType<typeof useClassPairs>;
