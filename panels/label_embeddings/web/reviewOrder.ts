// The order of a review, as pure functions: what is asked next, and which classes can be picked.
import type { Item } from "./wire";

export const PAGE = 24;

/** What the buttons and the keys of a review do with the label that is looked at. */
export interface Verdicts {
  right: () => void;
  suggested: () => void;
  pick: () => void;
  notAnObject: () => void;
  skip: () => void;
  pageIsRight: () => void;
}

/**
 * Puts freshly ranked items in place of those that wait. The item under the reviewer's eyes stays
 * where it is, and what was answered meanwhile does not come back.
 */
export function rerank(waiting: Item[], fresh: Item[], answered: ReadonlySet<string>): Item[] {
  const open = fresh.filter(({ id }) => !answered.has(id));
  const [current] = waiting;
  if (!current) return open;
  return [open.find(({ id }) => id === current.id) ?? current, ...without(open, [current])];
}

/** Returns the items but some. */
export function without(items: Item[], some: Item[]): Item[] {
  const gone = new Set(some.map(({ id }) => id));
  return items.filter(({ id }) => !gone.has(id));
}

/**
 * Returns the classes that match a search, those that begin with it first, the suggested one before
 * all. The label's own class is not among them.
 */
export function pickable(classes: string[], item: Item, search: string): string[] {
  const wanted = search.trim().toLowerCase();
  const place = (name: string) =>
    (name === item.suggested ? 0 : 2) + Number(!name.toLowerCase().startsWith(wanted));
  return classes
    .filter((name) => name !== item.label && name.toLowerCase().includes(wanted))
    .sort((a, b) => place(a) - place(b) || a.localeCompare(b));
}

/** Returns the part of the review that is done, by what is expected to be left; in [0, 1]. */
export function partDone(reviewed: number, expected: number): number {
  return reviewed === 0 ? 0 : reviewed / (reviewed + expected);
}
