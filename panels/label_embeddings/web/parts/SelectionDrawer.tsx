import React, { useMemo, useState } from "react";
import { Button } from "../../../app/Button";
import type { RGB } from "../colors";
import { binOf, countCodes, histogram, spanOf } from "../histograms";
import { useColumn } from "../hooks/useColumn";
import { useCrops } from "../hooks/useCrops";
import type { Fields } from "../hooks/useFields";
import type { Labels } from "../hooks/useLabels";
import { countRows, indicesOf, type Rows } from "../rows";
import type { Attribute, ColorColumn, RunWire } from "../wire";
import { Bars } from "./Bars";
import { CropCaption, CropImage } from "./CropImage";

const PAGE = 36;
const BINS = 20;

/**
 * What is selected: how many, of which fields and classes, how sure, with which tags, and what they
 * look like.
 */
export function SelectionDrawer({
  wire,
  rows,
  first,
  attributes,
  fields,
  labels,
  edition,
  onNarrow,
  onPoint,
  onOpen,
  onProblem,
}: {
  wire: RunWire;
  rows: Rows;
  /** rows to show before the others */
  first: number[];
  attributes: Attribute[];
  fields: Fields;
  labels: Labels;
  edition: number;
  onNarrow: (rows: Rows) => void;
  onPoint: (row: number | null) => void;
  onOpen: (row: number) => void;
  onProblem: (problem: string) => void;
}) {
  const [page, setPage] = useState(0);
  const tagsPath =
    attributes.find(({ kind, scope }) => kind === "tags" && scope === "label")?.path ?? null;
  const { column: tags } = useColumn(wire, tagsPath, edition, onProblem);
  const count = useMemo(() => countRows(rows), [rows]);
  const listed = useMemo(() => {
    const leading = first.filter((row) => rows[row]);
    const led = new Set(leading);
    const need = (page + 1) * PAGE;
    const others = indicesOf(rows, need + leading.length).filter((row) => !led.has(row));
    return [...leading, ...others].slice(page * PAGE, need);
  }, [rows, first, page]);
  const lastPage = Math.max(0, Math.ceil(count / PAGE) - 1);
  if (page > lastPage) setPage(0);
  const crops = useCrops(wire, listed, 112, 0.15, edition);

  return (
    <section className="lv-drawer" aria-label="Selection">
      <div className="lv-summary">
        <Categories title="Fields" {...fields} {...{ rows, onNarrow }} />
        <Categories
          title="Classes"
          column={labels.classes}
          colors={labels.colors}
          {...{ rows, onNarrow }}
        />
        <Confidences confidences={labels.confidences} {...{ rows, onNarrow }} />
        <Tags {...{ rows, tags, onNarrow }} />
      </div>
      <div className="lv-strip">
        {listed.map((row) => (
          <button
            type="button"
            key={row}
            className="lv-tile"
            onClick={() => onOpen(row)}
            onMouseEnter={() => onPoint(row)}
            onMouseLeave={() => onPoint(null)}
            onFocus={() => onPoint(row)}
            onBlur={() => onPoint(null)}
          >
            <CropImage crop={crops.get(row)} />
            <CropCaption crop={crops.get(row)} />
          </button>
        ))}
        {lastPage > 0 && (
          <nav className="lv-pages">
            <Button disabled={page === 0} onClick={() => setPage(page - 1)}>
              Previous
            </Button>
            <span>
              {(page * PAGE + 1).toLocaleString()} –{" "}
              {Math.min(count, (page + 1) * PAGE).toLocaleString()} of {count.toLocaleString()}
            </span>
            <Button disabled={page === lastPage} onClick={() => setPage(page + 1)}>
              Next
            </Button>
          </nav>
        )}
      </div>
    </section>
  );
}

function Categories({
  title,
  rows,
  column,
  colors,
  onNarrow,
}: {
  title: string;
  rows: Rows;
  column: ColorColumn | null;
  colors: RGB[];
  onNarrow: (rows: Rows) => void;
}) {
  const bars = useMemo(() => {
    if (column?.kind !== "categorical") return [];
    const { codes, categories } = column;
    return Array.from(countCodes(codes, categories.length + 1, rows), (count, code) => ({
      name: code ? categories[code - 1] : "none",
      count,
      ...(code && colors[code - 1] ? { color: `rgb(${colors[code - 1].join(",")})` } : {}),
      onClick: () => onNarrow(Uint8Array.from(codes, (other) => Number(other === code))),
    }))
      .filter(({ count }) => count > 0)
      .sort((a, b) => b.count - a.count);
  }, [rows, column, colors, onNarrow]);
  return bars.length ? (
    <div>
      <h4>{title}</h4>
      <Bars bars={bars} />
    </div>
  ) : null;
}

function Confidences({
  rows,
  confidences,
  onNarrow,
}: {
  rows: Rows;
  confidences: ColorColumn | null;
  onNarrow: (rows: Rows) => void;
}) {
  const shown = useMemo(() => {
    if (confidences?.kind !== "continuous") return null;
    const { values } = confidences;
    const span = spanOf(values);
    return { values, span, counts: histogram(values, span, BINS, rows) };
  }, [rows, confidences]);
  if (!shown?.counts.some((count) => count > 0)) return null;
  const { values, span, counts } = shown;
  const most = counts.reduce((a, b) => Math.max(a, b), 1);
  const edge = (bin: number) => (span[0] + ((span[1] - span[0]) * bin) / BINS).toFixed(2);
  return (
    <div>
      <h4>Confidence</h4>
      <div className="lv-histogram">
        {Array.from(counts, (count, bin) => (
          <button
            type="button"
            // biome-ignore lint/suspicious/noArrayIndexKey: a bin is its place
            key={bin}
            title={`${edge(bin)} to ${edge(bin + 1)}: ${count.toLocaleString()}. Click to keep only these selected`}
            disabled={count === 0}
            onClick={() =>
              onNarrow(Uint8Array.from(values, (value) => Number(binOf(value, span, BINS) === bin)))
            }
          >
            <i style={{ height: `${count ? Math.max(5, (100 * count) / most) : 0}%` }} />
          </button>
        ))}
      </div>
      <div className="lv-axis">
        <span>{edge(0)}</span>
        <span>{edge(BINS)}</span>
      </div>
    </div>
  );
}

function Tags({
  rows,
  tags,
  onNarrow,
}: {
  rows: Rows;
  tags: ColorColumn | null;
  onNarrow: (rows: Rows) => void;
}) {
  const bars = useMemo(() => {
    if (tags?.kind !== "categorical") return [];
    const { codes, categories } = tags;
    const counts = countCodes(codes, categories.length + 1, rows);
    // a category is a set of tags: its rows count for each of them
    const withTag = new Map<string, { count: number; codes: Set<number> }>();
    categories.forEach((category, index) => {
      for (const tag of category.split(", ")) {
        const entry = withTag.get(tag) ?? { count: 0, codes: new Set() };
        entry.count += counts[index + 1];
        entry.codes.add(index + 1);
        withTag.set(tag, entry);
      }
    });
    return Array.from(withTag, ([name, entry]) => ({
      name,
      count: entry.count,
      onClick: () => onNarrow(Uint8Array.from(codes, (code) => Number(entry.codes.has(code)))),
    }))
      .filter(({ count }) => count > 0)
      .sort((a, b) => b.count - a.count);
  }, [rows, tags, onNarrow]);
  return (
    <div>
      <h4>Tags</h4>
      {bars.length ? <Bars bars={bars} most={5} /> : <p className="lv-faint">None tagged yet</p>}
    </div>
  );
}
