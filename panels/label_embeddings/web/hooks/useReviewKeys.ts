import { useState } from "react";
import type { Shortcut } from "../../../app/useShortcuts";
import { PAGE, type Verdicts } from "../parts/ReviewQueue";
import type { Review } from "./useReview";

/** Which label of the queue is looked at, what is said of it, and the keys for it. */
export function useReviewKeys(
  review: Review,
  onOpen: (row: number) => void,
  onClose: () => void,
  undo: () => void,
) {
  const [paged, setPaged] = useState(false);
  const [index, setIndex] = useState(0);
  const [picking, setPicking] = useState(false);
  const { items } = review;
  const current = paged ? Math.max(0, Math.min(index, items.length - 1, PAGE - 1)) : 0;
  const item = items[current];

  const verdicts: Verdicts = {
    right: () => item && review.answer([item], "right"),
    suggested: () => {
      if (item?.suggested) review.answer([item], "wrong class", item.suggested);
      else if (item) setPicking(true);
    },
    pick: () => setPicking(true),
    notAnObject: () => item && review.answer([item], "not an object"),
    skip: () => item && review.answer([item], "skipped"),
    pageIsRight: () => review.answer(items.slice(0, PAGE), "right"),
  };
  const pick = (label: string | null) => {
    setPicking(false);
    if (label !== null && item) review.answer([item], "wrong class", label);
  };
  const keys: Shortcut[] = [
    { key: "y", does: "It is right", run: verdicts.right },
    { key: "w", does: "Wrong class: take the suggestion", run: verdicts.suggested },
    { key: "o", does: "Wrong class: pick another", run: verdicts.pick },
    { key: "n", does: "Not an object", run: verdicts.notAnObject },
    { key: "k", does: "Skip", run: verdicts.skip },
    { key: "z", does: "Undo", run: undo },
    { key: "e", does: "Open the image", run: () => item && onOpen(item.row) },
    { key: "g", does: "One at a time, or a page", run: () => setPaged(!paged) },
    { key: "Esc", does: "Back to the map", run: onClose },
    { key: "q", does: "Back to the map", run: onClose },
  ];
  if (paged)
    keys.push(
      { key: "Y", does: "All of this page are right", run: verdicts.pageIsRight },
      { key: "ArrowLeft", does: "The label before", run: () => setIndex(current - 1) },
      { key: "ArrowRight", does: "The next label", run: () => setIndex(current + 1) },
    );
  return { paged, setPaged, current, setCurrent: setIndex, item, picking, verdicts, pick, keys };
}
