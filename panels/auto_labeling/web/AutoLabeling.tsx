import React from "react";
import { openMaps, openSamples, openSources, type Source, useOpened } from "../../app/opening";
import type { Drawn } from "../../app/panel";
import panelCss from "../../app/panel.css?inline";
import { ApprovalPage } from "./ApprovalPage";
import css from "./autoLabeling.css?inline";
import { useOverview } from "./hooks/useOverview";
import { SourceList } from "./parts/SourceList";
import type { Wire } from "./wire";

/** The panel *Auto Labeling*: choose a run or a field, then review and approve its labels. */
export function AutoLabeling({ wire, datasetName }: Drawn<Wire>) {
  const { overview, problem, refresh } = useOverview(wire, datasetName);
  const source = useOpened(openSources, datasetName);

  const open = (next: Source | null) => {
    openSources.set(datasetName, next);
    refresh();
  };

  return (
    <div className="lv-panel">
      <style>{panelCss + css}</style>
      {source ? (
        <ApprovalPage
          key={`${datasetName} ${source.field} ${source.run}`}
          wire={wire}
          source={source}
          run={overview?.runs.find(({ name }) => name === source.run) ?? null}
          fields={overview?.fields ?? []}
          onAnswer={(key) => {
            openSamples.set(datasetName, key);
            openMaps.show(datasetName, key);
          }}
          onChanged={refresh}
          onBack={() => open(null)}
        />
      ) : overview ? (
        <SourceList overview={overview} onOpen={open} />
      ) : (
        <p className="lv-message">{problem ?? "Loading…"}</p>
      )}
    </div>
  );
}
