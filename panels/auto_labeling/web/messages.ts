// Written by `make types` from messages.py: change that, not this.
import type { Column } from "../../app/binary";

export const RUN_STATES = ["generating", "in_review", "approved", "failed", "canceled"] as const;
export type RunState = (typeof RUN_STATES)[number];

export const LABEL_STATES = ["approved", "rejected", "flagged", "basket", "open"] as const;
export type LabelState = (typeof LABEL_STATES)[number];

export const SHOWNS = ["approved", "rejected", "flagged", "basket", "open", "all"] as const;
export type Shown = (typeof SHOWNS)[number];

export const RULES = ["keep", "replace", "refuse"] as const;
export type Rule = (typeof RULES)[number];

/** Some of the labels. */
export interface SelectionRequest {
  /** their field */
  field: string;
  /** the run of auto labeling that they are of, null for all */
  run?: string | null;
  /** the least and the most confidence, both inclusive; null is no bound */
  low?: number | null;
  /** the least and the most confidence, both inclusive; null is no bound */
  high?: number | null;
  /** null for all */
  classes?: (string | null)[] | null;
  /** whether only those that are selected in the grid */
  selected?: boolean;
}

/** What was done. */
export interface Done {
  /** says so */
  sentence: string;
  /** the token that takes it back, null where that is not possible */
  undo: string | null;
  /** whether labels came back that have no patch */
  anew: boolean;
  /** how many labels */
  changed: number;
}

/** How the basket becomes ground truth. */
export interface ApproveRequest {
  /** their field */
  field: string;
  /** the run of auto labeling that they are of, null for all */
  run?: string | null;
  /** the field of ground truth */
  into: string;
  /** what becomes of labels that are in ground truth already */
  rule?: Rule;
}

/** What is to be proven of the labels that are approved. */
export interface TargetRequest {
  /** their field */
  field: string;
  /** the run of auto labeling that they are of, null for all */
  run?: string | null;
  /** at least so many percent of them are right */
  target: number;
  /** how sure that is to hold, in percent */
  confidence?: number;
  /** whether it is to be so in each class by itself */
  perClass?: boolean;
}

/** What is listed. */
export interface ChangesRequest {
  /** how many of the many tags and answers, the last ones */
  most?: number;
}

/** What can be undone, the newest first. */
export interface Changes {
  /** the changes */
  changes: UndoableChange[];
  /** whether there are earlier tags or answers */
  more: boolean;
}

/** Labels with a confidence. */
export interface SourceRequest {
  /** their field */
  field: string;
  /** the run of auto labeling that they are of, null for all */
  run?: string | null;
}

/** A person agreed to remove what is not approved. */
export interface FinalizeRequest {
  /** their field */
  field: string;
  /** the run of auto labeling that they are of, null for all */
  run?: string | null;
  /** how many labels that was said to be */
  count: number;
}

/** What there is to review. */
export interface Overview {
  runs: Run[];
  /** whose labels can be reviewed without a run, and which can hold ground truth */
  fields: string[];
}

/** What there is to review in the App's view, and how far the loop is. */
export interface Counted {
  review: Review;
  progress: LoopProgress;
}

/** Labels that the grid shows as patches. */
export interface ShowRequest {
  /** their field */
  field: string;
  /** the run of auto labeling that they are of, null for all */
  run?: string | null;
  /** the least and the most confidence, both inclusive; null is no bound */
  low?: number | null;
  /** the least and the most confidence, both inclusive; null is no bound */
  high?: number | null;
  /** null for all */
  classes?: (string | null)[] | null;
  /** whether only those that are selected in the grid */
  selected?: boolean;
  state?: Shown;
  /** another one of the same labels is fetched again by the App */
  edition?: number;
  /** whether labels came back that have no patch yet */
  anew?: boolean;
}

/** How many labels the grid shows. */
export interface ShownLabels {
  shown: number;
}

/** It is done. */
export type Nothing = Record<string, never>;

/** What is taken back. */
export interface UndoRequest {
  /** the `undo` of what was done, or the `token` of a listed change or a round */
  token: string;
}

/** A change was taken back. */
export interface Undone {
  /** says so */
  sentence: string;
  /** null, since there is no redo */
  undo: null;
  /** whether labels came back that have no patch */
  anew: boolean;
}

/** A change of the dataset that can be undone. */
export interface UndoableChange {
  /** what undoes it */
  token: string;
  /** what it did */
  sentence: string;
  /** who did it */
  by: string;
  /** when, in ISO 8601 */
  at: string;
}

/** A run of auto labeling. */
export interface Run {
  name: string;
  field: string | null;
  model: string | null;
  state: RunState;
  /** in ISO 8601 */
  created: string | null;
  labels: number;
  images: number;
  /** how many images could not be read */
  unreadable: number;
  user: string | null;
  /** why it failed */
  error: string | null;
  /** the finished part, in [0, 1] */
  progress: number | null;
  /** what happens, in a line */
  line: string | null;
}

/** Labels of the App's view by class and confidence; see approval/counts.py. */
export interface Review {
  /** the most frequent first, null for labels without one */
  classes: (string | null)[];
  /** of each class, how many are in each of `LABEL_STATES` */
  counts: number[][];
  /** mean confidence of each class, null where no label has one */
  confidence: (number | null)[];
  /** of the bins of confidence */
  edges: number[];
  /** of each class, the columns of open labels by confidence, one after the other */
  open: Column<"u4">;
}

/** How far the loop is. */
export interface LoopProgress {
  found: number;
  approved: number;
  flagged: number;
  rejected: number;
  basket: number;
  /** how many labels nobody decided on */
  left: number;
  /** how many Finalize would remove */
  notApproved: number;
  /** how many labels of each class the basket holds, the most frequent first */
  inBasket: ([string | null, number])[];
  /** how many of them are of one object and class with a surer one, which alone enters */
  twice: number;
  rounds: Round[];
  /** what was proven of the basket when it was filled, null for nothing */
  proof: string | null;
  /** whether the basket is what it was then */
  proofHolds: boolean;
  /** what is proven of a target so far, null where none was said */
  target: string | null;
  /** what else is known, of each class for one */
  targetNotes: string[];
  /** the brain key of the map in whose review its sample is answered */
  targetKey: string | null;
  /** how many labels are proven to meet it */
  proven: number;
}

/** One approval. */
export interface Round {
  /** when, in ISO 8601 */
  at: string;
  by: string;
  into: string;
  approved: number;
  /** how many were flagged or rejected since the round before */
  turnedDown: number;
  /** the part that was approved of these and those */
  rate: number | null;
  /** what undoes it */
  token: string;
  /** what was proven of its labels, null for nothing */
  proof: string | null;
}

/** What Python can be asked, and what it answers. */
export interface Methods {
  /** Adds labels for approval: of the App's view, by confidence and class. */
  add: { request: SelectionRequest; answer: Done };
  /** Makes ground truth of the basket. */
  approve: { request: ApproveRequest; answer: Done };
  /** Begins to ask for the answers that prove a set of the labels; they are asked for in the review of *Label embeddings*. */
  begin_target: { request: TargetRequest; answer: Done };
  /** What can be undone, whoever did it in whichever panel. */
  changes: { request: ChangesRequest; answer: Changes };
  /** Makes the basket the set that is proven to meet the target. */
  fill_basket: { request: SourceRequest; answer: Done };
  /** Removes what was not approved, if that is as many as a person agreed to. */
  finalize: { request: FinalizeRequest; answer: Done };
  /** Closes the loop: removed labels are deleted for good. */
  finish: { request: SourceRequest; answer: Done };
  /** Tags the labels that are selected in the grid. */
  flag: { request: SourceRequest; answer: Done };
  /** The runs of auto labeling, and the fields whose labels can be approved. */
  overview: { request: object; answer: Overview };
  /** Takes labels out of the basket: those selected in the grid, of some classes, or all. */
  remove: { request: SelectionRequest; answer: Done };
  /** What there is to review in the App's view, and how far the loop is. */
  review: { request: SourceRequest; answer: Counted };
  /** Makes the grid show some labels as patches. */
  show: { request: ShowRequest; answer: ShownLabels };
  /** Makes the grid show the images again, of the view that the review began with. */
  show_images: { request: object; answer: Nothing };
  /** Takes a change back. */
  undo: { request: UndoRequest; answer: Undone };
}

/** The version of these messages, which a page and the server must share. */
export const CONTRACT = "8a0341250b9a1531";
