import { describe, expect, it } from "vitest";
import { fileOf, refusal } from "./images";

describe("images that are handed over", () => {
  const file = (bytes: number) => ({ size: bytes }) as File;

  it("are the first file that was dropped or pasted", () => {
    const transfer = (files: File[]) => ({ files }) as unknown as DataTransfer;
    const [first, second] = [file(1), file(2)];
    expect(fileOf(transfer([first, second]))).toBe(first);
    expect(fileOf(transfer([]))).toBeNull();
    expect(fileOf(null)).toBeNull();
  });

  it("are refused before they travel where they are too large", () => {
    expect(refusal(file(20_000_000), 20_000_000)).toBeNull();
    expect(refusal(file(200_000_001), 20_000_000)).toBe(
      "The file has 201 MB, and an image can have 20 MB at most: make it smaller.",
    );
    expect(refusal(file(0), 20_000_000)).toContain("empty");
  });
});
