import type { Action, Operation, OperationState } from "./wire";

const ENDED: OperationState[] = ["completed", "failed"];

/** What can be done with an operation in its state. */
export function actionsFor(operation: Operation): Action[] {
  if (ENDED.includes(operation.state)) return ["rerun", "delete"];
  if (operation.cancelling) return ["mark_failed", "delete"];
  return ["cancel", "mark_failed", "delete"];
}

/** Returns the map that an operation would replace if it ran again, null for none. */
export function replacedBy({ state, operator, brainKey }: Operation): string | null {
  return state === "completed" && operator.endsWith("/compute_visualization") ? brainKey : null;
}

/** How long something took: "45 s", "12 min", "3 h 5 min". */
export function duration(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** When an operation waited, ran or ended, in words, as of now. */
export function timing(operation: Operation, now: number): string {
  const at = (moment: string | null) => (moment === null ? null : Date.parse(moment));
  const [queued, started, finished] = [operation.queued, operation.started, operation.finished].map(
    at,
  ) as [number | null, number | null, number | null];
  if (finished !== null && ENDED.includes(operation.state)) {
    const took = started !== null ? `took ${duration(finished - started)}, ` : "";
    return `${took}${duration(now - finished)} ago`;
  }
  if (operation.state === "running" && started !== null)
    return `running for ${duration(now - started)}`;
  return queued !== null ? `waiting for ${duration(now - queued)}` : "";
}

/** The finished part of a run in percent. */
export function percentDone(operation: Operation): number {
  if (operation.state === "completed") return 100;
  return Math.round(100 * Math.min(1, Math.max(0, operation.progress ?? 0)));
}
