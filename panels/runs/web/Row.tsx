import { LinearProgress } from "@mui/material";
import React, { useEffect, useState } from "react";
import { Button } from "../../app/Button";
import { Icon, IconButton } from "../../app/Icon";
import { actionsFor, percentDone, timing } from "./describing";
import type { Action, Details, Operation, Wire } from "./wire";

const ACTIONS: Record<Action, { label: string; icon: string; hint: string }> = {
  cancel: { label: "Cancel", icon: "cancel", hint: "stops it and keeps what is done" },
  rerun: { label: "Re-run", icon: "replay", hint: "queues it again with the same inputs" },
  mark_failed: {
    label: "Mark failed",
    icon: "block",
    hint: "use this if its worker is gone; a worker still running it stops",
  },
  delete: {
    label: "Delete",
    icon: "delete",
    hint: "stops it if it is running, and removes it from this list",
  },
};

interface RowProps {
  wire: Wire;
  operation: Operation;
  now: number;
  unfolded: boolean;
  onToggle: () => void;
  onAct: (action: Action) => void;
  onOpen: () => void;
}

/** One operation: what it is, how far it is, and what can be done with it. */
export function Row(props: RowProps) {
  const { operation, now, unfolded } = props;
  const { state } = operation;
  const line = state === "failed" ? operation.error : operation.line;
  return (
    <li className="lv-run" data-state={state}>
      <div className="lv-run-head">
        <button
          type="button"
          className="lv-run-fold"
          aria-expanded={unfolded}
          onClick={props.onToggle}
        >
          <Icon name={unfolded ? "expand_more" : "chevron_right"} />
          <strong>{operation.label}</strong>
        </button>
        <span className="lv-run-state">{operation.cancelling ? "stopping" : state}</span>
        <span className="lv-run-actions">
          {state === "completed" && (operation.brainKey || operation.source) && (
            <Button primary onClick={props.onOpen}>
              Open
            </Button>
          )}
          {actionsFor(operation).map((action) => (
            <IconButton key={action} {...ACTIONS[action]} onClick={() => props.onAct(action)} />
          ))}
        </span>
      </div>
      {state === "running" && (
        <LinearProgress
          className="lv-run-bar"
          variant="determinate"
          value={percentDone(operation)}
          aria-label={operation.label}
        />
      )}
      {line && <p className="lv-run-line">{line}</p>}
      {operation.stalled && (
        <p className="lv-run-line" role="alert">
          {operation.stalled}
        </p>
      )}
      <p className="lv-faint">
        {[operation.target ?? "any worker", operation.user, timing(operation, now)]
          .filter(Boolean)
          .join(" · ")}
      </p>
      {unfolded && <Unfolded wire={props.wire} operation={operation} />}
    </li>
  );
}

/** The inputs, the full error and the end of the log. */
function Unfolded({ wire, operation }: { wire: Wire; operation: Operation }) {
  const [details, setDetails] = useState<Details | null>(null);
  const [problem, setProblem] = useState<string | null>(null);

  // the list is read again and again, and so is the log of what it lists
  useEffect(() => {
    let ended = false;
    wire.details(operation.id).then(
      (found) => !ended && setDetails(found),
      (error) => !ended && setProblem(String(error.message ?? error)),
    );
    return () => {
      ended = true;
    };
  }, [wire, operation]);

  if (problem && !details) return <p className="lv-run-line">{problem}</p>;
  if (!details) return <p className="lv-faint">Reading…</p>;
  const facts: [string, string | null][] = [
    ["operator", details.operator],
    ["worker", details.worker],
    ["attempts", details.attempts > 1 ? String(details.attempts) : null],
    ...Object.entries(details.inputs),
  ];
  return (
    <div className="lv-run-details">
      <dl>
        {facts.map(([name, value]) =>
          value === null ? null : (
            <React.Fragment key={name}>
              <dt>{name.replaceAll("_", " ")}</dt>
              <dd>{value}</dd>
            </React.Fragment>
          ),
        )}
      </dl>
      {details.trace && (
        <details>
          <summary>Full error</summary>
          <pre>{details.trace}</pre>
        </details>
      )}
      {details.log && (
        <>
          <h4>Log</h4>
          <Log text={details.log} />
        </>
      )}
    </div>
  );
}

/** A log that stays at its end unless its reader scrolled away. */
function Log({ text }: { text: string }) {
  const [element, setElement] = useState<HTMLPreElement | null>(null);
  const follows = React.useRef(true);
  // biome-ignore lint/correctness/useExhaustiveDependencies: it follows the text
  useEffect(() => {
    if (element && follows.current) element.scrollTop = element.scrollHeight;
  }, [element, text]);
  return (
    <pre
      ref={setElement}
      onScroll={(event) => {
        const { scrollTop, scrollHeight, clientHeight } = event.currentTarget;
        follows.current = scrollTop + clientHeight >= scrollHeight - 4;
      }}
    >
      {text}
    </pre>
  );
}
