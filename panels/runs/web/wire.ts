import type { Source } from "../../app/opening";
import type { CallPython } from "../../app/panel";

export const STATES = ["scheduled", "queued", "running", "completed", "failed"] as const;
export type State = (typeof STATES)[number];

export interface Operation {
  id: string;
  operator: string;
  label: string;
  target: string | null;
  worker: string | null;
  state: State;
  cancelling: boolean;
  user: string | null;
  /** moments are in ISO 8601 */
  queued: string | null;
  started: string | null;
  finished: string | null;
  progress: number | null;
  line: string | null;
  error: string | null;
  /** the map that it made or changed */
  brainKey: string | null;
  /** the labels that it found */
  source: Source | null;
}

export interface Details extends Operation {
  inputs: Record<string, string>;
  trace: string | null;
  log: string;
  attempts: number;
  version: string | null;
}

export interface Listing {
  operations: Operation[];
  counts: Partial<Record<State, number>>;
  targets: { name: string; description: string }[];
}

export type Action = "cancel" | "mark_failed" | "rerun" | "delete";

/** The calls that the panel makes. */
export class Wire {
  constructor(private readonly python: CallPython) {}

  list(state: State | null, limit: number): Promise<Listing> {
    return this.python("list_operations", { state, limit, skip: 0 });
  }

  async details(id: string): Promise<Details> {
    return (await this.python<{ operation: Details }>("details", { id })).operation;
  }

  act(action: Action, id: string): Promise<{ sentence: string }> {
    return this.python(action, { id });
  }
}
