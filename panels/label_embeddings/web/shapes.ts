// Shapes of labels as data of SVG paths, in a picture that is 1 wide and 1 high.
import type { Shape } from "./wire";

type Point = number[];

/** Returns the path of a shape's lines. */
export function linePath({ lines, closed }: Pick<Shape, "lines" | "closed">): string {
  const end = closed ? "Z" : "";
  return lines.map((line) => `M${line.map(written).join("L")}${end}`).join("");
}

/** Returns a path that its stroke makes a dot of at each point: lines without a length. */
export function dotPath(points: Point[]): string {
  return points.map((point) => `M${written(point)}h0`).join("");
}

function written([x, y]: Point): string {
  return `${x} ${y}`;
}
