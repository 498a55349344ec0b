import { describe, expect, it } from "vitest";
import { combineRows, countRows, everyRows, indicesOf, invertRows, rowsOf } from "./rows";

const rows = (...indices: number[]) => rowsOf(10, indices);

describe("sets of rows", () => {
  it("keep only rows that exist", () => {
    expect(indicesOf(rowsOf(3, [-1, 0, 2, 3, 99]))).toEqual([0, 2]);
  });

  it.each([
    ["replace", [2, 3]],
    ["add", [1, 2, 3]],
    ["remove", [1]],
    ["intersect", [2]],
  ] as const)("%s", (how, expected) => {
    expect(indicesOf(combineRows(rows(1, 2), rows(2, 3), how))).toEqual(expected);
  });

  it("are inverted within what is visible", () => {
    expect(indicesOf(invertRows(rows(1, 2), rows(2, 3, 4)))).toEqual([3, 4]);
    expect(countRows(invertRows(rows(1, 2), null))).toBe(8);
  });

  it("intersect, and are null only where none is given", () => {
    expect(everyRows([null, null])).toBeNull();
    expect(indicesOf(everyRows([rows(1, 2), null, rows(2, 3)]) ?? [])).toEqual([2]);
  });
});
