import * as fos from "@fiftyone/state";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { useSetRecoilState } from "recoil";
import type { Shortcut } from "../../../app/shortcuts";
import type { Report } from "../../../app/useReport";
import type { Remember } from "../../../app/useUndo";
import {
  type Combine,
  combineRows,
  countRows,
  everyRows,
  invertRows,
  noRows,
  type Rows,
  rowsOf,
  sayUnseen,
} from "../rows";
import type { RunWire, Similar } from "../wire";

/** How many of the nearest are selected, unless another of these is chosen. */
const NEAREST = 50;
export const NUMBERS = [10, NEAREST, 200, 1000];
const NO_ORDER: number[] = [];

/** A range that is dragged settles before the grid follows. */
const SETTLE_MS = 120;

/**
 * The selected rows, null for none, and the gestures that change them. The App's grid follows: it is
 * given the view stages that Python makes of the rows.
 *
 * @param length how many rows there are
 * @param kept the rows that are not hidden in the map alone, null for all: the grid shows no others
 * @param drawn those of them that are in the App's view
 * @param remember is given what undoes a change
 * @returns beside the gestures, `selected` and what of it is `judged`, since it is seen, and the
 *   `nearest` rows where these are selected for being near to something, nearest first
 */
export function useSelection({
  wire,
  length,
  kept,
  drawn,
  remember,
  report,
}: {
  wire: RunWire;
  length: number;
  kept: Rows | null;
  drawn: Rows | null;
  remember: Remember;
  report: Report;
}) {
  const [selected, setSelected] = useState<Rows | null>(null);
  const latest = useRef(selected);
  const latestKept = useRef(kept);
  const latestDrawn = useRef(drawn);
  latestDrawn.current = drawn;
  const showInGrid = useSetRecoilState(fos.extendedSelectionOverrideStage);
  const clearGrid = fos.useResetExtendedSelection();
  const latestClearGrid = useRef(clearGrid);
  latestClearGrid.current = clearGrid;

  // asked at once, before anything is drawn: the grid takes longest
  const turns = useRef(0);
  const shown = useRef(false);
  const closed = useRef(false);
  const show = useCallback(
    (rows: Rows | null) => {
      // what arrives after another dataset was opened selects nothing there
      if (closed.current) return;
      const turn = ++turns.current;
      if (rows === null) {
        if (shown.current) latestClearGrid.current();
        shown.current = false;
        return;
      }
      wire.selectRows(rows).then(
        (stages) => {
          if (turn !== turns.current) return;
          shown.current = true;
          showInGrid(stages);
        },
        (error: Error) => turn === turns.current && report.fail(error.message),
      );
    },
    [wire, showInGrid, report],
  );

  /** counts what a person asked for: a late answer to what came before is not wanted */
  const wishes = useRef(0);
  const orders = useRef(new WeakMap<Rows, number[]>());
  const [howMany, setHowMany] = useState(NEAREST);
  const change = useCallback(
    (rows: Rows | null) => {
      wishes.current++;
      latest.current = rows;
      show(rows && everyRows([rows, latestKept.current]));
      setSelected(rows);
    },
    [show],
  );
  useEffect(() => {
    latestKept.current = kept;
    const timer = setTimeout(() => {
      if (latest.current) show(everyRows([latest.current, kept]));
    }, SETTLE_MS);
    return () => clearTimeout(timer);
  }, [kept, show]);

  const select = useCallback(
    (rows: Rows | null, how: Combine = "replace") => {
      const before = latest.current;
      let after = rows && before && how !== "replace" ? combineRows(before, rows, how) : rows;
      if (rows && !before && (how === "remove" || how === "intersect")) after = before;
      if (after && countRows(after) === 0) after = null;
      if (after === before) return;
      remember(() => change(before));
      change(after);
      const unseen = after && sayUnseen(after, latestDrawn.current);
      if (unseen) report.fail(unseen);
    },
    [change, remember, report],
  );

  const judged = useMemo(() => (selected ? everyRows([selected, drawn]) : null), [selected, drawn]);
  const clear = () => {
    wishes.current++;
    select(null);
  };
  const invert = () => select(invertRows(latest.current ?? noRows(length), drawn));
  const clickRow = (row: number | null, how: Combine) => {
    if (row !== null) select(rowsOf(length, [row]), how);
    else if (how === "replace") clear();
  };
  /** selects the nearest rows that are found, unless another selection was made meanwhile */
  const selectNearest = async (
    find: (count: number, wanted: () => boolean) => Promise<Similar | null>,
    how: Combine = "replace",
  ) => {
    const wish = ++wishes.current;
    const wanted = () => wish === wishes.current && !closed.current;
    try {
      const found = await find(howMany, wanted);
      if (found === null || !wanted()) return;
      const near = rowsOf(length, found.rows);
      const rows = latest.current ? combineRows(latest.current, near, how) : near;
      orders.current.set(rows, found.rows);
      select(rows);
      if (sayUnseen(rows, latestDrawn.current)) return;
      if (found.note) report.say(found.note);
      else if (found.source === "map")
        report.say("This run has no neighbor graph, so these are the nearest on the map.");
    } catch (error) {
      if (wanted()) report.fail((error as Error).message);
    }
  };
  const moreLikeThis = () => {
    if (judged) selectNearest((count) => wire.similar(judged, count), "add");
  };

  // a closed panel leaves no selection behind that nobody could clear
  useEffect(() => {
    closed.current = false;
    return () => {
      closed.current = true;
      turns.current++;
      if (shown.current) latestClearGrid.current();
    };
  }, []);

  const keys: Shortcut[] = [
    { key: "a", does: "Select all", run: () => select(drawn ?? noRows(length).fill(1)) },
    { key: "i", does: "Invert the selection", run: invert },
    { key: "m", does: "More like this", run: moreLikeThis },
    { key: "Esc", does: "Clear the selection", run: clear },
  ];
  const nearest = (selected && orders.current.get(selected)) ?? NO_ORDER;
  const gestures = { select, clear, invert, clickRow, selectNearest, moreLikeThis };
  return { selected, judged, nearest, howMany, setHowMany, ...gestures, keys };
}

export type LabelSelection = ReturnType<typeof useSelection>;
