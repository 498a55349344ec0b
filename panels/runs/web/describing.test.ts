import { expect, test } from "vitest";
import { actionsFor, duration, percentDone, replacedBy, timing } from "./describing";
import type { Operation } from "./wire";

const START = Date.parse("2026-01-01T00:00:00Z");
const QUEUED: Operation = {
  id: "1",
  operator: "o",
  label: "l",
  target: null,
  worker: null,
  state: "queued",
  cancelling: false,
  user: null,
  queued: "2026-01-01T00:00:00Z",
  started: null,
  finished: null,
  progress: null,
  line: null,
  stalled: null,
  error: null,
  brainKey: null,
  source: null,
};
const RUNNING: Operation = {
  ...QUEUED,
  state: "running",
  started: "2026-01-01T00:01:00Z",
  progress: 0.426,
};

test("what can be done follows the state", () => {
  expect(actionsFor(QUEUED)).toContain("cancel");
  expect(actionsFor(RUNNING)).toContain("mark_failed");
  expect(actionsFor({ ...RUNNING, cancelling: true })).not.toContain("cancel");
  expect(actionsFor({ ...RUNNING, state: "failed" })).toEqual(["rerun", "delete"]);
});

test("a map is replaced by the run that made it, once it has", () => {
  const operator = "@labelvet/labelvet/compute_visualization";
  const made = { ...RUNNING, operator, brainKey: "map" };
  expect(replacedBy({ ...made, state: "completed" })).toBe("map");
  expect(replacedBy({ ...made, state: "failed" })).toBe(null);
  const updated = operator.replace("compute", "update");
  expect(replacedBy({ ...made, operator: updated, state: "completed" })).toBe(null);
});

test("durations read well at every size", () => {
  expect([-5, 900, 59_000, 60_000, 3_599_000, 11_100_000].map(duration)).toEqual([
    "0 s",
    "1 s",
    "59 s",
    "1 min",
    "59 min",
    "3 h 5 min",
  ]);
});

test("the timing says what a state wants to know", () => {
  const now = START + 300_000;
  expect(timing(QUEUED, now)).toBe("waiting for 5 min");
  expect(timing(RUNNING, now)).toBe("running for 4 min");
  const done: Operation = { ...RUNNING, state: "completed", finished: "2026-01-01T00:03:00Z" };
  expect(timing(done, now)).toBe("took 2 min, 2 min ago");
  // cancelled before it started
  expect(timing({ ...done, state: "failed", started: null }, now)).toBe("2 min ago");
});

test("the bar stays within itself", () => {
  expect(percentDone(QUEUED)).toBe(0);
  expect(percentDone(RUNNING)).toBe(43);
  expect(percentDone({ ...RUNNING, progress: 1.2 })).toBe(100);
  expect(percentDone({ ...RUNNING, state: "completed" })).toBe(100);
});
