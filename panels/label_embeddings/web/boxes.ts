// Boxes as pure functions: drawn, dragged and moved. All are x, y, width and height, relative to an
// image, unless they say otherwise.

export type Box = number[];

/** Which sides of a box a handle moves: -1 for the left or upper one, 1 for the other, 0 for none. */
export type Handle = [x: -1 | 0 | 1, y: -1 | 0 | 1];

/** The corners and edges of a box. */
export const HANDLES: Handle[] = [
  [-1, -1],
  [0, -1],
  [1, -1],
  [-1, 0],
  [1, 0],
  [-1, 1],
  [0, 1],
  [1, 1],
];

/** Returns the box between two points, whichever corners they are. */
export function between([ax, ay]: number[], [bx, by]: number[]): Box {
  return [Math.min(ax, bx), Math.min(ay, by), Math.abs(ax - bx), Math.abs(ay - by)];
}

/** Returns a box whose corner or edge went that far; dragged over the other one, it turns. */
export function dragged([x, y, width, height]: Box, [h, v]: Handle, [dx, dy]: number[]): Box {
  const fixed = [h === -1 ? x + width : x, v === -1 ? y + height : y];
  const loose = [h === -1 ? x + dx : x + width + h * dx, v === -1 ? y + dy : y + height + v * dy];
  return between(fixed, loose);
}

/**
 * Returns a box that is moved by parts of itself.
 *
 * @param sized whether its right and lower edge move alone
 */
export function nudged([x, y, width, height]: Box, dx: number, dy: number, sized: boolean): Box {
  const [right, down] = [dx * width, dy * height];
  return sized ? [x, y, width + right, height + down] : [x + right, y + down, width, height];
}

/** Returns a point of a picture, in parts of it, as a point of the image of which it shows a part. */
export function inImage([px, py]: number[], [x, y, width, height]: Box): number[] {
  return [x + px * width, y + py * height];
}

/** Returns where a box lies in the picture of a part of its image, in percent. */
export function placeIn([x, y, width, height]: Box, [left, top, wide, high]: Box) {
  const percent = (part: number) => `${100 * part}%`;
  return {
    left: percent((x - left) / wide),
    top: percent((y - top) / high),
    width: percent(width / wide),
    height: percent(height / high),
  };
}
