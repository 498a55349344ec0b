// Sets of rows, as masks: one byte a row, 1 for those in it.

export type Rows = Uint8Array;

export function noRows(length: number): Rows {
  return new Uint8Array(length);
}

export function rowsOf(length: number, indices: Iterable<number>): Rows {
  const rows = noRows(length);
  for (const index of indices) if (index >= 0 && index < length) rows[index] = 1;
  return rows;
}

export function countRows(rows: Rows): number {
  let count = 0;
  for (let i = 0; i < rows.length; i++) count += rows[i];
  return count;
}

/** The first `limit` rows of a set, ascending. */
export function indicesOf(rows: ArrayLike<number>, limit = Number.POSITIVE_INFINITY): number[] {
  const indices: number[] = [];
  for (let i = 0; i < rows.length && indices.length < limit; i++) if (rows[i]) indices.push(i);
  return indices;
}

/** What a gesture does with what was selected before. */
export type Combine = "replace" | "add" | "remove" | "intersect";

export function combineRows(before: Rows, gesture: Rows, how: Combine): Rows {
  if (how === "replace") return gesture;
  const rows = new Uint8Array(before.length);
  for (let i = 0; i < rows.length; i++) {
    if (how === "add") rows[i] = before[i] | gesture[i];
    else if (how === "remove") rows[i] = before[i] & (gesture[i] ^ 1);
    else rows[i] = before[i] & gesture[i];
  }
  return rows;
}

/** The rows of `within` (all, for null) that are not in `rows`. */
export function invertRows(rows: Rows, within: Rows | null): Rows {
  const inverted = new Uint8Array(rows.length);
  for (let i = 0; i < rows.length; i++) inverted[i] = (rows[i] ^ 1) & (within ? within[i] : 1);
  return inverted;
}

/** The rows in every mask that is not null; null where there is none. */
export function everyRows(masks: (Rows | null)[]): Rows | null {
  const given = masks.filter((mask): mask is Rows => mask !== null);
  if (given.length <= 1) return given[0] ?? null;
  return given.reduce((all, mask) => combineRows(all, mask, "intersect"));
}

/** How many rows are selected, in words; those that are seen, unless none is. */
export function saySelected(selected: Rows, seen: Rows): string {
  const all = countRows(selected);
  const some = countRows(seen);
  return some || !all
    ? `${some.toLocaleString()} selected`
    : `${all.toLocaleString()} selected, none in view`;
}

/** Says what to do where none of the selected rows is drawn; null where any is. */
export function sayUnseen(selected: Rows, drawn: Rows | null): string | null {
  const all = countRows(selected);
  if (all === 0 || drawn === null || countRows(combineRows(selected, drawn, "intersect")))
    return null;
  const [are, of] = all === 1 ? ["is", "it"] : ["are", "any of them"];
  return `${all.toLocaleString()} ${are} selected, and the view does not show ${of}: clear the view and the sidebar's filters, and show again what is hidden in the map's lists.`;
}
