// What travels between the panel and its Python half. Its twin is wire.py.
import type { Source } from "../../app/opening";
import type { CallPython } from "../../app/panel";

export type RunState = "generating" | "in_review" | "approved" | "failed";

export interface Run {
  name: string;
  field: string | null;
  model: string | null;
  state: RunState;
  /** ISO 8601 */
  created: string | null;
  labels: number;
  images: number;
  unreadable: number;
  user: string | null;
  error: string | null;
  progress: number | null;
  line: string | null;
}

export interface Overview {
  runs: Run[];
  /** whose labels can be reviewed without a run, and which can hold ground truth */
  fields: string[];
}

/** The places of the states in the counts of a class. */
export const STATES = ["approved", "rejected", "flagged", "basket", "open"] as const;
export type State = (typeof STATES)[number];

/** Labels by class and confidence; see `Review` in approval/counts.py. */
export interface Review {
  classes: (string | null)[];
  /** of each class, how many are in each of `STATES` */
  counts: number[][];
  /** mean confidence of each class */
  confidence: (number | null)[];
  edges: number[];
  /** of each class, the columns of open labels by confidence, one after the other */
  open: Uint32Array;
}

export interface Round {
  at: string;
  by: string;
  into: string;
  approved: number;
  turnedDown: number;
  rate: number | null;
  token: string;
}

export interface Progress {
  found: number;
  approved: number;
  flagged: number;
  rejected: number;
  basket: number;
  left: number;
  notApproved: number;
  inBasket: [string | null, number][];
  rounds: Round[];
}

/** Which labels; null is no bound, and all classes. */
export interface Selection {
  low: number | null;
  high: number | null;
  classes: (string | null)[] | null;
}

export interface Done {
  sentence: string;
  undo?: string | null;
  anew?: boolean;
}

/** A state of the dataset: when it began, and whether labels came back that had no patch. */
export interface Edition {
  at: number;
  anew: boolean;
}

/** How labels that are in ground truth already are merged. */
export const RULES = { keep: "keep the label there", replace: "replace it", refuse: "refuse" };
export type Rule = keyof typeof RULES;

/** The calls that need no source. */
export class Wire {
  constructor(private readonly python: CallPython) {}

  overview(): Promise<Overview> {
    return this.python("overview");
  }

  showImages(): Promise<object> {
    return this.python("show_images");
  }

  undo(token: string): Promise<Done> {
    return this.python("undo", { token });
  }

  of(source: Source): SourceWire {
    return new SourceWire(this.python, source);
  }
}

/** The calls about a source. */
export class SourceWire {
  constructor(
    private readonly python: CallPython,
    private readonly source: Source,
  ) {}

  async review(): Promise<{ review: Review; progress: Progress }> {
    const answer = await this.call<{
      review: Omit<Review, "open"> & { open: string };
      progress: Progress;
    }>("review");
    return {
      review: { ...answer.review, open: decodeCounts(answer.review.open) },
      progress: answer.progress,
    };
  }

  /** Shows labels in the grid; another edition of the same ones is fetched again by the App. */
  show(
    state: State | "all",
    selection: Selection,
    { at, anew }: Edition,
  ): Promise<{ shown: number }> {
    return this.call("show", { state, ...selection, edition: at, anew });
  }

  add(selection: Selection): Promise<Done> {
    return this.call("add", { ...selection });
  }

  /** Takes out of the basket the patches selected in the grid, some classes, or all. */
  remove(which: "selected" | "all" | (string | null)[]): Promise<Done> {
    if (which === "all") return this.call("remove", {});
    return this.call("remove", which === "selected" ? { selected: true } : { classes: which });
  }

  flag(): Promise<Done> {
    return this.call("flag", {});
  }

  approve(into: string, rule: Rule): Promise<Done> {
    return this.call("approve", { into, rule });
  }

  /** Removes what is not approved, if it is as many as a person agreed to. */
  finalize(count: number): Promise<Done> {
    return this.call("finalize", { count });
  }

  finish(): Promise<Done> {
    return this.call("finish", {});
  }

  private call<Answer>(method: string, params: object = {}): Promise<Answer> {
    return this.python<Answer>(method, { ...this.source, ...params });
  }
}

/** Decodes counts: little-endian, as browsers are. */
export function decodeCounts(base64: string): Uint32Array {
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  if (bytes.length % 4) throw new Error("The counts cannot be read: reload the page.");
  return new Uint32Array(bytes.buffer);
}
