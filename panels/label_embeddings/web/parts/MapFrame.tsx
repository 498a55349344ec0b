import * as fos from "@fiftyone/state";
import React, { useState } from "react";
import { useRecoilValue } from "recoil";
import { Button } from "../../../app/Button";
import type { RGB } from "../colors";
import type { Coloring } from "../hooks/useColoring";
import type { MapLook } from "../hooks/useMapLook";
import type { LabelSelection } from "../hooks/useSelection";
import type { Visible } from "../hooks/useVisible";
import { countRows, saySelected } from "../rows";
import type { OpenRun, RunWire } from "../wire";
import { HoverCard } from "./HoverCard";
import { type Hover, MapView } from "./MapView";

const DARK: RGB = [24, 24, 24];
const LIGHT: RGB = [250, 250, 250];

/** The map with what lies over it: the patch under the pointer, and how many there are. */
export function MapFrame({
  wire,
  opened: { points, dims },
  coloring,
  visible: { visible, drawn, waiting },
  selection,
  look,
  doing,
  pointed,
  edition,
  onOpen,
}: {
  wire: RunWire;
  opened: OpenRun;
  coloring: Coloring;
  visible: Visible;
  selection: LabelSelection;
  look: MapLook;
  /** what a person waits for beside the database, null for nothing */
  doing: string | null;
  /** the row that is looked at elsewhere in the panel */
  pointed: number | null;
  edition: number;
  onOpen: (row: number) => void;
}) {
  const [hover, setHover] = useState<Hover | null>(null);
  const backdrop = useRecoilValue(fos.theme) === "light" ? LIGHT : DARK;
  const counts = [`${(points.length / dims).toLocaleString()} points`];
  if (drawn) counts.push(`${countRows(drawn).toLocaleString()} in view`);
  if (selection.selected && selection.judged)
    counts.push(saySelected(selection.selected, selection.judged));
  if (waiting) counts.push("asking the database…");
  if (doing) counts.push(doing);
  return (
    <div className="lv-map-frame">
      <MapView
        points={points}
        dims={dims}
        paint={coloring.paint}
        visible={drawn}
        selected={selection.selected}
        mode={look.mode}
        density={look.density}
        backdrop={backdrop}
        pointed={pointed ?? hover?.row ?? null}
        place={look.place}
        onSelect={selection.select}
        onClickRow={selection.clickRow}
        onOpenRow={onOpen}
        onHover={setHover}
      />
      {hover && <HoverCard wire={wire} hover={hover} edition={edition} />}
      <div className="lv-count" aria-live="polite">
        {counts.join(" · ")}
      </div>
      {visible && countRows(visible) === 0 && !waiting && (
        <div className="lv-message lv-over">
          <p>
            The current view and the sidebar's filters leave none of this run's labels. Clear the
            filters, or choose another view.
          </p>
          <Button onClick={coloring.clearFilters}>Clear the filters</Button>
        </div>
      )}
    </div>
  );
}
