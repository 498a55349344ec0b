import { useState } from "react";
import type { Shortcut } from "../../../app/shortcuts";
import { type Box, nudged } from "../boxes";
import type { Item } from "../wire";

/** The context around a box on each side, as parts of its size, from near to far. */
const MARGINS = [0.15, 0.5, 1, 2.5, 6, 20];
/** An arrow key moves a box by so much of what is seen. */
const STEP = 0.01;

/** The box that a reviewer draws for a label, and how closely it is looked at. */
export function useBoxDraft(item: Item | undefined) {
  const [draft, setDraft] = useState<{ id: string; box: Box } | null>(null);
  const [far, setFar] = useState(2);
  const drawn = draft !== null && draft.id === item?.id ? draft.box : null;
  const margin = MARGINS[far];

  const draw = (box: Box | null) => setDraft(box && item ? { id: item.id, box } : null);
  const zoom = (steps: number) =>
    setFar((now) => Math.max(0, Math.min(MARGINS.length - 1, now + steps)));
  const nudge = (x: number, y: number, sized: boolean) => {
    if (item?.fixed !== null) return;
    const from = drawn ?? item?.suggestedBox ?? item?.box;
    const step = STEP * (1 + 2 * margin);
    if (from) draw(nudged(from, step * x, step * y, sized));
  };

  const arrows: [string, number, number][] = [
    ["ArrowLeft", -1, 0],
    ["ArrowRight", 1, 0],
    ["ArrowUp", 0, -1],
    ["ArrowDown", 0, 1],
  ];
  const keys: Shortcut[] = [
    ...arrows.map(([key, x, y]) => ({
      key,
      does: "Move the box",
      run: () => nudge(x, y, false),
      repeats: true,
    })),
    ...arrows.map(([key, x, y]) => ({
      key: `Shift+${key}`,
      does: "Resize the box",
      run: () => nudge(x, y, true),
      repeats: true,
    })),
    { key: "+", does: "Zoom in", run: () => zoom(-1) },
    { key: "-", does: "Zoom out", run: () => zoom(1) },
  ];
  if (drawn) keys.push({ key: "Esc", does: "Discard the drawn box", run: () => draw(null) });
  return { drawn, draw, margin, zoom, keys };
}

export type BoxDraft = ReturnType<typeof useBoxDraft>;
