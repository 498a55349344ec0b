import { expect, test } from "vitest";
import { percent } from "./percent";

test("none and all are said of nothing less", () => {
  expect([0, 0.0043, 0.01, 0.2, 0.985, 0.9957, 1].map((part) => percent(part))).toEqual([
    "0%",
    "under 1%",
    "1%",
    "20%",
    "99%",
    "over 99%",
    "100%",
  ]);
  expect([1 / 3, 2999 / 3000].map((part) => percent(part, 1))).toEqual(["33.3%", "over 99.9%"]);
});
