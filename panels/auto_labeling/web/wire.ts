// Calls of the Python half, with what is binary on the way unpacked. Nothing else in the panel knows
// how messages travel.
import { unpack } from "../../app/binary";
import type { Source } from "../../app/opening";
import type { CallPython } from "../../app/panel";
import type {
  Changes,
  Review as CountsMessage,
  Done,
  LoopProgress,
  Methods,
  Overview,
  Rule,
  SelectionRequest,
  Shown,
  Undone,
} from "./messages";

export type {
  Done,
  LabelState,
  LoopProgress,
  Methods,
  Overview,
  Round,
  Rule,
  Run,
  RunState,
  Undone,
} from "./messages";
export { CONTRACT, LABEL_STATES } from "./messages";

/** Labels by class and confidence; see `Review` in approval/counts.py. */
export interface Review extends Omit<CountsMessage, "open"> {
  /** of each class, the columns of open labels by confidence, one after the other */
  open: Uint32Array;
}

/** Which labels; null is no bound, and all classes. */
export type Selection = Required<Pick<SelectionRequest, "low" | "high" | "classes">>;

/** A state of the dataset: when it began, and whether labels came back that had no patch. */
export interface Edition {
  at: number;
  anew: boolean;
}

/** How labels that are in ground truth already are merged. */
export const RULES: Record<Rule, string> = {
  keep: "Keep the existing label",
  replace: "Replace it with the approved one",
  refuse: "Approve nothing if any object exists",
};

type Call = CallPython<Methods>;

/** The calls that need no source. */
export class Wire {
  constructor(private readonly call: Call) {}

  overview(): Promise<Overview> {
    return this.call("overview", {});
  }

  showImages(): Promise<object> {
    return this.call("show_images", {});
  }

  changes(most: number): Promise<Changes> {
    return this.call("changes", { most });
  }

  undo(token: string): Promise<Undone> {
    return this.call("undo", { token });
  }

  of(source: Source): SourceWire {
    return new SourceWire(this.call, source);
  }
}

/** The calls about a source. */
export class SourceWire {
  constructor(
    private readonly call: Call,
    private readonly source: Source,
  ) {}

  async review(): Promise<{ review: Review; progress: LoopProgress }> {
    const { review, progress } = await this.call("review", this.source);
    return { review: { ...review, open: unpack(review.open, "u4") }, progress };
  }

  /** Shows labels in the grid; another edition of the same ones is fetched again by the App. */
  show(state: Shown, selection: Selection, { at, anew }: Edition): Promise<{ shown: number }> {
    return this.call("show", { ...this.source, state, ...selection, edition: at, anew });
  }

  add(selection: Selection): Promise<Done> {
    return this.call("add", { ...this.source, ...selection });
  }

  /** Begins to ask for what proves that at least so many percent of some labels are right. */
  beginTarget(target: number, confidence: number, perClass: boolean): Promise<Done> {
    return this.call("begin_target", { ...this.source, target, confidence, perClass });
  }

  /** Makes the basket the set that is proven to meet the target. */
  fillBasket(): Promise<Done> {
    return this.call("fill_basket", this.source);
  }

  /** Takes out of the basket the patches selected in the grid, some classes, or all. */
  remove(which: "selected" | "all" | (string | null)[]): Promise<Done> {
    const some =
      which === "all" ? {} : which === "selected" ? { selected: true } : { classes: which };
    return this.call("remove", { ...this.source, ...some });
  }

  flag(): Promise<Done> {
    return this.call("flag", this.source);
  }

  approve(into: string, rule: Rule): Promise<Done> {
    return this.call("approve", { ...this.source, into, rule });
  }

  /** Removes what is not approved, if it is as many as a person agreed to. */
  finalize(count: number): Promise<Done> {
    return this.call("finalize", { ...this.source, count });
  }

  finish(): Promise<Done> {
    return this.call("finish", this.source);
  }
}
