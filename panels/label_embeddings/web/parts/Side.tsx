import React, { useMemo } from "react";
import { RangeBar } from "../../../app/RangeBar";
import { rampGradient } from "../colors";
import { histogram, spanOf } from "../histograms";
import type { Coloring } from "../hooks/useColoring";
import type { Fields } from "../hooks/useFields";
import type { ColorColumn } from "../wire";
import { Legend } from "./Legend";

const BINS = 50;

/** The legends of what colors the map and of its fields, and the range of the confidence. */
export function Side({
  coloring,
  fields,
  confidences,
  searchRef,
}: {
  coloring: Coloring;
  fields: Fields;
  confidences: ColorColumn | null;
  searchRef: React.RefObject<HTMLInputElement>;
}) {
  const { column, counts, span } = coloring;
  // the map is colored by field: that legend is there already
  const ofFields = column !== null && column.path === fields.column?.path;
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
      {fields.column?.kind === "categorical" && fields.counts && (
        <Legend
          label="Fields"
          categories={fields.column.categories}
          counts={fields.counts}
          colors={ofFields ? fields.colors : null}
          hidden={fields.hidden}
          searchRef={null}
          onChange={fields.hide}
        />
      )}
      {column?.kind === "categorical" && counts && !ofFields && (
        <Legend
          label="Legend"
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
          range={coloring.rangeOf(column.path, span)}
          gradient={rampGradient()}
          onChange={(range) => coloring.keepRange(column.path, range, span)}
        />
      )}
      {confidences && confidences.path !== coloring.path && confident && (
        <RangeBar
          label="confidence"
          counts={confident.counts}
          span={confident.span}
          range={coloring.rangeOf(confidences.path, confident.span)}
          onChange={(range) => coloring.keepRange(confidences.path, range, confident.span)}
        />
      )}
    </aside>
  );
}
