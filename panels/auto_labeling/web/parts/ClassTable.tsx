import React from "react";
import { countWithin, type Range } from "../counting";
import { type Review, STATES, type State } from "../wire";

const COLUMNS: [State, string][] = [
  ["flagged", "Flagged"],
  ["basket", "Basket"],
  ["approved", "Approved"],
];

/** The classes of what is reviewed, to tick. */
export function ClassTable({
  review,
  range,
  ticked,
  onTick,
}: {
  review: Review;
  range: Range;
  ticked: Set<number>;
  onTick: (rows: Set<number>) => void;
}) {
  const all = review.classes.length === ticked.size;
  const toggle = (row: number) => {
    const next = new Set(ticked);
    if (!next.delete(row)) next.add(row);
    onTick(next);
  };
  return (
    <table className="lv-class-table" aria-label="Classes">
      <thead>
        <tr>
          <th>
            <input
              type="checkbox"
              aria-label="All classes"
              checked={all}
              onChange={() => onTick(new Set(all ? [] : review.classes.keys()))}
            />
          </th>
          <th>Class</th>
          <th title="Open labels in the confidence range">In range</th>
          <th>Labels</th>
          <th title="Mean confidence">Mean</th>
          {COLUMNS.map(([state, name]) => (
            <th key={state}>{name}</th>
          ))}
        </tr>
      </thead>
      <tbody>
        {review.classes.map((name, row) => (
          <tr key={name} data-cy={`class-${name}`} data-ticked={ticked.has(row)}>
            <td>
              <input
                type="checkbox"
                aria-label={name ?? "no class"}
                checked={ticked.has(row)}
                onChange={() => toggle(row)}
              />
            </td>
            <td>
              <button
                type="button"
                className="lv-class"
                title={`Tick ${name ?? "no class"} alone`}
                onClick={() => onTick(new Set([row]))}
              >
                {name ?? "no class"}
              </button>
            </td>
            <td>{countWithin(review, row, range).toLocaleString()}</td>
            <td>{sum(review.counts[row]).toLocaleString()}</td>
            <td>{review.confidence[row]?.toFixed(2) ?? "–"}</td>
            {COLUMNS.map(([state]) => (
              <td key={state}>{review.counts[row][STATES.indexOf(state)].toLocaleString()}</td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function sum(numbers: number[]): number {
  return numbers.reduce((a, b) => a + b, 0);
}
