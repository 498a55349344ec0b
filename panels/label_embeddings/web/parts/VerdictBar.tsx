import React from "react";
import type { Verdicts } from "../hooks/useReviewer";
import type { Item } from "../wire";

/** The answers that can be given; the likeliest one stands out. */
export function VerdictBar({
  item,
  paged,
  verdicts,
}: {
  item: Item;
  paged: boolean;
  verdicts: Verdicts;
}) {
  const likely =
    item.issue === "mislabeled" && item.suggested
      ? "suggested"
      : item.issue === "spurious" || item.issue === "duplicate"
        ? "not an object"
        : "right";
  return (
    <div className="lv-verdicts">
      <button
        type="button"
        className="lv-button"
        data-primary={likely === "right" || undefined}
        onClick={verdicts.right}
      >
        Right <kbd>y</kbd>
      </button>
      {item.suggested && (
        <button
          type="button"
          className="lv-button"
          data-primary={likely === "suggested" || undefined}
          onClick={verdicts.suggested}
        >
          It is {item.suggested} <kbd>w</kbd>
        </button>
      )}
      <button type="button" className="lv-button" onClick={verdicts.pick}>
        Another class… <kbd>o</kbd>
      </button>
      <button
        type="button"
        className="lv-button"
        data-primary={likely === "not an object" || undefined}
        onClick={verdicts.notAnObject}
      >
        Not an object <kbd>n</kbd>
      </button>
      <button type="button" className="lv-button" onClick={verdicts.skip}>
        Skip <kbd>k</kbd>
      </button>
      {paged && (
        <>
          <span className="lv-spring" />
          <button type="button" className="lv-button" onClick={verdicts.pageIsRight}>
            All on this page are right <kbd>Y</kbd>
          </button>
        </>
      )}
    </div>
  );
}
