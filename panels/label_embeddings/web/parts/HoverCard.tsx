import React, { useEffect, useState } from "react";
import { useCrops } from "../hooks/useCrops";
import type { RunWire } from "../wire";
import { CropCaption, CropImage } from "./CropImage";
import type { Hover } from "./MapView";

const REST_MS = 60;
const WIDTH = 190;
const HEIGHT = 230;

/** The patch under the pointer, once the pointer rests on it. */
export function HoverCard({
  wire,
  hover,
  edition,
}: {
  wire: RunWire;
  hover: Hover;
  edition: number;
}) {
  const [rested, setRested] = useState<number | null>(null);
  useEffect(() => {
    const timer = setTimeout(() => setRested(hover.row), REST_MS);
    return () => clearTimeout(timer);
  }, [hover.row]);
  const crops = useCrops(wire, rested === null ? [] : [rested], 180, 0.35, edition);
  const crop = crops.get(hover.row);
  return (
    <div
      className="lv-hover"
      style={{
        left: hover.x > WIDTH + 30 ? hover.x - WIDTH - 16 : hover.x + 16,
        top: Math.max(4, hover.y - HEIGHT / 2),
        width: WIDTH,
      }}
    >
      <CropImage crop={crop} />
      <CropCaption crop={crop} />
    </div>
  );
}
