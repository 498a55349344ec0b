import { Link } from "@mui/material";
import React from "react";
import { percent } from "../../../app/percent";
import type { LoopProgress, Round } from "../wire";

/** The whole loop in one line, and its rounds. */
export function LoopLine({
  progress,
  onUndo,
}: {
  progress: LoopProgress;
  onUndo: (round: Round) => void;
}) {
  const { found, approved, flagged, rejected, basket, left, rounds } = progress;
  const parts: [string, number][] = [
    ["approved", approved],
    ["basket", basket],
    ["flagged", flagged],
    ["rejected", rejected],
  ];
  return (
    <section className="lv-loop" aria-label="Progress">
      <div className="lv-loop-bar" aria-hidden="true">
        {parts.map(([name, count]) => (
          <i key={name} data-part={name} style={{ width: `${(100 * count) / (found || 1)}%` }} />
        ))}
      </div>
      <p className="lv-loop-line" data-cy="loop-line">
        <b>{found.toLocaleString()}</b> found · <i data-part="approved" />
        <b>{approved.toLocaleString()}</b> approved · <i data-part="flagged" />
        <b>{flagged.toLocaleString()}</b> flagged ·{" "}
        {rejected > 0 && (
          <>
            <i data-part="rejected" />
            <b>{rejected.toLocaleString()}</b> rejected ·{" "}
          </>
        )}
        <b>{left.toLocaleString()}</b> left
        {basket > 0 && (
          <>
            {" "}
            (<i data-part="basket" />
            {basket.toLocaleString()} in the basket)
          </>
        )}
      </p>
      {rounds.length > 0 && (
        <details className="lv-rounds" data-cy="rounds">
          <summary>
            Round {rounds.length}: {rate(rounds[rounds.length - 1])}
          </summary>
          <ol>
            {rounds.map((round) => (
              <li key={round.token}>
                {rate(round)}, into {round.into}, by {round.by},{" "}
                {new Date(round.at).toLocaleString()}
                {round.proof !== null && <>. {round.proof}</>}{" "}
                <Link component="button" onClick={() => onUndo(round)}>
                  Undo
                </Link>
              </li>
            ))}
          </ol>
        </details>
      )}
    </section>
  );
}

/** What became of labels in a round, whether or not anybody looked at them. */
function rate({ approved, turnedDown }: Round): string {
  const part = percent(approved / (approved + turnedDown), 1);
  return `${approved.toLocaleString()} approved and ${turnedDown.toLocaleString()} flagged or rejected in this round: ${part} approved`;
}
