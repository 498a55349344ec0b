import { ToggleButton, ToggleButtonGroup } from "@mui/material";
import React, { useState } from "react";
import { Button } from "../../app/Button";
import { Icon } from "../../app/Icon";
import { openMaps, openSources } from "../../app/opening";
import type { Drawn } from "../../app/panel";
import panelCss from "../../app/panel.css?inline";
import { Question } from "../../app/Question";
import { Status } from "../../app/Status";
import { useReport } from "../../app/useReport";
import { replacedBy } from "./describing";
import { useListing } from "./hooks/useListing";
import { Row } from "./Row";
import css from "./runs.css?inline";
import {
  type Action,
  type Listing,
  OPERATION_STATES,
  type Operation,
  type OperationState,
  type Wire,
} from "./wire";

const PAGE = 25;
const LONGEST = 200;
const ALL = "all";

/** The panel *Runs*: what was scheduled on this dataset. */
export function Runs({ wire, datasetName }: Drawn<Wire>) {
  const [state, setState] = useState<OperationState | null>(null);
  const [limit, setLimit] = useState(PAGE);
  const [unfolded, setUnfolded] = useState<string | null>(null);
  const [message, report] = useReport();
  const { listing, problem, refresh } = useListing(wire, datasetName, state, limit);

  const [asking, setAsking] = useState<Operation | null>(null);

  const act = (action: Action, operation: Operation, agreed = false) => {
    if (action === "rerun" && !agreed && replacedBy(operation) !== null)
      return setAsking(operation);
    const { id } = operation;
    (agreed ? wire.replace(id) : wire.act(action, id)).then(
      ({ sentence }) => {
        report.say(sentence);
        refresh();
      },
      (error: Error) => report.fail(error.message),
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
  const total = OPERATION_STATES.reduce((sum, name) => sum + (listing.counts[name] ?? 0), 0);
  const matching = state === null ? total : (listing.counts[state] ?? 0);
  const now = Date.now();
  return (
    <div className="lv-panel">
      <style>{panelCss + css}</style>
      <header className="lv-runs-head">
        <ToggleButtonGroup
          exclusive
          size="small"
          aria-label="Filter by state"
          value={state ?? ALL}
          onChange={(_event, name: OperationState | typeof ALL | null) =>
            name && setState(name === ALL ? null : name)
          }
        >
          {[ALL, ...OPERATION_STATES]
            .filter(
              (name) => name === ALL || name === state || listing.counts[name as OperationState],
            )
            .map((name) => (
              <ToggleButton key={name} value={name}>
                {name}&nbsp;
                <span className="lv-faint">
                  {(name === ALL
                    ? total
                    : (listing.counts[name as OperationState] ?? 0)
                  ).toLocaleString()}
                </span>
              </ToggleButton>
            ))}
        </ToggleButtonGroup>
        <Targets listing={listing} />
      </header>
      <Status
        message={problem ? { text: problem, problem: true, undoable: false } : message}
        onClose={report.clear}
      />
      <Question
        open={asking !== null}
        text={`'${asking?.brainKey}' will be computed again and replace the current map of that key and its label issues. This cannot be undone.`}
        confirm="Replace it"
        onConfirm={() => asking && act("rerun", asking, true)}
        onClose={() => setAsking(null)}
      />
      {listing.operations.length === 0 ? (
        <p className="lv-message">
          {total
            ? `No runs are ${state}.`
            : "Nothing has been scheduled yet. Start a worker, then click the arrow beside Execute in an operator such as Compute visualization and choose Schedule on its name."}
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
              onAct={(action) => act(action, operation)}
              onOpen={() => open(operation)}
            />
          ))}
          {matching > listing.operations.length && (
            <li className="lv-runs-more">
              {limit < LONGEST ? (
                <Button onClick={() => setLimit(Math.min(LONGEST, limit + PAGE))}>
                  Show older runs
                </Button>
              ) : (
                <span className="lv-faint">
                  The newest {LONGEST} of {matching.toLocaleString()} are shown;{" "}
                  <code>{listing.command} runs list --limit N</code> lists more.
                </span>
              )}
            </li>
          )}
        </ul>
      )}
    </div>
  );
}

function Targets({ listing }: { listing: Listing }) {
  if (listing.targets.length === 0)
    return (
      <p className="lv-runs-targets">
        No workers are running. To start one: <code>{listing.command} worker --name NAME</code>
      </p>
    );
  return (
    <p className="lv-runs-targets">
      {listing.targets.map((target) => (
        <span key={target.name} title={target.description}>
          <Icon name="dns" /> {target.name}
        </span>
      ))}
    </p>
  );
}
