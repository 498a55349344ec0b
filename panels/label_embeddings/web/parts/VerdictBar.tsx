import { Checkbox, FormControlLabel } from "@mui/material";
import React from "react";
import { Button } from "../../../app/Button";
import type { Verdicts } from "../hooks/useReviewer";
import { likelyVerdict, named } from "../reviewOrder";
import type { Item } from "../wire";

function alongside(along: number): string {
  return along === 1 ? "the other label" : `the other ${along.toLocaleString()} labels`;
}

/** The answers that can be given; the likeliest one stands out. */
export function VerdictBar({
  item,
  paged,
  drawn,
  wholeTracks,
  onTracks,
  verdicts,
}: {
  item: Item;
  paged: boolean;
  /** whether the reviewer drew a box */
  drawn: boolean;
  /** whether an answer is for all labels of a track that the same is asked of */
  wholeTracks: boolean;
  onTracks: () => void;
  verdicts: Verdicts;
}) {
  const likely = drawn ? "badly placed" : likelyVerdict(item);
  const misplaced = item.issue === "misplaced";
  const asksForBox = drawn || item.suggestedBox !== null || (misplaced && !item.needless);
  const classes = (
    <>
      {item.suggested !== null && (
        <Button primary={likely === "wrong class"} shortcut="w" onClick={verdicts.suggested}>
          It is {named(item.suggested)}
        </Button>
      )}
      {item.suggestions.slice(1).map((label, place) => (
        <Button key={label} shortcut={String(place + 2)} onClick={() => verdicts.isA(label)}>
          {named(label)}
        </Button>
      ))}
      <Button shortcut="o" onClick={verdicts.pick}>
        Another class…
      </Button>
    </>
  );
  return (
    <div className="lv-verdicts">
      <Button primary={likely === "right"} shortcut="y" onClick={verdicts.right}>
        Right
      </Button>
      {!misplaced && classes}
      {asksForBox && item.fixed === null && (
        <Button primary={likely === "badly placed"} shortcut="b" onClick={verdicts.takeBox}>
          {drawn
            ? "Take the drawn box"
            : item.suggestedBox
              ? "Take the suggested box"
              : "Draw its box"}
        </Button>
      )}
      {item.needless ? (
        <Button
          primary={likely === "not needed"}
          shortcut="n"
          title="There is an object, and another label shows it"
          onClick={verdicts.reject}
        >
          Not needed
        </Button>
      ) : (
        <Button primary={likely === "not an object"} shortcut="n" onClick={verdicts.reject}>
          {item.whole ? "Not in the image" : "Not an object"}
        </Button>
      )}
      <Button shortcut="k" onClick={verdicts.skip}>
        Skip
      </Button>
      {asksForBox && item.fixed !== null && <p className="lv-aside">{item.fixed}</p>}
      {misplaced && (
        <div className="lv-verdicts lv-aside">
          <span>If its class is wrong{drawn ? ", too" : ""}:</span>
          {classes}
        </div>
      )}
      {item.along > 0 && (
        <FormControlLabel
          control={<Checkbox size="small" checked={wholeTracks} onChange={onTracks} />}
          label={`and ${alongside(item.along)} of its track (t)`}
        />
      )}
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
