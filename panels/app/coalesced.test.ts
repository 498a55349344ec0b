import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { coalesced } from "./coalesced";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

it("acts at once, and once more after a row", () => {
  const act = vi.fn();
  const asked = coalesced(act, 3_000);
  asked();
  expect(act).toHaveBeenCalledTimes(1);
  for (let answers = 0; answers < 20; answers++) {
    vi.advanceTimersByTime(1_000);
    asked();
  }
  expect(act).toHaveBeenCalledTimes(1);
  vi.advanceTimersByTime(3_000);
  expect(act).toHaveBeenCalledTimes(2);
  vi.advanceTimersByTime(60_000);
  expect(act).toHaveBeenCalledTimes(2);
});

it("acts at once each time where there is no row", () => {
  const act = vi.fn();
  const asked = coalesced(act, 3_000);
  for (let clicks = 1; clicks <= 3; clicks++) {
    asked();
    expect(act).toHaveBeenCalledTimes(clicks);
    vi.advanceTimersByTime(3_000);
  }
  expect(act).toHaveBeenCalledTimes(3);
});
