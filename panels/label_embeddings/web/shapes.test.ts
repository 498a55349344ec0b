import { describe, expect, it } from "vitest";
import { dotPath, linePath } from "./shapes";

describe("shapes", () => {
  const outer = [
    [0, 0.25],
    [1, 0.25],
    [0.5, 1],
  ];
  const hole = [
    [0.4, 0.5],
    [0.6, 0.5],
  ];

  it("are one path of all their lines, so that one within another is a hole", () => {
    expect(linePath({ lines: [outer, hole], closed: true })).toBe(
      "M0 0.25L1 0.25L0.5 1ZM0.4 0.5L0.6 0.5Z",
    );
  });

  it("stay open, and are nothing without lines", () => {
    expect(linePath({ lines: [hole], closed: false })).toBe("M0.4 0.5L0.6 0.5");
    expect(linePath({ lines: [], closed: true })).toBe("");
  });

  it("have a dot for each point", () => {
    expect(dotPath(hole)).toBe("M0.4 0.5h0M0.6 0.5h0");
    expect(dotPath([])).toBe("");
  });
});
