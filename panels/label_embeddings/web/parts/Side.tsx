import React, { useMemo } from "react";
import { RangeBar } from "../../../app/RangeBar";
import { rampGradient } from "../colors";
import { rangeOf } from "../filters";
import { histogram, spanOf } from "../histograms";
import type { Coloring } from "../hooks/useColoring";
import type { ColorColumn } from "../wire";
import { Legend } from "./Legend";

const BINS = 50;

/** The legend of what colors the map, and the range of the confidence. */
export function Side({
  coloring,
  confidences,
  searchRef,
}: {
  coloring: Coloring;
  confidences: ColorColumn | null;
  searchRef: React.RefObject<HTMLInputElement>;
}) {
  const { column, counts, filters, span } = coloring;
  const colored = useMemo(
    () => (column?.kind === "continuous" ? histogram(column.values, span, BINS, null) : null),
    [column, span],
  );
  const confident = useMemo(() => {
    if (confidences?.kind !== "continuous") return null;
    const of = spanOf(confidences.values);
    return { span: of, counts: histogram(confidences.values, of, BINS, null) };
  }, [confidences]);
  return (
    <aside className="lv-side">
      {column?.kind === "categorical" && counts && (
        <Legend
          categories={column.categories}
          counts={counts}
          colors={coloring.palette}
          hidden={coloring.hidden}
          searchRef={searchRef}
          onChange={coloring.hide}
        />
      )}
      {column?.kind === "continuous" && colored && (
        <RangeBar
          label={coloring.attribute?.name ?? column.path}
          counts={colored}
          span={span}
          range={rangeOf(filters[column.path], span)}
          gradient={rampGradient()}
          onChange={(range) => coloring.keepRange(column.path, range, span)}
        />
      )}
      {confidences && confidences.path !== coloring.path && confident && (
        <RangeBar
          label="confidence"
          counts={confident.counts}
          span={confident.span}
          range={rangeOf(filters[confidences.path], confident.span)}
          onChange={(range) => coloring.keepRange(confidences.path, range, confident.span)}
        />
      )}
    </aside>
  );
}
