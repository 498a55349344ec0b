import { expect, test } from "vitest";
import {
  countSelected,
  countWithin,
  histogramOf,
  nearestEdge,
  placesInOrder,
  selectionOf,
  tickedAgain,
  wholeRange,
} from "./confidenceRange";
import type { Review } from "./wire";

// three edges: below, on 0, between, on 0.5, between, on 1, above, without
const REVIEW: Review = {
  classes: ["cat", "dog", null],
  counts: [],
  confidence: [],
  edges: [0, 0.5, 1],
  open: Uint32Array.from(
    [
      [1, 2, 4, 8, 16, 32, 64, 128],
      [0, 0, 1, 0, 1, 0, 0, 0],
      [0, 0, 0, 0, 0, 0, 0, 3],
    ].flat(),
  ),
};
const ALL = new Set([0, 1, 2]);

test("a range includes its edges, and what lies beyond them where it is no bound", () => {
  expect(countWithin(REVIEW, 0, [0, 2])).toBe(255);
  expect(countWithin(REVIEW, 0, [1, 2])).toBe(8 + 16 + 32 + 64);
  expect(countWithin(REVIEW, 0, [0, 1])).toBe(1 + 2 + 4 + 8);
  expect(countWithin(REVIEW, 0, [1, 1])).toBe(8);
});

test("only ticked classes count, and labels without confidence only in the whole range", () => {
  expect(countSelected(REVIEW, [0, 2], ALL)).toBe(260);
  expect(countSelected(REVIEW, [0, 1], new Set([1, 2]))).toBe(1);
  expect(countSelected(REVIEW, [0, 2], new Set([7]))).toBe(0);
});

test("the bars hold every label that has a confidence", () => {
  expect([...histogramOf(REVIEW, ALL)]).toEqual([1 + 2 + 4 + 1, 8 + 16 + 32 + 64 + 1]);
  expect([...histogramOf(REVIEW, new Set())]).toEqual([0, 0]);
});

test("what is asked has no bound at an end and no list of all classes", () => {
  expect(selectionOf(REVIEW, wholeRange(REVIEW), ALL)).toEqual({
    low: null,
    high: null,
    classes: null,
  });
  expect(selectionOf(REVIEW, [1, 1], new Set([1, 2]))).toEqual({
    low: 0.5,
    high: 0.5,
    classes: ["dog", null],
  });
});

test("a handle goes to the nearest edge", () => {
  expect([-1, 0.2, 0.3, 0.8, 7].map((c) => nearestEdge(REVIEW, c))).toEqual([0, 0, 1, 2, 2]);
});

test("classes stay unticked by their names", () => {
  const after = { ...REVIEW, classes: ["dog", "owl", "cat"] };
  expect(tickedAgain(REVIEW, new Set([1, 2]), after)).toEqual(new Set([0, 1]));
  expect(tickedAgain(null, new Set(), REVIEW)).toEqual(ALL);
});

test("what has no value comes last, whichever way the rest is ordered", () => {
  expect(placesInOrder([2, null, 3, 2], false)).toEqual([0, 3, 2, 1]);
  expect(placesInOrder([2, null, 3, 2], true)).toEqual([2, 0, 3, 1]);
  expect(placesInOrder(["dog", "cat", null], false)).toEqual([1, 0, 2]);
});
