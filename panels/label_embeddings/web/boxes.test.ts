import { describe, expect, it } from "vitest";
import { between, dragged, inImage, nudged, placeIn } from "./boxes";

const rounded = (numbers: number[]) => numbers.map((number) => Number(number.toFixed(9)));

describe("boxes", () => {
  const box = [0.2, 0.3, 0.4, 0.2];

  it("are dragged by corners and edges, and turn over", () => {
    expect(rounded(dragged(box, [1, 1], [0.1, 0.3]))).toEqual([0.2, 0.3, 0.5, 0.5]);
    expect(rounded(dragged(box, [-1, 0], [-0.1, 0.9]))).toEqual([0.1, 0.3, 0.5, 0.2]);
    expect(rounded(dragged(box, [0, -1], [0.9, 0.1]))).toEqual([0.2, 0.4, 0.4, 0.1]);
    expect(rounded(dragged(box, [1, 0], [-0.5, 0]))).toEqual([0.1, 0.3, 0.1, 0.2]);
  });

  it("are moved and sized by parts of themselves", () => {
    expect(rounded(nudged(box, 0.1, 0, false))).toEqual([0.24, 0.3, 0.4, 0.2]);
    expect(rounded(nudged(box, 0, -0.5, true))).toEqual([0.2, 0.3, 0.4, 0.1]);
  });

  it("are drawn from any corner to any other", () => {
    expect(rounded(between([0.5, 0.1], [0.2, 0.4]))).toEqual([0.2, 0.1, 0.3, 0.3]);
  });

  it("lie in a picture of a part of the image", () => {
    const window = [0, 0.25, 0.5, 0.5];
    expect(placeIn([0.25, 0.25, 0.25, 0.125], window)).toEqual({
      left: "50%",
      top: "0%",
      width: "50%",
      height: "25%",
    });
    expect(rounded(inImage([0.5, 0], window))).toEqual([0.25, 0.25]);
  });
});
