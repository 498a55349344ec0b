import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Polling } from "./polling";

/** As much of a page as can be hidden and seen. */
class Page extends EventTarget {
  visibilityState: "visible" | "hidden" = "visible";

  show(visibilityState: "visible" | "hidden") {
    this.visibilityState = visibilityState;
    this.dispatchEvent(new Event("visibilitychange"));
  }
}

describe("polling", () => {
  const page = new Page();
  let running = true;
  const ask = vi.fn(async () => running);
  const on = { answer: vi.fn(), problem: vi.fn() };
  const pauseAfter = (answer: boolean) => (answer ? 2_000 : 10_000);
  let polling: Polling<boolean>;

  beforeEach(() => {
    vi.useFakeTimers();
    vi.stubGlobal("document", page);
    vi.clearAllMocks();
    page.visibilityState = "visible";
    running = true;
    ask.mockImplementation(async () => running);
    polling = new Polling(ask, pauseAfter, on, 10_000);
  });
  afterEach(() => {
    polling.end();
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });

  it("asks often while something runs, and seldom when nothing does", async () => {
    await polling.now();
    await vi.advanceTimersByTimeAsync(6_000);
    expect(ask).toHaveBeenCalledTimes(4);
    running = false;
    await vi.advanceTimersByTimeAsync(2_000);
    expect(ask).toHaveBeenCalledTimes(5);
    await vi.advanceTimersByTimeAsync(9_999);
    expect(ask).toHaveBeenCalledTimes(5);
    await vi.advanceTimersByTimeAsync(1);
    expect(ask).toHaveBeenCalledTimes(6);
  });

  it("asks nothing in a hidden tab, and at once when it is seen again", async () => {
    await polling.now();
    page.show("hidden");
    await vi.advanceTimersByTimeAsync(600_000);
    expect(ask).toHaveBeenCalledTimes(1);
    page.show("visible");
    expect(ask).toHaveBeenCalledTimes(2);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(ask).toHaveBeenCalledTimes(3);
  });

  it("does not ask before its time because a tab was hidden for a moment", async () => {
    await polling.now();
    page.show("hidden");
    page.show("visible");
    expect(ask).toHaveBeenCalledTimes(1);
  });

  it("asks once more after a failure, and says what failed", async () => {
    ask.mockRejectedValueOnce(new Error("no server"));
    await polling.now();
    expect(on.problem).toHaveBeenCalledWith(new Error("no server"));
    await vi.advanceTimersByTimeAsync(10_000);
    expect(on.answer).toHaveBeenCalledOnce();
  });

  it("stops where there is nothing to wait for", async () => {
    const once = new Polling(ask, () => null, on);
    await once.now();
    await vi.advanceTimersByTimeAsync(600_000);
    expect(ask).toHaveBeenCalledTimes(1);
    once.end();
  });

  it("drops what is answered after its end, and the older of two answers", async () => {
    const answers: ((running: boolean) => void)[] = [];
    ask.mockImplementation(() => new Promise((resolve) => answers.push(resolve)));
    polling.now();
    polling.now();
    answers[1](false);
    answers[0](true);
    await vi.advanceTimersByTimeAsync(0);
    expect(on.answer.mock.calls).toEqual([[false]]);
    polling.now();
    polling.end();
    answers[2](true);
    await vi.advanceTimersByTimeAsync(600_000);
    expect(on.answer).toHaveBeenCalledTimes(1);
    expect(ask).toHaveBeenCalledTimes(3);
  });
});
