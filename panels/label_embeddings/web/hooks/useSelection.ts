import * as fos from "@fiftyone/state";
import { useCallback, useEffect, useRef, useState } from "react";
import { useSetRecoilState } from "recoil";
import { type Combine, combineRows, countRows, invertRows, type Rows } from "../rows";
import type { RunWire } from "../wire";

/**
 * The selected rows, null for none, and the gestures that change them. The App's grid follows: it is
 * given the view stages that Python makes of the rows.
 *
 * @param remember is given what undoes a change
 */
export function useSelection(
  wire: RunWire,
  remember: (undo: () => void) => void,
  onProblem: (problem: string) => void,
) {
  const [selected, setSelected] = useState<Rows | null>(null);
  const latest = useRef(selected);
  const showInGrid = useSetRecoilState(fos.extendedSelectionOverrideStage);
  const clearGrid = fos.useResetExtendedSelection();
  const clear = useRef(clearGrid);
  clear.current = clearGrid;

  // asked at once, before anything is drawn: the grid takes longest
  const turns = useRef(0);
  const shown = useRef(false);
  const show = useCallback(
    (rows: Rows | null) => {
      const turn = ++turns.current;
      if (rows === null) {
        if (shown.current) clear.current();
        shown.current = false;
        return;
      }
      wire.selectRows(rows).then(
        (stages) => {
          if (turn !== turns.current) return;
          shown.current = true;
          showInGrid(stages);
        },
        (error: Error) => turn === turns.current && onProblem(error.message),
      );
    },
    [wire, showInGrid, onProblem],
  );

  const change = useCallback(
    (rows: Rows | null) => {
      latest.current = rows;
      show(rows);
      setSelected(rows);
    },
    [show],
  );

  const select = useCallback(
    (rows: Rows | null, how: Combine = "replace") => {
      const before = latest.current;
      let after = rows && before && how !== "replace" ? combineRows(before, rows, how) : rows;
      if (rows && !before && (how === "remove" || how === "intersect")) after = before;
      if (after && countRows(after) === 0) after = null;
      if (after === before) return;
      remember(() => change(before));
      change(after);
    },
    [change, remember],
  );

  const invert = useCallback(
    (length: number, within: Rows | null) => {
      const before = latest.current ?? new Uint8Array(length);
      select(invertRows(before, within));
    },
    [select],
  );

  // a closed panel leaves no selection behind that nobody could clear
  useEffect(
    () => () => {
      turns.current++;
      if (shown.current) clear.current();
    },
    [],
  );

  return { selected, select, invert };
}
