import React, { useCallback, useEffect, useMemo, useReducer, useRef, useState } from "react";
import { History } from "../../app/History";
import { openReviews, useOpened } from "../../app/opening";
import { Status } from "../../app/Status";
import type { Shortcut } from "../../app/shortcuts";
import { useKeys } from "../../app/useKeys";
import { useReport } from "../../app/useReport";
import { useUndo } from "../../app/useUndo";
import { useAudit } from "./hooks/useAudit";
import { useClassPairs } from "./hooks/useClassPairs";
import { useClusters } from "./hooks/useClusters";
import { useColoring } from "./hooks/useColoring";
import { useFields } from "./hooks/useFields";
import { useLabels } from "./hooks/useLabels";
import { useMany } from "./hooks/useMany";
import { useMapLook } from "./hooks/useMapLook";
import { useReviewer } from "./hooks/useReviewer";
import { useReviewQueue } from "./hooks/useReviewQueue";
import { useSearch } from "./hooks/useSearch";
import { useSelection } from "./hooks/useSelection";
import { useTagging } from "./hooks/useTagging";
import { useVisible } from "./hooks/useVisible";
import { ClassList } from "./parts/ClassList";
import { ClusterList } from "./parts/ClusterList";
import { ManyMenu } from "./parts/ManyMenu";
import { MapFrame } from "./parts/MapFrame";
import { ReviewPage } from "./parts/ReviewPage";
import { SearchBox } from "./parts/SearchBox";
import { SelectionDrawer } from "./parts/SelectionDrawer";
import { Side } from "./parts/Side";
import { TagBar } from "./parts/TagBar";
import { Toolbar } from "./parts/Toolbar";
import { rowsOf } from "./rows";
import type { OpenRun, Wire } from "./wire";

/** One run on the map. Its labels are selected and tagged, or reviewed one after the other. */
export function RunPage({
  wire,
  datasetName,
  opened,
  picker,
  asksSample,
  onSample,
  onStale,
}: {
  wire: Wire;
  datasetName: string | null;
  opened: OpenRun;
  picker: React.ReactNode;
  /** whether another panel asks for the random sample, until `onSample` was called */
  asksSample: boolean;
  onSample: () => void;
  onStale: () => void;
}) {
  const { points, dims, attributes, labelPath, fieldPath } = opened;
  const length = points.length / dims;
  const hasLabels = opened.run.patchesField !== null;
  const run = useMemo(() => wire.of(opened.run), [wire, opened.run]);
  const list = useCallback((most: number) => wire.changes(most), [wire]);
  const openReview = useOpened(openReviews, datasetName);
  // one that another panel asks for begins with its sample
  const reviewing = hasLabels && !asksSample && openReview?.run === opened.run.run;
  const [pointed, setPointed] = useState<number | null>(null);
  /** counts what the panel changed in the dataset, so that everything read before is read again */
  const [edition, changed] = useReducer((before: number) => before + 1, 0);
  const [message, report] = useReport();
  const { remember, forget, undo } = useUndo();
  useEffect(() => {
    if (opened.run.note) report.fail(opened.run.note);
  }, [opened.run.note, report]);

  // of several fields, where they lie apart is what is looked at first
  const coloring = useColoring(run, attributes, fieldPath ?? labelPath, edition, report.fail);
  const labels = useLabels(run, opened, edition, report.fail);
  const fields = useFields(run, fieldPath, edition, report.fail);
  const visible = useVisible(run, length, labels, coloring, fields, edition, report.fail);
  const look = useMapLook();
  const selection = useSelection({ wire: run, length, ...visible, remember, report });
  const { judged } = selection;
  const search = useSearch(run, selection, report);
  const tagging = useTagging({
    wire,
    run,
    judged,
    remember,
    report,
    onChanged: changed,
    onStale,
  });
  const many = useMany({ run, perform: tagging.change });
  const clusters = useClusters(run, labelPath, (center, rows) => {
    look.setPlace({ center });
    selection.select(rows);
  });
  const classes = useClassPairs(run, edition, tagging.change);
  const selectClass = (label: string) => {
    if (labels.classes?.kind !== "categorical") return;
    const code = 1 + labels.classes.categories.indexOf(label);
    selection.select(Uint8Array.from(labels.classes.codes, (other) => Number(other === code)));
  };
  // there is room for one list beside the map
  const { open: clustersOpen, close: closeClusters } = clusters;
  const { open: classesOpen, close: closeClasses } = classes;
  useEffect(() => {
    if (clustersOpen) closeClasses();
  }, [clustersOpen, closeClasses]);
  useEffect(() => {
    if (classesOpen) closeClusters();
  }, [classesOpen, closeClusters]);

  const openRow = (row: number, annotate = false) =>
    run.openSample(row, annotate).catch((error: Error) => report.fail(error.message));
  const audit = useAudit(run, report, reviewing && openReview.sample);
  const startReview = useCallback(() => {
    if (hasLabels) openReviews.set(datasetName, { run: opened.run.run, sample: audit.open });
  }, [datasetName, opened.run.run, hasLabels, audit.open]);
  useEffect(() => {
    if (reviewing) startReview();
  }, [reviewing, startReview]);
  const review = useReviewQueue({
    wire,
    run,
    open: reviewing,
    audit: audit.open && audit.begun + 1,
    remember,
    report,
    onStale,
  });
  const reviewer = useReviewer(review, openRow, report);
  // biome-ignore lint/correctness/useExhaustiveDependencies: what it calls is another each time
  useEffect(() => {
    if (!asksSample) return;
    audit.goOn().then((goesOn) => {
      if (goesOn) startReview();
      onSample();
    });
  }, [asksSample]);
  const endReview = () => {
    openReviews.set(datasetName, null);
    changed();
  };

  const undoChange = async (token: string) => {
    if (await tagging.undo(token)) forget(token);
    review.readAgain();
  };

  const legendSearch = useRef<HTMLInputElement>(null);
  const undoKey: Shortcut = { key: "z", does: "Undo", run: undo };
  const keys = useKeys(
    reviewing
      ? [
          ...reviewer.keys,
          ...audit.keys,
          undoKey,
          { key: "q", does: "Back to the map", run: endReview },
          { key: "Esc", does: "Back to the map", run: endReview },
        ]
      : [
          ...tagging.keys,
          undoKey,
          ...selection.keys,
          ...search.keys,
          ...look.keys,
          ...clusters.keys,
          ...(hasLabels ? classes.keys : []),
          { key: "q", does: "Review the most suspicious labels", run: startReview },
          { key: "/", does: "Search the legend", run: () => legendSearch.current?.focus() },
        ],
    true,
  );
  // what was clicked may be gone with the label that was answered, the keys must not go with it
  // biome-ignore lint/correctness/useExhaustiveDependencies: so do other labels
  useEffect(() => {
    if (!reviewer.picking) keys.focus();
  }, [reviewing, review.items, reviewer.picking, keys.focus]);

  return (
    <section
      {...keys.frame}
      {...(reviewing ? {} : search.frame)}
      className="lv-page"
      aria-label="Label embeddings"
    >
      <Toolbar
        {...{ picker, opened, coloring, look, clusters, keys, reviewing }}
        classes={hasLabels ? classes : null}
        history={<History list={list} onUndo={undoChange} />}
        search={!reviewing && <SearchBox {...{ search, selection }} onLeave={keys.focus} />}
        onReview={hasLabels ? (reviewing ? endReview : startReview) : null}
      />
      <div className="lv-stage" data-reviewing={reviewing}>
        {reviewing ? (
          <ReviewPage
            {...{ wire: run, review, reviewer, audit, edition }}
            onOpen={openRow}
            onClose={endReview}
          />
        ) : (
          <>
            {clusters.open && <ClusterList clusters={clusters} />}
            {classes.open && (
              <ClassList
                classes={classes}
                fields={opened.run.fields}
                onConfused={(pair) => selection.select(rowsOf(length, pair.rows))}
                onClass={selectClass}
              />
            )}
          </>
        )}
        <MapFrame
          {...{ wire: run, opened, coloring, visible, selection, look, edition }}
          doing={search.doing}
          pointed={reviewing ? (reviewer.item?.row ?? null) : pointed}
          onOpen={openRow}
        />
        {!reviewing && (
          <Side
            {...{ coloring, fields }}
            confidences={labels.confidences}
            searchRef={legendSearch}
          />
        )}
      </div>
      {!reviewing && (
        <TagBar tagging={tagging} selection={selection} hasLabels={hasLabels} onUndo={undo}>
          {hasLabels && (
            <ManyMenu
              many={many}
              rows={judged}
              classes={labels.classes?.kind === "categorical" ? labels.classes.categories : []}
              disabled={tagging.busy}
            />
          )}
        </TagBar>
      )}
      {judged && !reviewing && (
        <SelectionDrawer
          {...{ wire: run, attributes, fields, labels, edition }}
          rows={judged}
          first={selection.nearest.length ? selection.nearest : clusters.strangers}
          onNarrow={(rows) => selection.select(rows, "intersect")}
          onPoint={setPointed}
          onOpen={openRow}
          onProblem={report.fail}
        />
      )}
      <Status message={message} onUndo={undo} onClose={report.clear} />
      {keys.keyList}
    </section>
  );
}
