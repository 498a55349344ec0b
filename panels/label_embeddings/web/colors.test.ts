import { describe, expect, it } from "vitest";
import { categoryColors, DISTINCT, MISSING, paintRows, parseColor, rampColor } from "./colors";

describe("colors", () => {
  it.each([
    ["#ff8000", [255, 128, 0]],
    ["#f80", [255, 136, 0]],
    ["rgb(1, 2, 3)", [1, 2, 3]],
    ["rgba(1 2 3 / 0.5)", [1, 2, 3]],
    ["hsl(120, 100%, 50%)", [0, 255, 0]],
    ["no color", MISSING],
  ])("reads %s", (text, rgb) => {
    expect(parseColor(text)).toEqual(rgb);
  });

  it("gives the first color to the largest category", () => {
    const colors = categoryColors([5, 1, 9, 3]);
    expect(colors).toEqual([DISTINCT[2], DISTINCT[0], DISTINCT[1]].map(parseColor));
  });

  it("has a color for more categories than the palette", () => {
    const colors = categoryColors(new Uint32Array(501).fill(1));
    expect(colors).toHaveLength(500);
    expect(colors[0]).not.toEqual(colors[DISTINCT.length]);
    expect(colors.every((rgb) => rgb.every((channel) => channel >= 0 && channel <= 255))).toBe(
      true,
    );
  });

  it("goes from dark to light", () => {
    const lightness = [0, 0.5, 1].map((value) => rampColor(value, [0, 1]).reduce((a, b) => a + b));
    expect(lightness).toEqual([...lightness].sort((a, b) => a - b));
    expect(rampColor(7, [0, 1])).toEqual(rampColor(1, [0, 1]));
    expect(rampColor(Number.NaN, [0, 1])).toEqual(MISSING);
  });

  it("paints three bytes of four, and what has no value in gray", () => {
    const looks = new Uint8Array(12).fill(7);
    const codes = Uint16Array.of(1, 0, 2);
    const column = { path: "label", kind: "categorical", codes, categories: ["a", "b"] } as const;
    paintRows(
      looks,
      { ...column, categories: ["a", "b"] },
      [
        [1, 2, 3],
        [4, 5, 6],
      ],
      [0, 1],
    );
    expect([...looks]).toEqual([1, 2, 3, 7, ...MISSING, 7, 4, 5, 6, 7]);
    const values = Float32Array.of(0, Number.NaN, 2);
    paintRows(looks, { path: "c", kind: "continuous", values }, [], [0, 2]);
    expect([...looks.subarray(0, 3)]).toEqual(rampColor(0, [0, 2]));
    expect([...looks.subarray(4, 7)]).toEqual(MISSING);
    expect([...looks.subarray(8, 11)]).toEqual(rampColor(2, [0, 2]));
  });
});
