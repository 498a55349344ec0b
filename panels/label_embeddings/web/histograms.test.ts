import { describe, expect, it } from "vitest";
import { binOf, countCodes, histogram, spanOf } from "./histograms";
import { rowsOf } from "./rows";

describe("counting", () => {
  it("counts codes, over all rows or some", () => {
    const codes = Uint16Array.of(0, 1, 1, 2);
    expect([...countCodes(codes, 3, null)]).toEqual([1, 2, 1]);
    expect([...countCodes(codes, 3, rowsOf(4, [1, 3]))]).toEqual([0, 1, 1]);
  });

  it("spans numbers and ignores what is none", () => {
    expect(spanOf([Number.NaN, 3, -1])).toEqual([-1, 3]);
    expect(spanOf([Number.NaN])).toEqual([0, 1]);
  });

  it("puts both ends into bins, and nothing beyond them", () => {
    expect([0, 0.5, 1, 1.1, Number.NaN].map((value) => binOf(value, [0, 1], 2))).toEqual([
      0, 1, 1, -1, -1,
    ]);
    expect(binOf(3, [3, 3], 5)).toBe(0);
  });

  it("counts every number of the span once", () => {
    const values = Float32Array.from({ length: 999 }, (_, i) => i / 998);
    const counts = histogram(values, [0, 1], 20, null);
    expect(counts.reduce((a, b) => a + b)).toBe(999);
  });
});
