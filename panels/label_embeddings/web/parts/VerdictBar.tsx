import React from "react";
import { Button } from "../../../app/Button";
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
      <Button primary={likely === "right"} shortcut="y" onClick={verdicts.right}>
        Right
      </Button>
      {item.suggested && (
        <Button primary={likely === "suggested"} shortcut="w" onClick={verdicts.suggested}>
          It is {item.suggested}
        </Button>
      )}
      <Button shortcut="o" onClick={verdicts.pick}>
        Another class…
      </Button>
      <Button primary={likely === "not an object"} shortcut="n" onClick={verdicts.notAnObject}>
        Not an object
      </Button>
      <Button shortcut="k" onClick={verdicts.skip}>
        Skip
      </Button>
      {paged && (
        <>
          <span className="lv-spring" />
          <Button shortcut="Y" onClick={verdicts.pageIsRight}>
            All on this page are right
          </Button>
        </>
      )}
    </div>
  );
}
