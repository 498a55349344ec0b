// The sidebar's filters are the only state of what the legend hides and what range is set: the
// panel reads them and writes them back, so neither can differ from the other.
import type { Filters } from "@fiftyone/state";
import type { Range } from "../../app/range";
import type { Rows } from "./rows";
import type { Attribute, ColorColumn } from "./wire";

export type Filter = Record<string, unknown>;

/** The categories of a boolean attribute, as Python names them. */
const TRUE = "True";
const FALSE = "False";

/** Returns the hidden categories under a filter of the App, which lists those shown or excluded. */
export function hiddenCategories(filter: Filter | undefined, categories: string[]): Set<string> {
  if (typeof filter?.true === "boolean" || typeof filter?.false === "boolean") {
    // with neither ticked, the App shows what has no value
    return new Set(categories.filter((category) => !filter[category === TRUE ? "true" : "false"]));
  }
  const values = filter?.values;
  if (!Array.isArray(values) || values.length === 0) return new Set();
  const listed = new Set(values);
  const excluding = Boolean(filter?.exclude);
  return new Set(categories.filter((category) => listed.has(category) === excluding));
}

/** Returns the filter that hides some categories of an attribute; null hides nothing. */
export function filterHiding(
  hidden: Set<string>,
  categories: string[],
  kind: Attribute["kind"],
): Filter | null {
  if (hidden.size === 0) return null;
  if (kind === "boolean") {
    const shows = (category: string) => categories.includes(category) && !hidden.has(category);
    return {
      true: shows(TRUE),
      false: shows(FALSE),
      none: false,
      exclude: false,
      isMatching: false,
    };
  }
  const shown = categories.filter((category) => !hidden.has(category));
  // the shorter list of the two; with nothing left to show, all are excluded
  const exclude = shown.length === 0 || hidden.size < shown.length;
  return { values: exclude ? [...hidden] : shown, exclude, isMatching: false };
}

/** Returns the rows whose category is not hidden, and those that have none; null for all. */
export function rowsNotHidden(column: ColorColumn | null, hidden: Set<string>): Rows | null {
  if (hidden.size === 0 || column?.kind !== "categorical") return null;
  const keep = Uint8Array.from([1, ...column.categories.map((c) => Number(!hidden.has(c)))]);
  return Uint8Array.from(column.codes, (code) => keep[code]);
}

/** Hides a shown category, or shows a hidden one. */
export function toggleCategory(hidden: Set<string>, category: string): Set<string> {
  const next = new Set(hidden);
  if (!next.delete(category)) next.add(category);
  return next;
}

/** Shows one category alone; where it is alone already, shows all again. */
export function isolateCategory(
  hidden: Set<string>,
  category: string,
  categories: string[],
): Set<string> {
  const alone = hidden.size === categories.length - 1 && !hidden.has(category);
  return alone ? new Set() : new Set(categories.filter((other) => other !== category));
}

/** Returns the range of a filter of the App, cut to what the values span. */
export function rangeOf(filter: Filter | undefined, [least, most]: Range): Range {
  const range = filter?.range as [number | null, number | null] | undefined;
  const cut = (end: number) => Math.min(Math.max(end, least), most);
  return [cut(range?.[0] ?? least), cut(range?.[1] ?? most)];
}

/** What a number may lose where it is kept in 32 bits, as a part of it. */
const FLOAT32 = 2 ** -23;

/**
 * Returns the filter of a range; null where it is all that the values span. The database has them in
 * 64 bits, so an end that was left alone lies a little beyond the outermost value here.
 */
export function filterRange([low, high]: Range, [least, most]: Range): Filter | null {
  if (low <= least && high >= most) return null;
  const range = [
    low <= least ? least - Math.abs(least) * FLOAT32 : low,
    high >= most ? most + Math.abs(most) * FLOAT32 : high,
  ];
  return { range, exclude: false, isMatching: false, none: false };
}

/** Returns the filters with one replaced, or removed for null. */
export function withFilter(filters: Filters, path: string, filter: Filter | null): Filters {
  const { [path]: _, ...others } = filters;
  return filter ? { ...others, [path]: filter } : others;
}

/**
 * Returns the rows that pass a filter of the App as far as it can be told here, at once, before
 * Python has asked the database; null where it cannot.
 */
export function rowsPassing(column: ColorColumn, filter: Filter | undefined): Rows | null {
  if (!filter) return null;
  if (column.kind === "categorical") {
    const hidden = hiddenCategories(filter, column.categories);
    if (hidden.size === 0) return null;
    const shownCode = Uint8Array.from([0, ...column.categories.map((c) => Number(!hidden.has(c)))]);
    // what has no category passes a list of exclusions only
    shownCode[0] = Number(Boolean(filter.exclude));
    return Uint8Array.from(column.codes, (code) => shownCode[code]);
  }
  const { range, exclude } = filter as {
    range?: [number | null, number | null];
    exclude?: boolean;
  };
  if (!range || exclude) return null;
  const [low, high] = [range[0] ?? Number.NEGATIVE_INFINITY, range[1] ?? Number.POSITIVE_INFINITY];
  const none = filter.none === false ? 0 : 1;
  return Uint8Array.from(column.values, (value) =>
    Number.isNaN(value) ? none : Number(value >= low && value <= high),
  );
}
