// Written by `make types` from messages.py: change that, not this.

export const OPERATION_STATES = ["scheduled", "queued", "running", "completed", "failed"] as const;
export type OperationState = (typeof OPERATION_STATES)[number];

/** One operation. */
export interface OperationRequest {
  id: string;
}

/** What was done, in a sentence. */
export interface Done {
  sentence: string;
}

/** All that is known of one operation. */
export interface UnfoldedOperation {
  operation: Details;
}

/** A page of the operations, newest first. */
export interface ListRequest {
  /** those in one state, null for all */
  state?: OperationState | null;
  /** how many */
  limit: number;
  /** after how many */
  skip?: number;
}

/** The newest operations, how many there are in each state, and the targets. */
export interface Listing {
  operations: Operation[];
  /** by state, of those that have some */
  counts: Record<string, number>;
  targets: Target[];
  /** what to type for `labelvet` on the server */
  command: string;
}

/** An operation that is to run again. */
export interface RerunRequest {
  id: string;
  /** whether a person agreed that the map is replaced which it made before */
  replace?: boolean;
}

/** An operation with all that is shown when its row is unfolded. */
export interface Details {
  id: string;
  operator: string;
  label: string;
  /** the target that it was scheduled on, null for any */
  target: string | null;
  /** the worker that has it or had it last */
  worker: string | null;
  state: OperationState;
  /** whether it was asked to stop */
  cancelling: boolean;
  user: string | null;
  queued: string | null;
  started: string | null;
  finished: string | null;
  /** the finished part, in [0, 1] */
  progress: number | null;
  /** where it is, or, once it completed, what it did */
  line: string | null;
  /** a warning, where it has made no progress for too long */
  stalled: string | null;
  /** why it failed, in one line */
  error: string | null;
  /** of the map that it made or changed */
  brainKey: string | null;
  /** the labels that it found */
  source: Source | null;
  /** what was filled in, by name */
  inputs: Record<string, string>;
  /** the full error, where it says more than `error` */
  trace: string | null;
  /** the end of its log */
  log: string;
  /** how many workers took it */
  attempts: number;
  /** the version of labelvet that scheduled it */
  version: string | null;
}

/** An operation as a row of the list; moments are in ISO 8601. */
export interface Operation {
  id: string;
  operator: string;
  label: string;
  /** the target that it was scheduled on, null for any */
  target: string | null;
  /** the worker that has it or had it last */
  worker: string | null;
  state: OperationState;
  /** whether it was asked to stop */
  cancelling: boolean;
  user: string | null;
  queued: string | null;
  started: string | null;
  finished: string | null;
  /** the finished part, in [0, 1] */
  progress: number | null;
  /** where it is, or, once it completed, what it did */
  line: string | null;
  /** a warning, where it has made no progress for too long */
  stalled: string | null;
  /** why it failed, in one line */
  error: string | null;
  /** of the map that it made or changed */
  brainKey: string | null;
  /** the labels that it found */
  source: Source | null;
}

/** A compute target. */
export interface Target {
  name: string;
  description: string;
}

/** Labels that an operation found. */
export interface Source {
  field: string;
  /** the name of the run of auto labeling */
  run: string | null;
}

/** What Python can be asked, and what it answers. */
export interface Methods {
  /** Stops an operation, or takes it from the queue. */
  cancel: { request: OperationRequest; answer: Done };
  /** Takes an operation off the list, and stops it if it runs. */
  delete: { request: OperationRequest; answer: Done };
  /** All that is known of one operation. */
  details: { request: OperationRequest; answer: UnfoldedOperation };
  /** The newest operations, how many there are in each state, and the workers. */
  list_operations: { request: ListRequest; answer: Listing };
  /** Fails an operation that nobody runs any more. */
  mark_failed: { request: OperationRequest; answer: Done };
  /** Queues an operation once more. */
  rerun: { request: RerunRequest; answer: Done };
}

/** The version of these messages, which a page and the server must share. */
export const CONTRACT = "3c0b497c83ef58f6";
