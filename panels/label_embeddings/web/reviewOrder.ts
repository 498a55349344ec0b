// A review, as pure functions: what is asked next, and which answers and classes are offered.
import type { Item, Verdict } from "./wire";

/** Names a question: a label that an audit asks about twice is two. */
export function questionOf({ id, again }: Item): string {
  return again ? `${id} again` : id;
}

/**
 * Puts freshly ranked items in place of those that wait. The item under the reviewer's eyes stays
 * where it is, and what was answered meanwhile does not come back.
 */
export function rerank(waiting: Item[], fresh: Item[], answered: ReadonlySet<string>): Item[] {
  const open = fresh.filter((item) => !answered.has(questionOf(item)));
  const [current] = waiting;
  if (!current) return open;
  const now = open.find((item) => questionOf(item) === questionOf(current)) ?? current;
  return [now, ...without(open, [current])];
}

/** Returns the items but some. */
export function without(items: Item[], some: Item[]): Item[] {
  const gone = new Set(some.map(questionOf));
  return items.filter((item) => !gone.has(questionOf(item)));
}

/**
 * Returns the classes that match a search, those that begin with it first, the suggested ones before
 * all, the likeliest first. The label's own class is not among them.
 */
export function pickable(classes: string[], item: Item, search: string): string[] {
  const wanted = search.trim().toLowerCase();
  const likely = new Map(item.suggestions.map((name, place) => [name, place]));
  const place = (name: string) =>
    2 * (likely.get(name) ?? likely.size) + Number(!name.toLowerCase().startsWith(wanted));
  return classes
    .filter((name) => name !== item.label && name.toLowerCase().includes(wanted))
    .sort((a, b) => place(a) - place(b) || a.localeCompare(b));
}

/** How many labels have some answers: of a track, those that the same is asked of, too; of a skip none. */
export function answeredBy(given: Item[], verdict: Verdict, wholeTracks: boolean): number {
  if (verdict === "skipped") return 0;
  const along = wholeTracks && verdict !== "badly placed";
  return given.reduce((all, item) => all + 1 + (along ? item.along : 0), 0);
}

const MOST_LISTED = 100;

/**
 * Returns the classes to choose from while one is typed, a new one too. First comes what was typed,
 * so that Enter takes it and not a longer name that begins alike.
 */
export function offered(classes: string[], item: Item, search: string): string[] {
  const typed = search.trim();
  const found = pickable(classes, item, typed);
  if (!typed || typed === item.label) return found.slice(0, MOST_LISTED);
  const alike = (name: string) => name.trim().toLowerCase() === typed.toLowerCase();
  const same = found.filter(alike).sort((a, b) => Number(b === typed) - Number(a === typed));
  const others = found.filter((name) => !alike(name)).slice(0, MOST_LISTED);
  if (same.length === 0) return [typed, ...others];
  return [...same, ...others, ...(same[0] === typed ? [] : [typed])];
}

/** Returns the part of the review that is done, by what is expected to be left; in [0, 1]. */
export function partDone(reviewed: number, expected: number): number {
  return reviewed === 0 ? 0 : reviewed / (reviewed + expected);
}

/** Returns what is said of a label that goes: there is nothing, or another label shows it. */
export function rejection({ needless }: Item): Verdict {
  return needless ? "not needed" : "not an object";
}

/** Returns the answer that a label most likely has, null where none of them says what is wrong. */
export function likelyVerdict(item: Item): Verdict | null {
  switch (item.issue) {
    case "mislabeled":
      return item.suggested === null ? "right" : "wrong class";
    case "misplaced":
      if (item.needless) return rejection(item);
      return item.suggestedBox && item.fixed === null ? "badly placed" : null;
    case "spurious":
    case "duplicate":
      return rejection(item);
    case null:
      // what the review has learned since may speak against it
      return item.suspicion < 0.5 ? "right" : null;
    default:
      return "right";
  }
}

/** Returns a class as it is read: one without a name would not be seen. */
export function named(label: string | null): string {
  return label === null ? "no label" : label || "''";
}
