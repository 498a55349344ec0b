import { describe, expect, it } from "vitest";
import {
  answeredBy,
  likelyVerdict,
  named,
  offered,
  partDone,
  pickable,
  rerank,
  without,
} from "./reviewOrder";
import type { Item } from "./wire";

const item = (id: string, more: Partial<Item> = {}): Item => ({
  row: 0,
  id,
  sampleId: "s",
  label: "cat",
  confidence: null,
  suggested: "dog",
  suggestions: ["dog"],
  box: [0.1, 0.1, 0.2, 0.2],
  suggestedBox: null,
  issue: null,
  reason: null,
  suspicion: 0.5,
  flagged: false,
  again: false,
  along: 0,
  needless: false,
  whole: false,
  fixed: null,
  neighbors: [],
  examples: [],
  ...more,
});
const ids = (items: Item[]) => items.map(({ id }) => id).join("");

describe("the order of a review", () => {
  it("follows what was learned, but not under the reviewer's eyes", () => {
    const waiting = ["a", "b", "c"].map((id) => item(id));
    const fresh = ["c", "d", "a", "b"].map((id) => item(id, { suspicion: 0.9 }));
    const next = rerank(waiting, fresh, new Set(["d"]));
    expect(ids(next)).toBe("acb");
    expect(next[0].suspicion).toBe(0.9);
  });

  it("keeps what is looked at when it is not ranked any more", () => {
    expect(ids(rerank([item("a")], [item("b")], new Set()))).toBe("ab");
    expect(ids(rerank([], [item("b")], new Set()))).toBe("b");
  });

  it("goes on without what was answered", () => {
    expect(ids(without([item("a"), item("b")], [item("a")]))).toBe("b");
  });
});

describe("an answer for a whole track", () => {
  const given = [item("a", { along: 24 }), item("b")];
  it("is one for each of its labels, unless it is a box", () => {
    expect(answeredBy(given, "right", true)).toBe(26);
    expect(answeredBy(given, "right", false)).toBe(2);
    expect(answeredBy(given, "badly placed", true)).toBe(2);
    expect(answeredBy(given, "skipped", true)).toBe(0);
  });
});

describe("the classes to pick from", () => {
  const classes = ["bus", "cat", "dog", "hot dog", "truck", "train"];
  it("begin with the suggested ones and lack the label's own", () => {
    expect(pickable(classes, item("a"), "")).toEqual(["dog", "bus", "hot dog", "train", "truck"]);
    const two = item("a", { suggestions: ["truck", "dog"] });
    expect(pickable(classes, two, "")).toEqual(["truck", "dog", "bus", "hot dog", "train"]);
  });
  it("are searched, the beginnings first", () => {
    expect(pickable(classes, item("a", { suggested: null }), " D")).toEqual(["dog", "hot dog"]);
    expect(pickable(classes, item("a"), "zebra")).toEqual([]);
  });
});

describe("the classes that are offered while one is typed", () => {
  const classes = ["bus", "cat", "cathedral", "dog", "hot dog", "Bus stop"];
  const first = (typed: string, more: Partial<Item> = {}) =>
    offered(classes, item("a", { label: "bird", suggested: null, ...more }), typed);
  it("begin with what was typed, as a new class", () => {
    expect(first("do")).toEqual(["do", "dog", "hot dog"]);
    expect(first(" do", { suggested: "dog" })[0]).toBe("do");
    expect(first("zebra")).toEqual(["zebra"]);
  });
  it("begin with a class that is the same, and then it is no new one", () => {
    expect(first("cat")).toEqual(["cat", "cathedral"]);
    expect(first("BUS")).toEqual(["bus", "Bus stop", "BUS"]);
  });
  it("are all but its own where nothing or its own was typed", () => {
    expect(first("")).toHaveLength(6);
    expect(first("cat", { label: "cat" })).toEqual(["cathedral"]);
  });
});

describe("how far a review is", () => {
  it("is a part of what is expected", () => {
    expect(partDone(0, 0)).toBe(0);
    expect(partDone(30, 10)).toBe(0.75);
  });
});

describe("the answer that stands out", () => {
  const likely = (more: Partial<Item>) => likelyVerdict(item("a", more));
  it("is what the issue says", () => {
    expect(likely({ issue: null, suspicion: 0.3 })).toBe("right");
    expect(likely({ issue: "mislabeled" })).toBe("wrong class");
    expect(likely({ issue: "mislabeled", suggested: "" })).toBe("wrong class");
    expect(likely({ issue: "spurious" })).toBe("not an object");
    expect(likely({ issue: "duplicate", needless: true })).toBe("not needed");
  });
  it("is the suggested box of a badly placed one", () => {
    expect(likely({ issue: "misplaced", suggestedBox: [0, 0, 1, 1] })).toBe("badly placed");
  });
  it("is that a badly placed one is not needed beside a label that fits", () => {
    expect(likely({ issue: "misplaced", needless: true })).toBe("not needed");
  });
  it("is none where no answer says what is wrong", () => {
    expect(likely({ issue: "misplaced" })).toBe(null);
    expect(likely({ issue: null, suspicion: 0.68 })).toBe(null);
    expect(likely({ issue: "misplaced", suggestedBox: [0, 0, 1, 1], fixed: "a mask" })).toBe(null);
  });
});

describe("a class", () => {
  it("can be read without a name", () => {
    expect([named("cat"), named(""), named(null)]).toEqual(["cat", "''", "no label"]);
  });
});
