import * as fos from "@fiftyone/state";
import React, { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { useRecoilValue } from "recoil";
import { Shortcuts } from "../../app/Shortcuts";
import { Status } from "../../app/Status";
import { type Shortcut, useShortcuts } from "../../app/useShortcuts";
import { useUndo } from "../../app/useUndo";
import type { RGB } from "./colors";
import { countCodes } from "./counting";
import { useCategoryColors } from "./hooks/useCategoryColors";
import { useClusters } from "./hooks/useClusters";
import { useColoring } from "./hooks/useColoring";
import { useColumn } from "./hooks/useColumn";
import { useReview } from "./hooks/useReview";
import { useReviewKeys } from "./hooks/useReviewKeys";
import { useSelection } from "./hooks/useSelection";
import { useTagging } from "./hooks/useTagging";
import { useVisible } from "./hooks/useVisible";
import { ClusterList } from "./parts/ClusterList";
import { ColorBy } from "./parts/ColorBy";
import { HoverCard } from "./parts/HoverCard";
import { type Hover, MapView, type Mode, type Place } from "./parts/MapView";
import { ReviewQueue } from "./parts/ReviewQueue";
import { SelectionDrawer } from "./parts/SelectionDrawer";
import { Side } from "./parts/Side";
import { TagBar } from "./parts/TagBar";
import { Tools, Views } from "./parts/Tools";
import { type Combine, countRows, everyRows, type Rows, rowsOf } from "./rows";
import type { OpenRun, Wire } from "./wire";

const MORE = 50;
const DARK: RGB = [24, 24, 24];
const LIGHT: RGB = [250, 250, 250];

/** One run on the map, and everything that is done with its labels. */
export function Judge({
  wire,
  opened,
  picker,
  onStale,
}: {
  wire: Wire;
  opened: OpenRun;
  picker: React.ReactNode;
  onStale: () => void;
}) {
  const { points, dims, attributes, labelPath, confidencePath } = opened;
  const length = points.length / dims;
  const run = useMemo(() => wire.of(opened.run), [wire, opened.run]);
  const tagsPath =
    attributes.find(({ kind, scope }) => kind === "tags" && scope === "label")?.path ?? null;

  const [mode, setMode] = useState<Mode>("lasso");
  const [density, setDensity] = useState(false);
  const [helping, setHelping] = useState(false);
  const [reviewing, setReviewing] = useState(false);
  const [hover, setHover] = useState<Hover | null>(null);
  const [pointed, setPointed] = useState<number | null>(null);
  const [place, setPlace] = useState<Place | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  /** counts what the panel changed in the dataset, so that everything read before is read again */
  const [edition, setEdition] = useState(0);
  const root = useRef<HTMLElement>(null);
  const legendSearch = useRef<HTMLInputElement>(null);

  const { remember, undo } = useUndo();
  const coloring = useColoring(run, attributes, labelPath, edition, setProblem);
  const { column: labels } = useColumn(run, labelPath, edition, setProblem);
  const { column: confidences } = useColumn(run, confidencePath, edition, setProblem);
  const known = useMemo(
    () => [labels, confidences, coloring.column],
    [labels, confidences, coloring.column],
  );
  const { visible, waiting } = useVisible(run, length, known, edition, setProblem);
  const drawn = useMemo(() => everyRows([visible, coloring.shown]), [visible, coloring.shown]);
  const { selected, select, invert } = useSelection(run, remember, setProblem);
  const judged = useMemo(
    () => (selected ? everyRows([selected, visible]) : null),
    [selected, visible],
  );
  const { column: tags } = useColumn(run, selected ? tagsPath : null, edition, setProblem);

  const changed = useCallback(() => setEdition((n) => n + 1), []);
  const tagging = useTagging({
    wire,
    run,
    judged,
    remember,
    onChanged: changed,
    onProblem: setProblem,
    onStale,
  });
  const clusters = useClusters(run, labelPath, (center, rows) => {
    setPlace({ center });
    select(rows);
  });

  const review = useReview({
    wire: run,
    open: reviewing,
    remember,
    onProblem: setProblem,
    onStale,
  });
  const endReview = () => {
    setReviewing(false);
    changed();
  };

  const labelCounts = useMemo(
    () =>
      labels?.kind === "categorical"
        ? countCodes(labels.codes, labels.categories.length + 1, null)
        : null,
    [labels],
  );
  const labelColors = useCategoryColors(labels, labelCounts);
  const backdrop = useRecoilValue(fos.theme) === "light" ? LIGHT : DARK;

  const clickRow = (row: number | null, how: Combine) => {
    if (row !== null) select(rowsOf(length, [row]), how);
    else if (how === "replace") select(null);
  };
  const openRow = (row: number) =>
    run.openSample(row).catch((error: Error) => setProblem(error.message));
  const moreLikeThis = () => {
    if (!judged) return;
    run.similar(judged, MORE).then(
      ({ rows, source }) => {
        select(rowsOf(length, rows), "add");
        if (source === "map")
          tagging.say("This run kept no neighbor graph, so these are the nearest on the map.");
      },
      (error: Error) => setProblem(error.message),
    );
  };

  const asking = useReviewKeys(review, openRow, endReview, undo);
  const startReview = () => setReviewing(opened.run.patchesField !== null);

  const toggleDensity = () => setDensity(!density);
  const toggleClusters = () => clusters.setOpen(!clusters.open);
  const toggleKeys = () => setHelping(!helping);
  const seeAll = () => setPlace({ everything: true });
  const shortcuts: Shortcut[] = [
    { key: "t", does: `Tag the selection '${tagging.tag}'`, run: () => tagging.apply(false) },
    { key: "r", does: `Remove the tag '${tagging.tag}'`, run: () => tagging.apply(true) },
    { key: "z", does: "Undo", run: undo },
    { key: "s", does: "Save the tag as a view", run: tagging.saveView },
    { key: "x", does: "Exclude flagged labels", run: () => tagging.exclude("labels") },
    { key: "l", does: "Lasso", run: () => setMode("lasso") },
    { key: "b", does: "Box", run: () => setMode("box") },
    { key: "v", does: "Move the map", run: () => setMode("explore") },
    { key: "+", does: "Zoom in", run: () => setPlace({ zoom: 1.5 }) },
    { key: "-", does: "Zoom out", run: () => setPlace({ zoom: 1 / 1.5 }) },
    { key: "f", does: "See the whole map", run: seeAll },
    { key: "i", does: "Invert the selection", run: () => invert(length, drawn) },
    { key: "a", does: "Select all", run: () => select(drawn ?? new Uint8Array(length).fill(1)) },
    { key: "m", does: "More like this", run: moreLikeThis },
    { key: "d", does: "Density", run: toggleDensity },
    { key: "c", does: "Clusters", run: toggleClusters },
    { key: "q", does: "Review the most suspicious labels", run: startReview },
    { key: "n", does: "Next cluster", run: () => clusters.next(1) },
    { key: "p", does: "Previous cluster", run: () => clusters.next(-1) },
    { key: "/", does: "Search the legend", run: () => legendSearch.current?.focus() },
    {
      key: "Esc",
      does: "Clear the selection",
      run: () => (helping ? setHelping(false) : select(null)),
    },
    { key: "?", does: "These keys", run: toggleKeys },
  ];
  const keys = reviewing
    ? [...asking.keys, { key: "?", does: "These keys", run: toggleKeys }]
    : shortcuts;
  const onKeyDown = useShortcuts(keys);
  // what was clicked may be gone with the label that was answered, the keys must not go with it
  // biome-ignore lint/correctness/useExhaustiveDependencies: so do other labels
  useEffect(() => {
    if (!asking.picking) root.current?.focus({ preventScroll: true });
  }, [reviewing, review.items, asking.picking]);

  return (
    <section
      ref={root}
      className="lv-judge"
      aria-label="Label embeddings"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: a click gives it the focus, for its keys
      tabIndex={0}
      onKeyDown={onKeyDown}
    >
      <header className="lv-toolbar">
        {picker}
        <ColorBy
          attributes={attributes}
          path={coloring.path}
          loading={coloring.loading}
          onChange={coloring.setPath}
        />
        {opened.run.patchesField !== null && (
          <button
            type="button"
            className="lv-button"
            aria-pressed={reviewing}
            title="Asks about the most suspicious labels, one after the other"
            onClick={reviewing ? endReview : startReview}
          >
            Review <kbd>q</kbd>
          </button>
        )}
        <Tools mode={mode} dims={dims} onMode={setMode} />
        <Views
          views={[
            { icon: "zoom_out_map", label: "See the whole map", shortcut: "f", onClick: seeAll },
            {
              icon: "blur_on",
              label: "Density",
              shortcut: "d",
              active: density,
              onClick: toggleDensity,
            },
            {
              icon: "bubble_chart",
              label: "Clusters",
              shortcut: "c",
              active: clusters.open,
              onClick: toggleClusters,
            },
            {
              icon: "keyboard",
              label: "Keys",
              shortcut: "?",
              active: helping,
              onClick: toggleKeys,
            },
          ]}
        />
      </header>

      <div className="lv-stage" data-reviewing={reviewing}>
        {reviewing && (
          <ReviewQueue
            wire={run}
            review={review}
            edition={edition}
            paged={asking.paged}
            current={asking.current}
            picking={asking.picking}
            verdicts={asking.verdicts}
            onPaged={asking.setPaged}
            onCurrent={asking.setCurrent}
            onPick={asking.pick}
            onOpen={openRow}
            onClose={endReview}
          />
        )}
        {clusters.open && !reviewing && (
          <ClusterList
            clusters={clusters.found}
            problem={clusters.problem}
            current={clusters.current}
            onStrangers={(index) => clusters.go(index)}
            onWhole={(index) => clusters.go(index, true)}
          />
        )}
        <div className="lv-map-frame">
          <MapView
            points={points}
            dims={dims}
            paint={coloring.paint}
            visible={drawn}
            selected={selected}
            mode={mode}
            density={density}
            backdrop={backdrop}
            pointed={(reviewing ? asking.item?.row : pointed) ?? hover?.row ?? null}
            place={place}
            onSelect={select}
            onClickRow={clickRow}
            onOpenRow={openRow}
            onHover={setHover}
          />
          {hover && <HoverCard wire={run} hover={hover} edition={edition} />}
          {helping && <Shortcuts shortcuts={keys} onClose={() => setHelping(false)} />}
          <div className="lv-count" aria-live="polite">
            {describeCounts(length, drawn, judged, waiting)}
          </div>
          {visible && countRows(visible) === 0 && !waiting && (
            <div className="lv-message lv-over">
              <p>No label of this run is in the current view with the sidebar's filters.</p>
              <button type="button" className="lv-button" onClick={coloring.clearFilters}>
                Clear the filters
              </button>
            </div>
          )}
        </div>
        {!reviewing && (
          <Side coloring={coloring} confidences={confidences} searchRef={legendSearch} />
        )}
      </div>

      {!reviewing && (
        <TagBar
          tagging={tagging}
          count={judged ? countRows(judged) : 0}
          hasLabels={opened.run.patchesField !== null}
          onMore={moreLikeThis}
          onInvert={() => invert(length, drawn)}
          onClear={() => select(null)}
          onUndo={undo}
        />
      )}
      {judged && !reviewing && (
        <SelectionDrawer
          wire={run}
          rows={judged}
          first={clusters.strangers}
          labels={labels}
          labelColors={labelColors}
          confidences={confidences}
          tags={tags}
          edition={edition}
          onNarrow={(rows) => select(rows, "intersect")}
          onPoint={setPointed}
          onOpen={openRow}
        />
      )}
      <Status
        sentence={reviewing ? review.sentence : tagging.sentence}
        problem={problem}
        onUndo={reviewing || tagging.canUndo ? undo : null}
        onClose={() => {
          setProblem(null);
          tagging.say(null);
          review.say(null);
        }}
      />
    </section>
  );
}

function describeCounts(length: number, drawn: Rows | null, judged: Rows | null, waiting: boolean) {
  const parts = [`${length.toLocaleString()} points`];
  if (drawn) parts.push(`${countRows(drawn).toLocaleString()} in view`);
  if (judged) parts.push(`${countRows(judged).toLocaleString()} selected`);
  if (waiting) parts.push("asking the database…");
  return parts.join(" · ");
}
