import { expect, test } from "vitest";
import { mergeQuestion, reasonOf } from "./classWords";

test("the question says how many labels become what", () => {
  const merge = { field: "predictions", label: "Cats", into: "cat", labels: 1200 };
  const asked = mergeQuestion(merge);
  expect(asked).toContain("all 1,200 labels 'Cats' in 'predictions' to 'cat'?");
  expect(asked).toContain("approved labels keep their class");
  expect(mergeQuestion({ ...merge, labels: 1 })).toContain("the one label 'Cats'");
});

test("names and look are reasons, each said once", () => {
  expect(reasonOf({ reason: "typo", mixing: null })).toBe("typo");
  expect(reasonOf({ reason: "typo", mixing: 0.9 })).toBe("typo, look alike");
  expect(reasonOf({ reason: "look alike", mixing: 0.9 })).toBe("look alike");
});
