import * as fos from "@fiftyone/state";
import React, { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { useRecoilState, useRecoilValue } from "recoil";
import { paintRows, type RGB } from "./colors";
import { countCodes, histogram, spanOf } from "./counting";
import {
  filterHiding,
  filterRange,
  hiddenCategories,
  type Range,
  rangeOf,
  withFilter,
} from "./filters";
import { useCategoryColors } from "./hooks/useCategoryColors";
import { useClusters } from "./hooks/useClusters";
import { useColumn } from "./hooks/useColumn";
import { useSelection } from "./hooks/useSelection";
import { type Shortcut, useShortcuts } from "./hooks/useShortcuts";
import { useTagging } from "./hooks/useTagging";
import { useUndo } from "./hooks/useUndo";
import { useVisible } from "./hooks/useVisible";
import { ClusterList } from "./parts/ClusterList";
import { ColorBy } from "./parts/ColorBy";
import { HoverCard } from "./parts/HoverCard";
import { IconButton } from "./parts/Icon";
import { Legend } from "./parts/Legend";
import { type Hover, MapView, type Mode, type Place } from "./parts/MapView";
import { RangeBar } from "./parts/RangeBar";
import { SelectionDrawer } from "./parts/SelectionDrawer";
import { Shortcuts } from "./parts/Shortcuts";
import { Status } from "./parts/Status";
import { TagBar } from "./parts/TagBar";
import { type Combine, countRows, everyRows, type Rows, rowsOf } from "./rows";
import type { OpenRun, Wire } from "./wire";

const BINS = 50;
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

  const [colorPath, setColorPath] = useState(labelPath);
  const [mode, setMode] = useState<Mode>("lasso");
  const [density, setDensity] = useState(false);
  const [helping, setHelping] = useState(false);
  const [hover, setHover] = useState<Hover | null>(null);
  const [pointed, setPointed] = useState<number | null>(null);
  const [place, setPlace] = useState<Place | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  /** counts what the panel changed in the dataset, so that everything read before is read again */
  const [edition, setEdition] = useState(0);
  const root = useRef<HTMLElement>(null);
  const legendSearch = useRef<HTMLInputElement>(null);

  const { remember, undo } = useUndo();
  const { column, loading } = useColumn(run, colorPath, edition, setProblem);
  const { column: labels } = useColumn(run, labelPath, edition, setProblem);
  const { column: confidences } = useColumn(run, confidencePath, edition, setProblem);
  const known = useMemo(() => [labels, confidences, column], [labels, confidences, column]);
  const { visible, waiting } = useVisible(run, length, known, edition, setProblem);
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
  const clusters = useClusters(run, labelPath);

  // what the sidebar's filters say of the attribute that colors, and back
  const [filters, setFilters] = useRecoilState(fos.filters);
  const attribute = attributes.find(({ path }) => path === colorPath);
  const setFilter = (path: string, filter: Record<string, unknown> | null) =>
    setFilters(withFilter(filters, path, filter));
  const [hiddenHere, setHiddenHere] = useState<Set<string>>(new Set());
  // biome-ignore lint/correctness/useExhaustiveDependencies: another attribute starts with all shown
  useEffect(() => setHiddenHere(new Set()), [colorPath]);
  // a set of tags has no filter of its own in the sidebar, so it is hidden in the map alone
  const local = attribute?.kind === "tags";
  const hidden = useMemo(() => {
    if (column?.kind !== "categorical") return new Set<string>();
    return local ? hiddenHere : hiddenCategories(filters[column.path], column.categories);
  }, [column, filters, local, hiddenHere]);
  const drawn = useMemo(() => {
    if (!local || hidden.size === 0 || column?.kind !== "categorical") return visible;
    const shown = Uint8Array.from([1, ...column.categories.map((c) => Number(!hidden.has(c)))]);
    return everyRows([visible, Uint8Array.from(column.codes, (code) => shown[code])]);
  }, [visible, local, hidden, column]);

  const counts = useMemo(
    () =>
      column?.kind === "categorical"
        ? countCodes(column.codes, column.categories.length + 1, null)
        : null,
    [column],
  );
  const labelCounts = useMemo(
    () =>
      labels?.kind === "categorical"
        ? countCodes(labels.codes, labels.categories.length + 1, null)
        : null,
    [labels],
  );
  const palette = useCategoryColors(column, counts);
  const labelColors = useCategoryColors(labels, labelCounts);
  const span = useMemo(
    () => (column?.kind === "continuous" ? spanOf(column.values) : ([0, 1] as Range)),
    [column],
  );
  const paint = useCallback(
    (looks: Uint8Array) => paintRows(looks, column, palette, span),
    [column, palette, span],
  );

  const backdrop = useRecoilValue(fos.theme) === "light" ? LIGHT : DARK;
  const clickRow = (row: number | null, how: Combine) => {
    if (row !== null) select(rowsOf(length, [row]), how);
    else if (how === "replace") select(null);
  };
  const goToCluster = (index: number, whole = false) => {
    const cluster = clusters.found?.[index];
    if (!cluster || !clusters.codes) return;
    clusters.setCurrent(index);
    setPlace({ center: cluster.center });
    select(
      whole
        ? Uint8Array.from(clusters.codes, (code) => Number(code === cluster.code))
        : rowsOf(length, cluster.strangers),
    );
  };
  const nextCluster = (step: number) => {
    const found = clusters.found;
    if (!found) return clusters.setOpen(true);
    const withStrangers = found.flatMap(({ strangers }, i) => (strangers.length ? [i] : []));
    if (withStrangers.length === 0) return;
    const at = withStrangers.indexOf(clusters.current ?? -1);
    const next = at < 0 ? (step > 0 ? 0 : -1) : at + step;
    goToCluster(withStrangers.at(next % withStrangers.length) as number);
  };
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
  const firstRows = useMemo(
    () => (clusters.current === null ? [] : (clusters.found?.[clusters.current]?.strangers ?? [])),
    [clusters.current, clusters.found],
  );

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
    { key: "f", does: "See the whole map", run: () => setPlace({ everything: true }) },
    { key: "i", does: "Invert the selection", run: () => invert(length, drawn) },
    { key: "a", does: "Select all", run: () => select(drawn ?? new Uint8Array(length).fill(1)) },
    { key: "m", does: "More like this", run: moreLikeThis },
    { key: "d", does: "Density", run: () => setDensity(!density) },
    { key: "c", does: "Clusters", run: () => clusters.setOpen(!clusters.open) },
    { key: "n", does: "Next cluster", run: () => nextCluster(1) },
    { key: "p", does: "Previous cluster", run: () => nextCluster(-1) },
    { key: "/", does: "Search the legend", run: () => legendSearch.current?.focus() },
    {
      key: "Esc",
      does: "Clear the selection",
      run: () => (helping ? setHelping(false) : select(null)),
    },
    { key: "?", does: "These keys", run: () => setHelping(!helping) },
  ];
  const onKeyDown = useShortcuts(shortcuts);
  useEffect(() => root.current?.focus({ preventScroll: true }), []);

  const confidenceCounts = useMemo(() => {
    if (confidences?.kind !== "continuous") return null;
    const confidenceSpan = spanOf(confidences.values);
    return {
      span: confidenceSpan,
      counts: histogram(confidences.values, confidenceSpan, BINS, null),
    };
  }, [confidences]);
  const colorCounts = useMemo(
    () => (column?.kind === "continuous" ? histogram(column.values, span, BINS, null) : null),
    [column, span],
  );

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
          path={colorPath}
          loading={loading}
          onChange={setColorPath}
        />
        <fieldset className="lv-tools" aria-label="Tools">
          <IconButton
            icon="gesture"
            label="Lasso"
            shortcut="l"
            active={mode === "lasso"}
            onClick={() => setMode("lasso")}
          />
          <IconButton
            icon="highlight_alt"
            label="Box"
            shortcut="b"
            active={mode === "box"}
            onClick={() => setMode("box")}
          />
          <IconButton
            icon="open_with"
            label={dims === 3 ? "Turn the map" : "Move the map"}
            shortcut="v"
            active={mode === "explore"}
            onClick={() => setMode("explore")}
          />
        </fieldset>
        <fieldset className="lv-tools" aria-label="Views">
          <IconButton
            icon="zoom_out_map"
            label="See the whole map"
            shortcut="f"
            onClick={() => setPlace({ everything: true })}
          />
          <IconButton
            icon="blur_on"
            label="Density"
            shortcut="d"
            active={density}
            onClick={() => setDensity(!density)}
          />
          <IconButton
            icon="bubble_chart"
            label="Clusters"
            shortcut="c"
            active={clusters.open}
            onClick={() => clusters.setOpen(!clusters.open)}
          />
          <IconButton
            icon="keyboard"
            label="Keys"
            shortcut="?"
            active={helping}
            onClick={() => setHelping(!helping)}
          />
        </fieldset>
      </header>

      <div className="lv-stage">
        {clusters.open && (
          <ClusterList
            clusters={clusters.found}
            problem={clusters.problem}
            current={clusters.current}
            onStrangers={(index) => goToCluster(index)}
            onWhole={(index) => goToCluster(index, true)}
          />
        )}
        <div className="lv-map-frame">
          <MapView
            points={points}
            dims={dims}
            paint={paint}
            visible={drawn}
            selected={selected}
            mode={mode}
            density={density}
            backdrop={backdrop}
            pointed={pointed ?? hover?.row ?? null}
            place={place}
            onSelect={select}
            onClickRow={clickRow}
            onOpenRow={(row) =>
              run.openSample(row).catch((error: Error) => setProblem(error.message))
            }
            onHover={setHover}
          />
          {hover && <HoverCard wire={run} hover={hover} edition={edition} />}
          {helping && <Shortcuts shortcuts={shortcuts} onClose={() => setHelping(false)} />}
          <div className="lv-count" aria-live="polite">
            {describeCounts(length, drawn, judged, waiting)}
          </div>
          {visible && countRows(visible) === 0 && !waiting && (
            <div className="lv-message lv-over">
              <p>No label of this run is in the current view with the sidebar's filters.</p>
              <button type="button" className="lv-button" onClick={() => setFilters({})}>
                Clear the filters
              </button>
            </div>
          )}
        </div>
        <aside className="lv-side">
          {column?.kind === "categorical" && counts && (
            <Legend
              categories={column.categories}
              counts={counts}
              colors={palette}
              hidden={hidden}
              searchRef={legendSearch}
              onChange={(next) =>
                local
                  ? setHiddenHere(next)
                  : setFilter(
                      column.path,
                      filterHiding(next, column.categories, attribute?.kind ?? "categorical"),
                    )
              }
            />
          )}
          {column?.kind === "continuous" && colorCounts && (
            <RangeBar
              label={attribute?.name ?? column.path}
              counts={colorCounts}
              span={span}
              range={rangeOf(filters[column.path], span)}
              colored
              onChange={(range) => setFilter(column.path, filterRange(range, span))}
            />
          )}
          {confidencePath && confidencePath !== colorPath && confidenceCounts && (
            <RangeBar
              label="confidence"
              counts={confidenceCounts.counts}
              span={confidenceCounts.span}
              range={rangeOf(filters[confidencePath], confidenceCounts.span)}
              colored={false}
              onChange={(range) =>
                setFilter(confidencePath, filterRange(range, confidenceCounts.span))
              }
            />
          )}
        </aside>
      </div>

      <TagBar
        tagging={tagging}
        count={judged ? countRows(judged) : 0}
        hasLabels={opened.run.patchesField !== null}
        onMore={moreLikeThis}
        onInvert={() => invert(length, drawn)}
        onClear={() => select(null)}
        onUndo={undo}
      />
      {judged && (
        <SelectionDrawer
          wire={run}
          rows={judged}
          first={firstRows}
          labels={labels}
          labelColors={labelColors}
          confidences={confidences}
          tags={tags}
          edition={edition}
          onNarrow={(rows) => select(rows, "intersect")}
          onPoint={setPointed}
          onOpen={(row) => run.openSample(row).catch((error: Error) => setProblem(error.message))}
        />
      )}
      <Status
        sentence={tagging.sentence}
        problem={problem}
        onUndo={tagging.canUndo ? undo : null}
        onClose={() => {
          setProblem(null);
          tagging.say(null);
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
