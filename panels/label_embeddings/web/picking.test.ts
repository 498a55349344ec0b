import { describe, expect, it } from "vitest";
import {
  boxPolygon,
  countCells,
  nearestRow,
  type Projected,
  pixelOfRow,
  rowsInPolygon,
} from "./picking";
import { indicesOf, rowsOf } from "./rows";

const IDENTITY = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];

// the map's -1..1 is all of a canvas of 100 x 100 pixels; y goes up in it, and down in pixels
const map = (points: number[], more: Partial<Projected> = {}): Projected => ({
  points: Float32Array.from(points),
  dims: 2,
  matrix: IDENTITY,
  width: 100,
  height: 100,
  visible: null,
  ...more,
});

describe("picking", () => {
  const corners = map([-0.9, 0.9, 0.9, 0.9, 0.9, -0.9, 0, 0]);

  it("says where a row is drawn", () => {
    const { x, y } = pixelOfRow(corners, 0);
    expect([x, y]).toEqual([expect.closeTo(5, 4), expect.closeTo(5, 4)]);
  });

  it("finds the nearest row within reach", () => {
    expect(nearestRow(corners, { x: 52, y: 47 }, 9)).toBe(3);
    expect(nearestRow(corners, { x: 30, y: 30 }, 9)).toBeNull();
    expect(nearestRow({ ...corners, visible: rowsOf(4, [0]) }, { x: 50, y: 50 }, 9)).toBeNull();
  });

  it("finds the rows within a lasso and leaves out hidden ones", () => {
    const lasso = [
      { x: 0, y: 0 },
      { x: 100, y: 0 },
      { x: 100, y: 10 },
      { x: 0, y: 60 },
    ];
    expect(indicesOf(rowsInPolygon(corners, lasso))).toEqual([0, 1]);
    const some = { ...corners, visible: rowsOf(4, [1, 2]) };
    expect(indicesOf(rowsInPolygon(some, lasso))).toEqual([1]);
    expect(indicesOf(rowsInPolygon(corners, lasso.slice(2)))).toEqual([]);
  });

  it("treats a hole as outside", () => {
    const ring = [
      ...boxPolygon({ x: 0, y: 0 }, { x: 100, y: 100 }),
      { x: 0, y: 0 },
      ...boxPolygon({ x: 30, y: 30 }, { x: 70, y: 70 }),
      { x: 30, y: 30 },
    ];
    expect(indicesOf(rowsInPolygon(corners, ring))).toEqual([0, 1, 2]);
  });

  it("divides by the depth in three dimensions, and sees nothing behind the camera", () => {
    // w = -z: what is twice as far is half as far from the middle
    const perspective = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, -1, 0, 0, 0, 0];
    const space = map([1, 0, -2, 1, 0, 2], { dims: 3, matrix: perspective });
    expect(pixelOfRow(space, 0).x).toBeCloseTo(75);
    expect(indicesOf(rowsInPolygon(space, boxPolygon({ x: 0, y: 0 }, { x: 100, y: 100 })))).toEqual(
      [0],
    );
  });

  it("counts what is drawn in each cell", () => {
    const { counts, columns, lines } = countCells(corners, 50);
    expect([columns, lines, ...counts]).toEqual([2, 2, 1, 1, 0, 2]);
  });
});
