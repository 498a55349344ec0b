import { expect, test } from "vitest";
import { chosenStages } from "./showing";

test("only the stage that the review added is left out", () => {
  const patches = { _cls: "fiftyone.core.stages.ToPatches", kwargs: [["field", "predictions"]] };
  const marked = {
    _cls: "fiftyone.core.stages.FilterLabels",
    kwargs: [["filter", { $let: { vars: { l: "$predictions", auto_labeling: 17 }, in: {} } }]],
  };
  expect(chosenStages([patches, marked])).toEqual([patches]);
  expect(chosenStages([])).toEqual([]);
});
