import React, { useState } from "react";
import { Button } from "../../../app/Button";
import { IconButton } from "../../../app/Icon";
import { Question } from "../../../app/Question";
import { type Merge, mergeQuestion, reasonOf } from "../classWords";
import type { ClassPairsList } from "../hooks/useClassPairs";
import type { ConfusedClasses, SimilarClasses } from "../wire";

const SOURCES = {
  scores: "Labels whose class may be wrong, by their scores.",
  neighbors:
    "Labels most of whose neighbors have the other class. Find label issues tells more of them.",
  map: "Labels most of whose neighbors on the map have the other class.",
};

/** Which classes are confused, and which may be one: the labels of each are one click away. */
export function ClassList({
  classes,
  fields,
  onConfused,
  onClass,
}: {
  classes: ClassPairsList;
  fields: string[];
  onConfused: (pair: ConfusedClasses) => void;
  /** shows all labels of a class */
  onClass: (label: string) => void;
}) {
  const { found, problem } = classes;
  const [current, setCurrent] = useState<string | null>(null);
  const [asked, setAsked] = useState<Merge | null>(null);
  const look = (key: string, show: () => void) => {
    setCurrent(key);
    show();
  };
  return (
    <aside className="lv-clusters lv-classes" aria-label="Classes">
      {found && found.similar.length > 0 && (
        <>
          <h3>Possibly the same class</h3>
          <ol>
            {found.similar.map((pair) => (
              <Similar
                key={`${pair.field}\0${pair.label}\0${pair.into}`}
                pair={pair}
                naming={fields.length > 1}
                onClass={onClass}
                onMerge={setAsked}
              />
            ))}
          </ol>
        </>
      )}
      <h3>Confused classes</h3>
      {problem && <p className="lv-faint">{problem}</p>}
      {!found && !problem && <p className="lv-faint">Comparing classes…</p>}
      {found && (
        <p className="lv-faint">
          {found.confused.length ? SOURCES[found.source] : "No label looks like another class."}
        </p>
      )}
      <ol className="lv-confused">
        {found?.confused.map((pair) => {
          const key = `${pair.label}\0${pair.looksLike}`;
          return (
            <li key={key} data-current={key === current}>
              <button
                type="button"
                title={`Select the labels '${pair.label}' that look like '${pair.looksLike}'`}
                onClick={() => look(key, () => onConfused(pair))}
              >
                <span>
                  {pair.label} → {pair.looksLike}
                </span>
                <b>
                  {pair.rows.length.toLocaleString()} of {pair.of.toLocaleString()}
                </b>
                <i style={{ width: `${(100 * pair.rows.length) / pair.of}%` }} />
              </button>
            </li>
          );
        })}
      </ol>
      <Question
        open={asked !== null}
        text={asked ? mergeQuestion(asked) : ""}
        confirm="Merge"
        onConfirm={() => asked && classes.merge(asked)}
        onClose={() => setAsked(null)}
      />
    </aside>
  );
}

function Similar({
  pair,
  naming,
  onClass,
  onMerge,
}: {
  pair: SimilarClasses;
  /** whether the field is named, as the map has several */
  naming: boolean;
  onClass: (label: string) => void;
  onMerge: (merge: Merge) => void;
}) {
  const [swapped, setSwapped] = useState(false);
  const rarer = { name: pair.label, labels: pair.labels };
  const other = { name: pair.into, labels: pair.intoLabels };
  const [from, into] = swapped ? [other, rarer] : [rarer, other];
  return (
    <li className="lv-similar">
      <div>
        {[from, into].map(({ name, labels }, place) => (
          <button
            type="button"
            key={name}
            title={`Select the labels '${name}'`}
            onClick={() => onClass(name)}
          >
            <span>
              {place ? "→ " : ""}
              {name}
            </span>
            <b>{labels.toLocaleString()}</b>
          </button>
        ))}
        <b>
          {reasonOf(pair)}
          {naming && ` in '${pair.field}'`}
        </b>
      </div>
      <IconButton icon="swap_vert" label="Swap" onClick={() => setSwapped(!swapped)} />
      <Button
        onClick={() =>
          onMerge({ field: pair.field, label: from.name, into: into.name, labels: from.labels })
        }
      >
        Merge
      </Button>
    </li>
  );
}
