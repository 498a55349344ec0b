import React from "react";
import { percent } from "../../../app/percent";
import { useCrops } from "../hooks/useCrops";
import { named } from "../reviewOrder";
import type { Item, RunWire } from "../wire";
import { CropImage } from "./CropImage";

/** A page of suspicious labels: a click chooses the one that the keys are about. */
export function ReviewGrid({
  wire,
  items,
  edition,
  current,
  onCurrent,
  onOpen,
}: {
  wire: RunWire;
  items: Item[];
  edition: number;
  current: number;
  onCurrent: (index: number) => void;
  onOpen: (row: number) => void;
}) {
  const crops = useCrops(
    wire,
    items.map(({ row }) => row),
    160,
    0.25,
    edition,
    items.map(({ suggestedBox }) => suggestedBox),
  );
  return (
    <div className="lv-review-page">
      {items.map((item, index) => (
        <button
          type="button"
          key={item.id}
          className="lv-tile"
          aria-current={index === current}
          title={item.reason ?? undefined}
          onClick={() => onCurrent(index)}
          onDoubleClick={() => onOpen(item.row)}
        >
          <CropImage crop={crops.get(item.row)} suggested={item.suggestedBox} />
          <div className="lv-caption">
            <span>{item.label ?? "no label"}</span>
            {item.suggested !== null && item.issue === "mislabeled" && (
              <em>{named(item.suggested)}?</em>
            )}
            {item.along > 0 && <span>×{(item.along + 1).toLocaleString()}</span>}
            <b>{percent(item.suspicion)}</b>
          </div>
        </button>
      ))}
    </div>
  );
}
