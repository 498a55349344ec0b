import { useCallback, useEffect, useMemo, useState } from "react";
import type { Shortcut } from "../../../app/shortcuts";
import { type Rows, rowsOf } from "../rows";
import type { Cluster, RunWire } from "../wire";

/**
 * The clusters of the map, found when their list is opened for the first time, and the way from one
 * to the next.
 *
 * @param onGo is given where a cluster is, and the rows of it to look at
 */
export function useClusters(
  wire: RunWire,
  labelPath: string | null,
  onGo: (center: number[], rows: Rows) => void,
) {
  const [open, setOpen] = useState(false);
  const [answer, setAnswer] = useState<{ codes: Uint16Array; clusters: Cluster[] } | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [current, setCurrent] = useState<number | null>(null);

  useEffect(() => {
    if (!open || answer) return;
    if (labelPath === null) {
      setProblem("Clusters are named after their labels, but this run is of whole images.");
      return;
    }
    let wanted = true;
    wire.clusters(labelPath).then(
      (found) => wanted && setAnswer(found),
      (error: Error) => wanted && setProblem(error.message),
    );
    return () => {
      wanted = false;
    };
  }, [wire, labelPath, open, answer]);

  /** the rows of the current cluster whose label is another one */
  const strangers = useMemo(
    () => (current === null ? [] : (answer?.clusters[current]?.strangers ?? [])),
    [current, answer],
  );
  const go = (index: number, whole = false) => {
    const cluster = answer?.clusters[index];
    if (!answer || !cluster) return;
    setCurrent(index);
    onGo(
      cluster.center,
      whole
        ? Uint8Array.from(answer.codes, (code) => Number(code === cluster.code))
        : rowsOf(answer.codes.length, cluster.strangers),
    );
  };
  const next = (step: number) => {
    if (!answer) return setOpen(true);
    const mixed = answer.clusters.flatMap((cluster, i) => (cluster.strangers.length ? [i] : []));
    if (mixed.length === 0) return;
    const at = mixed.indexOf(current ?? -1);
    const turn = at < 0 ? (step > 0 ? 0 : -1) : at + step;
    go(mixed.at(turn % mixed.length) as number);
  };

  const toggle = () => setOpen(!open);
  const close = useCallback(() => setOpen(false), []);
  const keys: Shortcut[] = [
    { key: "c", does: "Clusters", run: toggle },
    { key: "n", does: "Next cluster", run: () => next(1) },
    { key: "p", does: "Previous cluster", run: () => next(-1) },
  ];
  return {
    open,
    toggle,
    close,
    found: answer?.clusters ?? null,
    problem,
    current,
    strangers,
    go,
    keys,
  };
}

export type Clusters = ReturnType<typeof useClusters>;
