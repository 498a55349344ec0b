// Which points lie under the pointer or within a lasso, in pixels of the map. Both look at every
// point: a million take some milliseconds, less than a redraw, and no index has to be built first.
import type { Rows } from "./rows";

/** Points in the map's space and the camera that shows them. */
export interface Projected {
  /** (n * dims) float32, row by row */
  points: Float32Array;
  dims: 2 | 3;
  /** column-major 4 x 4 matrix from the map's space to clip space, as WebGL has it */
  matrix: ArrayLike<number>;
  width: number;
  height: number;
  /** the rows that are drawn, null for all */
  visible: Rows | null;
}

export interface Pixel {
  x: number;
  y: number;
}

/** Returns the visible row nearest to a pixel, or null where none is within `radius` pixels. */
export function nearestRow(map: Projected, at: Pixel, radius: number): number | null {
  let nearest: number | null = null;
  let least = radius * radius;
  eachPixel(map, (row, x, y) => {
    const distance = (x - at.x) ** 2 + (y - at.y) ** 2;
    if (distance <= least) {
      least = distance;
      nearest = row;
    }
  });
  return nearest;
}

/** Returns the visible rows within a polygon of pixels (even-odd rule, closed by itself). */
export function rowsInPolygon(map: Projected, polygon: Pixel[]): Rows {
  const rows = new Uint8Array(map.points.length / map.dims);
  if (polygon.length < 3) return rows;
  const xs = Float64Array.from(polygon, (p) => p.x);
  const ys = Float64Array.from(polygon, (p) => p.y);
  const left = xs.reduce((a, b) => Math.min(a, b));
  const right = xs.reduce((a, b) => Math.max(a, b));
  const top = ys.reduce((a, b) => Math.min(a, b));
  const bottom = ys.reduce((a, b) => Math.max(a, b));
  eachPixel(map, (row, x, y) => {
    if (x < left || x > right || y < top || y > bottom) return;
    let inside = false;
    for (let i = 0, j = xs.length - 1; i < xs.length; j = i++) {
      const crosses = ys[i] > y !== ys[j] > y;
      if (crosses && x < ((xs[j] - xs[i]) * (y - ys[i])) / (ys[j] - ys[i]) + xs[i])
        inside = !inside;
    }
    if (inside) rows[row] = 1;
  });
  return rows;
}

/** The four corners of a box between two pixels. */
export function boxPolygon(a: Pixel, b: Pixel): Pixel[] {
  return [
    { x: a.x, y: a.y },
    { x: b.x, y: a.y },
    { x: b.x, y: b.y },
    { x: a.x, y: b.y },
  ];
}

/** Counts the visible points in cells of `cell` pixels, row by row from the top left. */
export function countCells(map: Projected, cell: number) {
  const columns = Math.max(1, Math.ceil(map.width / cell));
  const lines = Math.max(1, Math.ceil(map.height / cell));
  const counts = new Uint32Array(columns * lines);
  eachPixel(map, (_row, x, y) => {
    if (x >= 0 && y >= 0 && x < map.width && y < map.height)
      counts[Math.floor(y / cell) * columns + Math.floor(x / cell)]++;
  });
  return { counts, columns, lines };
}

/** Returns where a row is drawn; far outside where it is behind the camera. */
export function pixelOfRow(map: Projected, row: number): Pixel {
  const { points, dims } = map;
  let pixel: Pixel = { x: -1e6, y: -1e6 };
  const one = { ...map, points: points.subarray(row * dims, (row + 1) * dims), visible: null };
  eachPixel(one, (_row, x, y) => {
    pixel = { x, y };
  });
  return pixel;
}

function eachPixel(map: Projected, visit: (row: number, x: number, y: number) => void): void {
  const { points, dims, matrix: m, visible } = map;
  const halfWidth = map.width / 2;
  const halfHeight = map.height / 2;
  const length = points.length / dims;
  for (let row = 0; row < length; row++) {
    if (visible !== null && visible[row] === 0) continue;
    const x = points[row * dims];
    const y = points[row * dims + 1];
    const z = dims === 3 ? points[row * dims + 2] : 0;
    const w = m[3] * x + m[7] * y + m[11] * z + m[15];
    if (w <= 0) continue; // behind the camera
    const clipX = (m[0] * x + m[4] * y + m[8] * z + m[12]) / w;
    const clipY = (m[1] * x + m[5] * y + m[9] * z + m[13]) / w;
    visit(row, halfWidth * (1 + clipX), halfHeight * (1 - clipY));
  }
}
