import React from "react";
import type { Cluster } from "../wire";

/** The clusters of the map, those with a few strangers in a sea of one class first. */
export function ClusterList({
  clusters,
  problem,
  current,
  onStrangers,
  onWhole,
}: {
  clusters: Cluster[] | null;
  problem: string | null;
  current: number | null;
  onStrangers: (index: number) => void;
  onWhole: (index: number) => void;
}) {
  return (
    <aside className="lv-clusters" aria-label="Clusters">
      <h3>Clusters</h3>
      {problem && <p className="lv-faint">{problem}</p>}
      {!clusters && !problem && <p className="lv-faint">Looking for clusters…</p>}
      {clusters?.length === 0 && (
        <p className="lv-faint">There are no clusters in this map: it has too few points.</p>
      )}
      <ol>
        {clusters?.map((cluster, index) => (
          <li key={cluster.code} data-current={index === current}>
            <button
              type="button"
              disabled={cluster.strangers.length === 0}
              title="Selects the labels that are not of this class (n: next, p: previous)"
              onClick={() => onStrangers(index)}
            >
              <span>{cluster.label ?? "no label"}</span>
              <b>
                {cluster.strangers.length
                  ? `${cluster.strangers.length.toLocaleString()} of ${cluster.size.toLocaleString()} differ`
                  : `${cluster.size.toLocaleString()}, all alike`}
              </b>
              <i style={{ width: `${100 * cluster.purity}%` }} />
            </button>
            <button type="button" className="lv-link" onClick={() => onWhole(index)}>
              all
            </button>
          </li>
        ))}
      </ol>
    </aside>
  );
}
