import { Autocomplete, Chip, Link, MenuItem, TextField } from "@mui/material";
import React from "react";
import { Button } from "../../../app/Button";
import { Icon } from "../../../app/Icon";
import { type LoopProgress, RULES, type Rule } from "../wire";

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
  progress: LoopProgress;
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
      <h4>Basket: {count.toLocaleString()}</h4>
      {count === 0 ? (
        <p className="lv-faint">
          The basket is empty. Choose a confidence range and classes, then add them; flagged labels
          stay out.
        </p>
      ) : (
        <div className="lv-basket-classes">
          {progress.inBasket.map(([name, number]) => (
            <Chip
              key={name}
              size="small"
              variant="outlined"
              data-cy={`basket-${name}`}
              label={
                <>
                  {name ?? "no class"} <b>{number.toLocaleString()}</b>{" "}
                  <button
                    type="button"
                    aria-label={`Remove ${name ?? "no class"}`}
                    disabled={busy}
                    onClick={() => onRemove([name])}
                  >
                    <Icon name="close" />
                  </button>
                </>
              }
            />
          ))}
          <Link
            component="button"
            data-cy="basket-clear"
            disabled={busy}
            onClick={() => onRemove("all")}
          >
            Empty basket
          </Link>
        </div>
      )}
      {progress.twice > 0 && (
        <p
          className="lv-faint"
          data-cy="basket-twice"
          title="Boxes of one class that overlap with an IoU of 0.7 or more"
        >
          {progress.twice.toLocaleString()} of the same object and class as a surer one, which alone
          will be added
        </p>
      )}
      {progress.proof !== null && (
        <p data-cy="basket-proof" className={progress.proofHolds ? undefined : "lv-faint"}>
          {progress.proofHolds ? (
            progress.proof
          ) : (
            <>
              The basket has changed since it was proven, so the proof no longer holds.{" "}
              <s>{progress.proof}</s>
            </>
          )}
        </p>
      )}
      <div className="lv-approve">
        <Button
          primary
          icon="verified"
          shortcut="p"
          data-cy="approve"
          disabled={busy || count === 0 || !into.trim()}
          onClick={onApprove}
        >
          Approve {count > 0 ? count.toLocaleString() : ""}
        </Button>
        <Autocomplete
          freeSolo
          disableClearable
          size="small"
          options={fields}
          inputValue={into}
          onInputChange={(_event, name) => onInto(name)}
          renderInput={(params) => (
            <TextField
              {...params}
              label="Target field"
              helperText={fields.includes(into) ? undefined : "a new field"}
              inputProps={{ ...params.inputProps, "data-cy": "approve-into" }}
            />
          )}
        />
        {fields.includes(into) && (
          <TextField
            select
            size="small"
            label="If an object already exists"
            title="A box overlaps one of the ground truth with an IoU of 0.7 or more"
            inputProps={{ "data-cy": "approve-rule" }}
            value={rule}
            onChange={(event) => onRule(event.target.value as Rule)}
          >
            {Object.entries(RULES).map(([value, words]) => (
              <MenuItem key={value} value={value}>
                {words}
              </MenuItem>
            ))}
          </TextField>
        )}
      </div>
    </section>
  );
}
