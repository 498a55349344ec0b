import React from "react";
import { Button } from "../../../app/Button";
import type { Keys } from "../../../app/useKeys";
import type { ClassPairsList } from "../hooks/useClassPairs";
import type { Clusters } from "../hooks/useClusters";
import type { Coloring } from "../hooks/useColoring";
import type { MapLook } from "../hooks/useMapLook";
import type { OpenRun } from "../wire";
import { ColorBy } from "./ColorBy";
import { Tools, Views } from "./Tools";

/** What is on the map, how it is looked at, and the way into the review. */
export function Toolbar({
  picker,
  opened: { run, attributes, dims },
  coloring,
  look,
  clusters,
  classes,
  keys,
  search,
  history,
  reviewing,
  onReview,
}: {
  picker: React.ReactNode;
  opened: OpenRun;
  coloring: Coloring;
  look: MapLook;
  clusters: Clusters;
  /** null where there are no labels */
  classes: ClassPairsList | null;
  keys: Keys;
  search: React.ReactNode;
  history: React.ReactNode;
  reviewing: boolean;
  /** starts the review or ends it; null where there are no labels to review */
  onReview: (() => void) | null;
}) {
  return (
    <header className="lv-toolbar">
      {picker}
      <ColorBy
        fields={run.fields}
        attributes={attributes}
        path={coloring.path}
        loading={coloring.loading}
        onChange={coloring.setPath}
      />
      {onReview && (
        <Button
          primary={reviewing}
          shortcut="q"
          aria-pressed={reviewing}
          title="Review the most suspicious labels one by one"
          onClick={onReview}
        >
          Review
        </Button>
      )}
      <Tools mode={look.mode} dims={dims} onMode={look.setMode} />
      <Views
        views={[
          { icon: "zoom_out_map", label: "See the whole map", shortcut: "f", onClick: look.seeAll },
          {
            icon: "blur_on",
            label: "Density",
            shortcut: "d",
            active: look.density,
            onClick: look.toggleDensity,
          },
          {
            icon: "bubble_chart",
            label: "Clusters",
            shortcut: "c",
            active: clusters.open,
            onClick: clusters.toggle,
          },
          ...(classes
            ? [
                {
                  icon: "compare_arrows",
                  label: "Confused classes",
                  shortcut: "j",
                  active: classes.open,
                  onClick: classes.toggle,
                },
              ]
            : []),
          {
            icon: "keyboard",
            label: "Keys",
            shortcut: "?",
            active: keys.listing,
            onClick: keys.toggleList,
          },
        ]}
      />
      {search}
      {history}
    </header>
  );
}
