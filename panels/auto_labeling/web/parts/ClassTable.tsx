import React, { useMemo, useState } from "react";
import { countWithin, type EdgeRange, placesInOrder } from "../confidenceRange";
import { LABEL_STATES, type LabelState, type Review } from "../wire";

interface Column {
  name: string;
  title?: string;
  value: (row: number) => number | string | null;
  text?: (value: number | string) => string;
  /** whether the first click on its head puts the greatest first */
  descending: boolean;
}

/** The classes of what is reviewed, to tick. */
export function ClassTable({
  review,
  range,
  ticked,
  onTick,
}: {
  review: Review;
  range: EdgeRange;
  ticked: Set<number>;
  onTick: (rows: Set<number>) => void;
}) {
  /** the column that a person ordered by; until then the most frequent class is first */
  const [order, setOrder] = useState<{ by: string; descending: boolean } | null>(null);
  const columns = useMemo(() => columnsOf(review, range), [review, range]);
  const by = columns.find((column) => column.name === order?.by);
  const places = review.classes.map((_, row) => row);
  const rows = order && by ? placesInOrder(places.map(by.value), order.descending) : places;

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
          {columns.map(({ name, title, descending }) => {
            const ours = order?.by === name ? order : null;
            const next = ours ? !ours.descending : descending;
            return (
              <th
                key={name}
                aria-sort={ours ? (ours.descending ? "descending" : "ascending") : undefined}
              >
                <button
                  type="button"
                  className="lv-class"
                  title={title}
                  onClick={() => setOrder({ by: name, descending: next })}
                >
                  {name}
                  {ours && (ours.descending ? " ↓" : " ↑")}
                </button>
              </th>
            );
          })}
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => {
          const name = review.classes[row];
          return (
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
                  title={`Select only ${name ?? "no class"}`}
                  onClick={() => onTick(new Set([row]))}
                >
                  {name ?? "no class"}
                </button>
              </td>
              {columns.slice(1).map(({ name, value, text }) => {
                const shown = value(row);
                return <td key={name}>{shown === null ? "–" : (text ?? String)(shown)}</td>;
              })}
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}

function columnsOf(review: Review, range: EdgeRange): Column[] {
  const grouped = (value: number | string) => value.toLocaleString();
  const ofState = (state: LabelState) => (row: number) =>
    review.counts[row][LABEL_STATES.indexOf(state)];
  return [
    { name: "Class", value: (row) => review.classes[row], descending: false },
    {
      name: "In range",
      title: "Labels to review in the confidence range",
      value: (row) => countWithin(review, row, range),
      text: grouped,
      descending: true,
    },
    { name: "Labels", value: (row) => sum(review.counts[row]), text: grouped, descending: true },
    {
      name: "Mean",
      title: "Mean confidence",
      value: (row) => review.confidence[row],
      text: (value) => Number(value).toFixed(2),
      descending: false,
    },
    { name: "Flagged", value: ofState("flagged"), text: grouped, descending: true },
    { name: "Basket", value: ofState("basket"), text: grouped, descending: true },
    { name: "Approved", value: ofState("approved"), text: grouped, descending: true },
  ];
}

function sum(numbers: number[]): number {
  return numbers.reduce((a, b) => a + b, 0);
}
