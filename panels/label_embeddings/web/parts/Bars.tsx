import React from "react";

export interface Bar {
  name: string;
  count: number;
  color?: string;
  onClick?: () => void;
}

/** Horizontal bars, the longest first as given; a click narrows the selection to one. */
export function Bars({ bars, most = 8 }: { bars: Bar[]; most?: number }) {
  const longest = Math.max(1, ...bars.map(({ count }) => count));
  return (
    <ul className="lv-bars">
      {bars.slice(0, most).map(({ name, count, color, onClick }) => (
        <li key={name}>
          <button
            type="button"
            title={`Keep only ${name} selected`}
            disabled={!onClick}
            onClick={onClick}
          >
            <i style={{ width: `${(100 * count) / longest}%`, background: color }} />
            <span>{name}</span>
            <b>{count.toLocaleString()}</b>
          </button>
        </li>
      ))}
      {bars.length > most && <li className="lv-faint">and {bars.length - most} more</li>}
    </ul>
  );
}
