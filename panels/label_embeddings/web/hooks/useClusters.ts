import { useEffect, useState } from "react";
import type { Cluster, RunWire } from "../wire";

/** The clusters of the map, found when their list is opened for the first time. */
export function useClusters(wire: RunWire, labelPath: string | null) {
  const [open, setOpen] = useState(false);
  const [answer, setAnswer] = useState<{ codes: Uint16Array; clusters: Cluster[] } | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [current, setCurrent] = useState<number | null>(null);

  useEffect(() => {
    if (!open || answer) return;
    if (labelPath === null) {
      setProblem("Clusters are named by their labels, and this run is of whole images.");
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

  return {
    open,
    setOpen,
    found: answer?.clusters ?? null,
    codes: answer?.codes ?? null,
    problem,
    current,
    setCurrent,
  };
}
