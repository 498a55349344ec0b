import React, { useEffect, useRef, useState } from "react";
import { Icon } from "../../../app/Icon";
import { type Progress, RULES, type Rule } from "../wire";

/** What waits for approval, by class, and the approval itself. */
export function Basket({
  progress,
  fields,
  into,
  onInto,
  rule,
  onRule,
  busy,
  onRemove,
  onApprove,
}: {
  progress: Progress;
  /** fields that hold, or can hold, ground truth */
  fields: string[];
  into: string;
  onInto: (field: string) => void;
  rule: Rule;
  onRule: (rule: Rule) => void;
  busy: boolean;
  onRemove: (which: "selected" | "all" | (string | null)[]) => void;
  onApprove: () => void;
}) {
  const count = progress.basket;
  return (
    <section className="lv-basket" aria-label="Basket" data-cy="basket">
      <h4>For approval: {count.toLocaleString()}</h4>
      {count === 0 ? (
        <p className="lv-faint">
          The basket is empty. Choose a confidence range and classes, then add them; flagged labels
          stay out.
        </p>
      ) : (
        <ul className="lv-basket-classes">
          {progress.inBasket.map(([name, number]) => (
            <li key={name} data-cy={`basket-${name}`}>
              {name ?? "no class"} <b>{number.toLocaleString()}</b>
              <button
                type="button"
                className="lv-link"
                aria-label={`Take ${name ?? "no class"} out`}
                disabled={busy}
                onClick={() => onRemove([name])}
              >
                <Icon name="close" />
              </button>
            </li>
          ))}
          <li data-plain>
            <button
              type="button"
              className="lv-link"
              data-cy="basket-clear"
              disabled={busy}
              onClick={() => onRemove("all")}
            >
              Take all out
            </button>
          </li>
        </ul>
      )}
      <div className="lv-approve">
        <button
          type="button"
          className="lv-button"
          data-primary
          data-cy="approve"
          disabled={busy || count === 0 || !into.trim()}
          onClick={onApprove}
        >
          <Icon name="verified" /> Approve {count > 0 ? count.toLocaleString() : ""} <kbd>p</kbd>
        </button>
        <label>
          into{" "}
          <input
            aria-label="Field of ground truth"
            data-cy="approve-into"
            list="lv-truth-fields"
            value={into}
            onChange={(event) => onInto(event.target.value)}
          />
        </label>
        <datalist id="lv-truth-fields">
          {fields.map((field) => (
            <option key={field} value={field} />
          ))}
        </datalist>
        {fields.includes(into) ? (
          <label title="A box that overlaps one of ground truth by an IoU of 0.7 or more">
            and of an object that is there,{" "}
            <select
              aria-label="Duplicates"
              data-cy="approve-rule"
              value={rule}
              onChange={(event) => onRule(event.target.value as Rule)}
            >
              {Object.entries(RULES).map(([value, words]) => (
                <option key={value} value={value}>
                  {words}
                </option>
              ))}
            </select>
          </label>
        ) : (
          <span className="lv-faint">a new field</span>
        )}
      </div>
    </section>
  );
}

/** The end of the loop: what was not approved leaves, and then for good. */
export function Ending({
  progress,
  field,
  busy,
  onFinalize,
  onFinish,
}: {
  progress: Progress;
  field: string;
  busy: boolean;
  onFinalize: (count: number) => void;
  onFinish: () => void;
}) {
  const [asking, setAsking] = useState<"finalize" | "finish" | null>(null);
  const count = progress.notApproved;
  const open = progress.left - progress.basket;
  return (
    <section className="lv-ending" aria-label="Finalize">
      {asking === null && (
        <>
          <button
            type="button"
            className="lv-button"
            data-cy="finalize"
            disabled={busy || count === 0}
            onClick={() => setAsking("finalize")}
          >
            Finalize…
          </button>
          <button
            type="button"
            className="lv-button"
            data-cy="finish"
            disabled={busy}
            onClick={() => setAsking("finish")}
          >
            Finish…
          </button>
          <span className="lv-faint">
            {count === 0
              ? "Every label here is approved."
              : `${count.toLocaleString()} not approved: they stay until you finalize.`}
          </span>
        </>
      )}
      {asking === "finalize" && (
        <Question
          text={`Remove the ${count.toLocaleString()} labels of '${field}' that are not approved: ${open.toLocaleString()} undecided, ${progress.basket.toLocaleString()} in the basket, ${progress.flagged.toLocaleString()} flagged, ${progress.rejected.toLocaleString()} rejected? They go to '${field}_removed' and can come back until Finish.`}
          confirm={`Remove ${count.toLocaleString()}`}
          onConfirm={() => onFinalize(count)}
          onClose={() => setAsking(null)}
        />
      )}
      {asking === "finish" && (
        <Question
          text="Finish: what was removed is deleted for good, and no approval so far can be undone any more."
          confirm="Finish"
          onConfirm={onFinish}
          onClose={() => setAsking(null)}
        />
      )}
    </section>
  );
}

function Question({
  text,
  confirm,
  onConfirm,
  onClose,
}: {
  text: string;
  confirm: string;
  onConfirm: () => void;
  onClose: () => void;
}) {
  const question = useRef<HTMLDivElement>(null);
  useEffect(() => {
    // it is at the end of the panel, and taller than what it replaces
    const panel = question.current?.closest(".lv-labeling");
    if (panel) panel.scrollTop = panel.scrollHeight;
  }, []);
  return (
    <div className="lv-question" role="alertdialog" aria-label={confirm} ref={question}>
      <p>{text}</p>
      <button
        type="button"
        className="lv-button"
        data-primary
        data-cy="confirm"
        onClick={() => {
          onClose();
          onConfirm();
        }}
      >
        {confirm}
      </button>
      <button type="button" className="lv-button" onClick={onClose}>
        Cancel
      </button>
    </div>
  );
}
