import { useState } from "react";
import type { Shortcut } from "../../../app/shortcuts";
import type { Report } from "../../../app/useReport";
import { rejection } from "../reviewOrder";
import type { Correction, Item, Verdict } from "../wire";
import { useBoxDraft } from "./useBoxDraft";
import type { ReviewQueue } from "./useReviewQueue";

/** How many labels are shown at a time where not one by one. */
export const PAGE = 24;

/** Which label of the queue is looked at, what can be said of it, and the keys for that. */
export function useReviewer(
  { items, answer: giveAnswer }: ReviewQueue,
  onOpen: (row: number, annotate?: boolean) => void,
  report: Report,
) {
  const [paged, setPaged] = useState(false);
  const [index, setIndex] = useState(0);
  const [picking, setPicking] = useState(false);
  const [wholeTracks, setWholeTracks] = useState(true);
  const current = paged ? Math.max(0, Math.min(index, items.length - 1, PAGE - 1)) : 0;
  const item = items[current];

  const draft = useBoxDraft(item);
  const answer = (given: Item[], verdict: Verdict, correction?: Correction) =>
    giveAnswer(given, verdict, wholeTracks, correction);
  const drawn = paged ? null : draft.drawn;
  const isA = (label: string) =>
    item && answer([item], "wrong class", drawn ? { label, box: drawn } : { label });
  const takeBox = () => {
    if (!item) return;
    const box = drawn ?? item.suggestedBox;
    if (item.fixed === null && box) answer([item], "badly placed", { box });
    else
      report.fail(
        item.fixed ??
          `No box is suggested here: ${paged ? "press g, then " : ""}drag a corner or an edge of the label's own box, and press b.`,
      );
  };
  const verdicts = {
    right: () => item && answer([item], "right"),
    suggested: () => {
      if (!item) return;
      if (item.suggested === null) setPicking(true);
      else isA(item.suggested);
    },
    isA,
    takeBox,
    pick: () => setPicking(true),
    reject: () => item && answer([item], rejection(item)),
    skip: () => item && answer([item], "skipped"),
    pageIsRight: () => answer(items.slice(0, PAGE), "right"),
  };
  /** @param label the class that was picked, null for none */
  const pick = (label: string | null) => {
    setPicking(false);
    if (label !== null) isA(label);
  };
  const annotate = () => item && onOpen(item.row, true);
  const togglePaged = () => setPaged(!paged);
  const toggleTracks = () => setWholeTracks(!wholeTracks);
  const keys: Shortcut[] = [
    { key: "y", does: "It is right", run: verdicts.right },
    { key: "w", does: "Wrong class: take the suggestion", run: verdicts.suggested },
    ...["likeliest", "second likeliest", "third likeliest"].map((which, place) => ({
      key: String(place + 1),
      does: `Wrong class: take the ${which} one`,
      run: () => {
        const label = item?.suggestions[place];
        if (label !== undefined) isA(label);
      },
    })),
    { key: "o", does: "Wrong class: pick another", run: verdicts.pick },
    { key: "b", does: "Badly placed: take the drawn or the suggested box", run: takeBox },
    { key: "n", does: "Not an object, or not needed", run: verdicts.reject },
    { key: "k", does: "Skip", run: verdicts.skip },
    { key: "e", does: "Open the image", run: () => item && onOpen(item.row) },
    { key: "E", does: "Annotate the image in FiftyOne", run: annotate },
    { key: "g", does: "One at a time, or a page", run: togglePaged },
  ];
  if (items.some(({ along }) => along > 0))
    keys.push({ key: "t", does: "Answer for all of a track, or one label", run: toggleTracks });
  if (paged)
    keys.push(
      { key: "Y", does: "All on this page are right", run: verdicts.pageIsRight },
      { key: "ArrowLeft", does: "Previous label", run: () => setIndex(current - 1), repeats: true },
      { key: "ArrowRight", does: "Next label", run: () => setIndex(current + 1), repeats: true },
    );
  else keys.push(...draft.keys);
  const tracks = { wholeTracks, toggleTracks };
  return {
    ...{ paged, togglePaged, current, setIndex, item, picking, draft, verdicts, pick, keys },
    ...{ annotate, ...tracks },
  };
}

export type Reviewer = ReturnType<typeof useReviewer>;
/** What the buttons and the keys of a review do with the label that is looked at. */
export type Verdicts = Reviewer["verdicts"];
