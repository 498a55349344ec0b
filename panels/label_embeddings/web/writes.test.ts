import { expect, it } from "vitest";
import { Writes } from "./writes";

/** A promise that is settled from outside. */
function later<Value>() {
  let settle: (value: Value) => void = () => {};
  const promise = new Promise<Value>((resolve) => {
    settle = resolve;
  });
  return { promise, settle };
}

it("tells an answer that no write overlapped from one that may know of half of them", async () => {
  const writes = new Writes();
  const ask = () => Promise.resolve(7);
  expect(await writes.around(ask)).toEqual({ answer: 7, quiet: true });

  const write = later<void>();
  const written = writes.follow(write.promise);
  expect((await writes.around(ask)).quiet).toBe(false);
  const begunBefore = later<number>();
  const during = writes.around(() => begunBefore.promise);
  write.settle();
  await written;
  begunBefore.settle(7);
  expect((await during).quiet).toBe(false);
  expect((await writes.around(ask)).quiet).toBe(true);

  // a write that begins and ends while the question waits
  const slow = later<number>();
  const asked = writes.around(() => slow.promise);
  await writes.follow(Promise.resolve());
  slow.settle(7);
  expect((await asked).quiet).toBe(false);
});

it("follows a write that fails to its end", async () => {
  const writes = new Writes();
  await expect(writes.follow(Promise.reject(new Error("refused")))).rejects.toThrow("refused");
  expect((await writes.around(() => Promise.resolve())).quiet).toBe(true);
});
