import { describe, expect, it } from "vitest";
import {
  combineRows,
  countRows,
  everyRows,
  indicesOf,
  invertRows,
  rowsOf,
  saySelected,
  sayUnseen,
} from "./rows";

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

  it("are said to be out of view where none of them is in it", () => {
    expect(saySelected(rows(1, 2), rows(2))).toBe("1 selected");
    expect(saySelected(rows(1, 2), rows())).toBe("2 selected, none in view");
    expect(sayUnseen(rows(1, 2), rows(2, 3))).toBeNull();
    expect(sayUnseen(rows(1, 2), null)).toBeNull();
    expect(sayUnseen(rows(), rows(3))).toBeNull();
    expect(sayUnseen(rows(1, 2), rows(3))).toMatch(
      /^2 are selected, .* any of them: clear the view/,
    );
    expect(sayUnseen(rows(1), rows(3))).toMatch(/^1 is selected, .* show it: clear the view/);
  });

  it("intersect, and are null only where none is given", () => {
    expect(everyRows([null, null])).toBeNull();
    expect(indicesOf(everyRows([rows(1, 2), null, rows(2, 3)]) ?? [])).toEqual([2]);
  });
});
