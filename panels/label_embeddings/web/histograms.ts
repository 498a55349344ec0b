// Counts and histograms of columns, over all rows or some.
import type { Rows } from "./rows";
import type { ColorColumn } from "./wire";

/** Counts the rows of each code, 0 being those without a category. */
export function countCodes(codes: ArrayLike<number>, numCodes: number, rows: Rows | null) {
  const counts = new Uint32Array(numCodes);
  for (let i = 0; i < codes.length; i++) if (rows === null || rows[i]) counts[codes[i]]++;
  return counts;
}

/** Counts all rows of each code of a column, null where it has no categories. */
export function countsOf(column: ColorColumn | null): Uint32Array | null {
  return column?.kind === "categorical"
    ? countCodes(column.codes, column.categories.length + 1, null)
    : null;
}

/** Returns the least and greatest number, ignoring NaN; [0, 1] where there is none. */
export function spanOf(values: ArrayLike<number>): [number, number] {
  let least = Number.POSITIVE_INFINITY;
  let most = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < values.length; i++) {
    if (values[i] < least) least = values[i];
    if (values[i] > most) most = values[i];
  }
  return least <= most ? [least, most] : [0, 1];
}

/** Returns the bin of a value among `bins` equal ones of a span; -1 for NaN or outside. */
export function binOf(value: number, [least, most]: [number, number], bins: number): number {
  if (!(value >= least && value <= most)) return -1;
  if (most === least) return 0;
  return Math.min(bins - 1, Math.floor(((value - least) / (most - least)) * bins));
}

/** Counts the rows in each of `bins` equal bins of a span. */
export function histogram(
  values: ArrayLike<number>,
  span: [number, number],
  bins: number,
  rows: Rows | null,
): Uint32Array {
  const counts = new Uint32Array(bins);
  for (let i = 0; i < values.length; i++) {
    if (rows !== null && !rows[i]) continue;
    const bin = binOf(values[i], span, bins);
    if (bin >= 0) counts[bin]++;
  }
  return counts;
}
