import { Link } from "@mui/material";
import React from "react";
import type { Clusters } from "../hooks/useClusters";

/** The clusters of the map, those with a few strangers in a sea of one class first. */
export function ClusterList({ clusters }: { clusters: Clusters }) {
  const { found, problem, current, go } = clusters;
  return (
    <aside className="lv-clusters" aria-label="Clusters">
      <h3>Clusters</h3>
      {problem && <p className="lv-faint">{problem}</p>}
      {!found && !problem && <p className="lv-faint">Looking for clusters…</p>}
      {found?.length === 0 && (
        <p className="lv-faint">There are no clusters in this map: it has too few points.</p>
      )}
      <ol>
        {found?.map((cluster, index) => (
          <li key={cluster.code} data-current={index === current}>
            <button
              type="button"
              disabled={cluster.strangers.length === 0}
              title="Select the labels that are not of this class (n: next, p: previous)"
              onClick={() => go(index)}
            >
              <span>{cluster.label ?? "no label"}</span>
              <b>
                {cluster.strangers.length
                  ? `${cluster.strangers.length.toLocaleString()} of ${cluster.size.toLocaleString()} differ`
                  : `${cluster.size.toLocaleString()}, all the same`}
              </b>
              <i style={{ width: `${100 * cluster.purity}%` }} />
            </button>
            <Link component="button" onClick={() => go(index, true)}>
              all
            </Link>
          </li>
        ))}
      </ol>
    </aside>
  );
}
