// What a confidence range and ticked classes come to, told from counts at hand: the database is not
// asked while a handle moves.
import type { Review, Selection } from "./wire";

/** Two edges by their places, both inclusive. */
export type EdgeRange = [number, number];

/** The columns of a class: one on each edge, one between each two, one below and above all, and one
 * for labels without a confidence. */
export function columnsOf(review: Review): number {
  return 2 * review.edges.length + 2;
}

/** The range that is no restriction. */
export function wholeRange(review: Review): EdgeRange {
  return [0, review.edges.length - 1];
}

/** The place of the edge nearest to a confidence. */
export function nearestEdge(review: Review, confidence: number): number {
  const last = review.edges.length - 1;
  const [least, most] = [review.edges[0], review.edges[last]];
  return Math.min(last, Math.max(0, Math.round(((confidence - least) / (most - least)) * last)));
}

/** What Python is asked for a range and classes: no bound at an end, no list where all are ticked. */
export function selectionOf(
  review: Review,
  [low, high]: EdgeRange,
  ticked: Set<number>,
): Selection {
  const last = review.edges.length - 1;
  const all = review.classes.every((_, row) => ticked.has(row));
  return {
    low: low === 0 ? null : review.edges[low],
    high: high === last ? null : review.edges[high],
    classes: all ? null : review.classes.filter((_, row) => ticked.has(row)),
  };
}

/** Counts the open labels of a class within a range, exactly as Python finds them. */
export function countWithin(review: Review, row: number, [low, high]: EdgeRange): number {
  const columns = columnsOf(review);
  const last = review.edges.length - 1;
  const whole = low === 0 && high === last;
  const from = low === 0 ? 0 : 2 * low + 1;
  const to = whole ? columns - 1 : high === last ? columns - 2 : 2 * high + 1;
  let sum = 0;
  for (let column = from; column <= to; column++) sum += review.open[row * columns + column];
  return sum;
}

/** Counts the open labels of the ticked classes within a range. */
export function countSelected(review: Review, range: EdgeRange, ticked: Set<number>): number {
  let sum = 0;
  for (const row of ticked) if (row < review.classes.length) sum += countWithin(review, row, range);
  return sum;
}

/** The open labels of the ticked classes in each bin between two edges; what lies outside of all
 * edges is in the first or last. */
export function histogramOf(review: Review, ticked: Set<number>): Uint32Array {
  const columns = columnsOf(review);
  const bins = review.edges.length - 1;
  const counts = new Uint32Array(bins);
  for (const row of ticked) {
    if (row >= review.classes.length) continue;
    for (let column = 0; column < columns - 1; column++) {
      const bin = Math.min(bins - 1, Math.max(0, Math.ceil(column / 2) - 1));
      counts[bin] += review.open[row * columns + column];
    }
  }
  return counts;
}

/** The ticked classes after a review was read anew: those of the same names, and new ones. */
export function tickedAgain(
  before: Review | null,
  ticked: Set<number>,
  after: Review,
): Set<number> {
  const unticked = new Set(before?.classes.filter((_, row) => !ticked.has(row)));
  return new Set(after.classes.flatMap((name, row) => (unticked.has(name) ? [] : [row])));
}

/** The places of values in order; those without a value come last either way. */
export function placesInOrder(values: (number | string | null)[], descending: boolean): number[] {
  const sign = descending ? -1 : 1;
  return [...values.keys()].sort((a, b) => {
    const [one, other] = [values[a], values[b]];
    if (one === null || other === null) return Number(one === null) - Number(other === null);
    if (typeof one === "string") return sign * one.localeCompare(String(other));
    return sign * (one - Number(other));
  });
}
