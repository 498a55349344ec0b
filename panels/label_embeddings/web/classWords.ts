// What is said of pairs of classes.
import type { SimilarClasses } from "./wire";

/** All labels of a class that are to become another one. */
export interface Merge {
  field: string;
  label: string;
  into: string;
  labels: number;
}

/** What a person is asked before two classes are merged. */
export function mergeQuestion({ field, label, into, labels }: Merge): string {
  const what = labels === 1 ? "the one label" : `all ${labels.toLocaleString()} labels`;
  return `Rename ${what} '${label}' in '${field}' to '${into}'? This affects the whole dataset, whatever the App shows, but approved labels keep their class. You can undo it.`;
}

/** What makes two classes alike: their names, their look, or both. */
export function reasonOf({ reason, mixing }: Pick<SimilarClasses, "reason" | "mixing">): string {
  return mixing !== null && reason !== "look alike" ? `${reason}, look alike` : reason;
}
