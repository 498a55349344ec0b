import { usePromptOperatorInput } from "@fiftyone/operators";
import { LinearProgress } from "@mui/material";
import React from "react";
import { Button } from "../../../app/Button";
import { IconButton } from "../../../app/Icon";
import type { Audit } from "../hooks/useAudit";
import { PAGE, type Reviewer } from "../hooks/useReviewer";
import type { ReviewQueue } from "../hooks/useReviewQueue";
import { partDone } from "../reviewOrder";
import type { RunWire } from "../wire";
import { ClassPicker } from "./ClassPicker";
import { ReviewGrid } from "./ReviewGrid";
import { ReviewOne } from "./ReviewOne";
import { VerdictBar } from "./VerdictBar";

/** The labels that are probably wrong, one at a time or a page of them, and what is said of them. */
export function ReviewPage({
  wire,
  review,
  reviewer,
  audit,
  edition,
  onOpen,
  onClose,
}: {
  wire: RunWire;
  review: ReviewQueue;
  reviewer: Reviewer;
  audit: Audit;
  edition: number;
  onOpen: (row: number) => void;
  onClose: () => void;
}) {
  const { queue, items, reviewed } = review;
  const { paged, item } = reviewer;
  return (
    <section className="lv-review" aria-label="Review">
      <header>
        <h3>{audit.open ? "Audit" : "Review"}</h3>
        {queue && (
          <>
            <LinearProgress
              variant="determinate"
              value={100 * partDone(reviewed, queue.expected)}
              aria-label={
                audit.open
                  ? "Share of the answers that halve the interval"
                  : "How far the review is, as expected"
              }
            />
            <span>{reviewed.toLocaleString()} answered</span>
          </>
        )}
        <span className="lv-spring" />
        {audit.open && (
          <IconButton icon="restart_alt" label="Start a new audit" onClick={audit.beginAnew} />
        )}
        <IconButton
          icon="percent"
          label="How many labels are wrong?"
          hint="Answer a random sample, with the same keys"
          shortcut="a"
          active={audit.open}
          onClick={audit.toggle}
        />
        {item && (
          <IconButton
            icon="edit"
            label="Annotate the image"
            hint="Open it in FiftyOne's own annotation"
            shortcut="E"
            onClick={reviewer.annotate}
          />
        )}
        <IconButton
          icon={paged ? "crop_portrait" : "grid_view"}
          label={paged ? "One at a time" : "A page of crops"}
          shortcut="g"
          onClick={reviewer.togglePaged}
        />
        <IconButton icon="close" label="Back to the map" shortcut="q" onClick={onClose} />
      </header>
      {queue && (
        <p className="lv-expected" data-stop={queue.stop}>
          {queue.sentence}
        </p>
      )}
      {queue && item ? (
        <>
          {paged ? (
            <ReviewGrid
              {...{ wire, edition, onOpen }}
              items={items.slice(0, PAGE)}
              current={reviewer.current}
              onCurrent={reviewer.setIndex}
            />
          ) : (
            <ReviewOne {...{ wire, items, edition, onOpen }} draft={reviewer.draft} />
          )}
          <VerdictBar
            {...{ item, paged, verdicts: reviewer.verdicts }}
            {...{ wholeTracks: reviewer.wholeTracks, onTracks: reviewer.toggleTracks }}
            drawn={!paged && reviewer.draft.drawn !== null}
          />
          {reviewer.picking && (
            <ClassPicker classes={queue.classes} item={item} onPick={reviewer.pick} />
          )}
        </>
      ) : (
        <Empty queue={queue} audit={audit.open} />
      )}
      {queue?.notes.map((note) => (
        <p key={note} className="lv-faint" title={note}>
          {note}
        </p>
      ))}
    </section>
  );
}

function Empty({ queue, audit }: { queue: ReviewQueue["queue"]; audit: boolean }) {
  const prompt = usePromptOperatorInput();
  if (queue === undefined)
    return (
      <div className="lv-message" aria-live="polite">
        <LinearProgress aria-label="Ranking labels" />
        <p className="lv-faint">Ranking labels…</p>
      </div>
    );
  if (queue)
    return (
      <div className="lv-message">
        <p>
          {audit
            ? "Every label of this audit has an answer."
            : "There is nothing left to review: every label of this run has an answer."}
        </p>
      </div>
    );
  return (
    <div className="lv-message">
      <h3>No label issues yet</h3>
      <p>
        <b>Find label issues</b> ranks all labels of this run by how likely they are to be wrong,
        says why, and suggests a class. You then review them here, the most suspicious first.
      </p>
      <Button primary onClick={() => prompt("@labelvet/labelvet/find_label_issues")}>
        Find label issues
      </Button>
    </div>
  );
}
