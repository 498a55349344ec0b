import * as fos from "@fiftyone/state";
import React, { useMemo, useState } from "react";
import { useRecoilValue } from "recoil";
import { openMaps, openSources } from "../../app/opening";
import { type PanelProps, usePython } from "../../app/panel";
import panelCss from "../../app/panel.css?inline";
import { CONTRACT, type Methods } from "./messages";
import { Row } from "./Row";
import css from "./runs.css?inline";
import { useListing } from "./useListing";
import { type Action, type Listing, type Operation, STATES, type State, Wire } from "./wire";

const PAGE = 25;
const LONGEST = 200;

/** The panel *Runs*: what was scheduled on this dataset. */
export function Runs(props: PanelProps) {
  const python = usePython<Methods>(props, CONTRACT);
  const wire = useMemo(() => new Wire(python), [python]);
  const datasetName = useRecoilValue(fos.datasetName);
  const [state, setState] = useState<State | null>(null);
  const [limit, setLimit] = useState(PAGE);
  const [unfolded, setUnfolded] = useState<string | null>(null);
  const [said, setSaid] = useState<string | null>(null);
  const { listing, problem, refresh } = useListing(wire, datasetName, state, limit);

  const act = (action: Action, id: string) => {
    wire.act(action, id).then(
      ({ sentence }) => {
        setSaid(sentence);
        refresh();
      },
      (error) => setSaid(String(error.message ?? error)),
    );
  };
  const open = ({ brainKey, source }: Operation) => {
    if (source) openSources.show(datasetName, source);
    else if (brainKey) openMaps.show(datasetName, brainKey);
  };

  if (listing === null)
    return (
      <div className="lv-panel">
        <style>{panelCss + css}</style>
        <p className="lv-message">{problem ?? "Looking for runs…"}</p>
      </div>
    );
  const total = STATES.reduce((sum, name) => sum + (listing.counts[name] ?? 0), 0);
  const matching = state === null ? total : (listing.counts[state] ?? 0);
  const now = Date.now();
  return (
    <div className="lv-panel">
      <style>{panelCss + css}</style>
      <header className="lv-runs-head">
        <fieldset aria-label="Filter by state">
          <Filter label="All" count={total} on={state === null} onClick={() => setState(null)} />
          {STATES.filter((name) => listing.counts[name] || name === state).map((name) => (
            <Filter
              key={name}
              label={name}
              count={listing.counts[name] ?? 0}
              on={state === name}
              onClick={() => setState(name)}
            />
          ))}
        </fieldset>
        <Targets listing={listing} />
      </header>
      {(problem ?? said) && (
        <p className="lv-runs-said" role="status">
          {problem ?? said}
          <button type="button" className="lv-link" onClick={() => setSaid(null)}>
            Close
          </button>
        </p>
      )}
      {listing.operations.length === 0 ? (
        <p className="lv-message">
          {total
            ? `No run is ${state}.`
            : "Nothing was scheduled yet: in Compute visualization, open the arrow beside Execute and choose Schedule."}
        </p>
      ) : (
        <ul className="lv-runs-list">
          {listing.operations.map((operation) => (
            <Row
              key={operation.id}
              wire={wire}
              operation={operation}
              now={now}
              unfolded={unfolded === operation.id}
              onToggle={() => setUnfolded(unfolded === operation.id ? null : operation.id)}
              onAct={(action) => act(action, operation.id)}
              onOpen={() => open(operation)}
            />
          ))}
          {matching > listing.operations.length && (
            <li className="lv-runs-more">
              {limit < LONGEST ? (
                <button
                  type="button"
                  className="lv-button"
                  onClick={() => setLimit(Math.min(LONGEST, limit + PAGE))}
                >
                  Show older runs
                </button>
              ) : (
                <span className="lv-faint">
                  The newest {LONGEST} of {matching.toLocaleString()} are shown; labelvet runs list
                  shows all.
                </span>
              )}
            </li>
          )}
        </ul>
      )}
    </div>
  );
}

function Filter(props: { label: string; count: number; on: boolean; onClick: () => void }) {
  return (
    <button type="button" aria-pressed={props.on} onClick={props.onClick}>
      {props.label} <span className="lv-faint">{props.count.toLocaleString()}</span>
    </button>
  );
}

function Targets({ listing }: { listing: Listing }) {
  if (listing.targets.length === 0)
    return (
      <p className="lv-runs-targets">
        No worker is there. To start one: <code>labelvet worker --name NAME</code>
      </p>
    );
  return (
    <p className="lv-runs-targets">
      {listing.targets.map((target) => (
        <span key={target.name} title={target.description}>
          <span className="material-icons">dns</span> {target.name}
        </span>
      ))}
    </p>
  );
}
