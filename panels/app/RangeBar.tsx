import { Slider } from "@mui/material";
import React, { useEffect, useRef, useState } from "react";
import type { Range } from "./range";

const STEPS = 200;

/** A histogram over a range with two handles, and the colors of its values where they have any. */
export function RangeBar({
  label,
  counts,
  span,
  range,
  gradient,
  steps = STEPS,
  onChange,
}: {
  label: string;
  counts: Uint32Array;
  span: Range;
  range: Range;
  gradient?: string;
  /** how many places a handle has */
  steps?: number;
  onChange: (range: Range) => void;
}) {
  const [dragged, setDragged] = useState<Range>(range);
  const [low, high] = range;
  /** ranges that were told and did not come back yet, by which a later one is not replaced */
  const told = useRef<string[]>([]);
  useEffect(() => {
    const place = told.current.indexOf(String([low, high]));
    told.current = place < 0 ? [] : told.current.slice(place + 1);
    if (told.current.length === 0) setDragged([low, high]);
  }, [low, high]);
  const most = counts.reduce((a, b) => Math.max(a, b), 1);
  const share = (value: number) => (value - span[0]) / (span[1] - span[0] || 1);
  return (
    <section className="lv-range" aria-label={label}>
      <header>
        <span>{label}</span>
        <b>
          {format(dragged[0])} – {format(dragged[1])}
        </b>
      </header>
      <div className="lv-range-bars" aria-hidden="true">
        {Array.from(counts, (count, bin) => {
          const middle = (bin + 0.5) / counts.length;
          const within = middle >= share(dragged[0]) && middle <= share(dragged[1]);
          return (
            <i
              // biome-ignore lint/suspicious/noArrayIndexKey: a bin is its place
              key={bin}
              data-within={within}
              style={{ height: `${count ? Math.max(4, (100 * count) / most) : 0}%` }}
            />
          );
        })}
      </div>
      {gradient && <div className="lv-ramp" style={{ background: gradient }} />}
      <Slider
        size="small"
        min={span[0]}
        max={span[1]}
        step={(span[1] - span[0]) / steps || 1}
        value={dragged}
        disableSwap
        getAriaLabel={(handle) => `${label}, ${handle === 0 ? "at least" : "at most"}`}
        valueLabelDisplay="auto"
        valueLabelFormat={format}
        onChange={(_event, value) => setDragged(value as Range)}
        onChangeCommitted={(_event, value) => {
          told.current.push(String(value));
          onChange(value as Range);
        }}
      />
    </section>
  );
}

function format(value: number): string {
  return Math.abs(value) < 1000 ? String(Math.round(value * 100) / 100) : value.toExponential(2);
}
