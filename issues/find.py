"""What is suspected, in and out of a dataset: attributes of the labels, written in bulk.

The attributes are ordinary fields of the dataset's schema: the sidebar filters by them, the panels
color by them, and they are readable where labelvet is not installed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from dataclasses import field as attribute
from threading import Event
from typing import Any

import fiftyone as fo
import numpy as np
from bson import ObjectId
from numpy.typing import NDArray
from pymongo import UpdateOne

from ..core.errors import InvalidParameter, NoPatches, StaleRun
from ..core.progress import WRITING, Progress
from ..core.sentences import agree, count
from ..core.table import pair_ids
from ..dataset.brain_runs import (
    find_run,
    first_field_notes,
    load_neighbor_graph,
    raise_if_deleted,
    run_field,
    stored_results,
)
from ..dataset.documents import now
from ..dataset.open_patches import WrittenLabel, remove_attributes, write_attributes
from ..dataset.patches import (
    PatchTable,
    is_of_whole_images,
    label_path,
    list_comparable_fields,
    list_masked,
    list_stored_fields,
    match_ids,
    read_stored,
)
from ..dataset.patches import read_tags as read_stored_tags
from ..dataset.schema import (
    Attribute,
    check_attributes,
    check_labels,
    check_writable,
    declare_attributes,
    is_owned,
)
from ..dataset.states import REJECTED_TAG
from ..dataset.storage import Storage, locate
from ..dataset.stored_embeddings import load_embeddings
from ..dataset.tracks import read_moments, read_tracks
from ..embeddings.neighbors import NeighborGraph
from .attributes import (
    ATTRIBUTES,
    DUPLICATE,
    EVIDENCE,
    GEOMETRY,
    ISSUE,
    ISSUES,
    MISLABELED,
    MISPLACED,
    MISSED,
    OWNER,
    REASON,
    SPURIOUS,
    SUGGESTED,
    SUGGESTED_ALL,
    SUGGESTED_BOX,
    SUSPICION,
)
from .findings import delete_findings, save_findings
from .geometry import GEOMETRY_KINDS, count_geometry, find_geometry, name_geometry
from .kinds import BACKGROUND, BADLY_PLACED, RIGHT, WRONG_CLASS
from .kinds import DUPLICATE as REPEATED
from .masks import MASK_KINDS, find_masks
from .missed import LIKELY_MISSED, score_uncovered
from .missed_tags import (
    check_missed_field,
    list_missed_fields,
    missed_field,
    remove_missed_tags,
    write_missed_tags,
)
from .opinions import Opinions, align, ask
from .reasons import Reasons
from .suspicion import Suspicion, find_suspects
from .tags import MissedTag, SuspectedTags, TagReasons, find_tag_suspects, has_tags
from .tracks import link_frames

# what the kinds of errors are called in the attributes
_ISSUE_OF = {
    WRONG_CLASS: MISLABELED, BADLY_PLACED: MISPLACED, BACKGROUND: SPURIOUS, REPEATED: DUPLICATE,
}  # fmt: skip
# a reason is written for these, the others have none to speak of
_WORTH_A_REASON = 0.2
_SAMPLES_PER_WRITE = 2000
# masks take memory, and their progress is told after so many images
_MASKED_AT_ONCE = 200


@dataclass(frozen=True)
class LabelIssues:
    """What :func:`find_label_issues` found and wrote.

    Attributes:
        patches_field: the field that was judged
        checked: how many labels were judged
        counts: ``{issue: labels}``
        missing: labels of the run that could not be judged, as their embeddings are gone or their
            boxes cannot be compared
        elsewhere: missed objects found in the second fields
        notes: sentences on what cannot be known
        geometry: ``{name: labels}`` of what is conspicuous about boxes and masks, judged or not
        missed_tags: ``{class: images}`` of the classes that images with several probably miss
    """

    patches_field: str
    checked: int
    counts: dict[str, int]
    missing: int
    elsewhere: int
    notes: list[str]
    geometry: dict[str, int] = attribute(default_factory=dict)
    missed_tags: dict[str, int] = attribute(default_factory=dict)

    def summary(self) -> str:
        """Returns a few sentences that tell what was found."""
        found = ", ".join(f"{number:,} {issue}" for issue, number in self.counts.items() if number)
        sentences = [f"{count(self.checked, 'label')} checked: {found or 'nothing stands out'}."]
        if self.elsewhere:
            sentences.append(
                f"{count(self.elsewhere, 'label')} in other fields may show "
                f"{agree(self.elsewhere, 'an object', 'objects')} that no accepted label shows."
            )
        if missed := sum(self.missed_tags.values()):
            are = agree(missed, "is", "are")
            sentences.append(
                f"{count(missed, 'class', 'classes')} of images {are} probably missed: "
                f"'{missed_field(self.patches_field)}' has {agree(missed, 'it', 'them')}."
            )
        if any(self.geometry.values()):
            sentences.append(describe_geometry(self.geometry))
        if self.missing:
            sentences.append(
                f"{count(self.missing, 'label')} {agree(self.missing, 'was', 'were')} not "
                "checked: the embedding is gone, or the box cannot be compared."
            )
        return " ".join(sentences + self.notes)


@dataclass(frozen=True)
class BoxCheck:
    """What :func:`check_boxes` found and wrote.

    Attributes:
        patches_field: the field
        checked: how many labels it has
        geometry: ``{name: labels}`` of what is conspicuous about boxes, and masks if there are any
    """

    patches_field: str
    checked: int
    geometry: dict[str, int]

    def summary(self) -> str:
        """Returns two sentences that tell what was found."""
        return f"{count(self.checked, 'label')} checked. {describe_geometry(self.geometry)}"


def describe_geometry(geometry: Mapping[str, int]) -> str:
    """Returns a sentence on what is conspicuous about boxes, and one about masks if there are."""
    sentences = []
    for what, kinds in (("Boxes", GEOMETRY_KINDS), ("Masks", MASK_KINDS)):
        told = {name: geometry[name] for name in kinds if name in geometry}
        found = ", ".join(f"{number:,} {name}" for name, number in told.items() if number)
        if told:
            sentences.append(f"{what}: {found or 'nothing stands out'}.")
    return " ".join(sentences)


def find_label_issues(
    samples: fo.core.collections.SampleCollection,
    brain_key: str,
    *,
    second_fields: str | Sequence[str] | None = None,
    progress: Callable[[float, str], None] | None = None,
    cancelled: Event | None = None,
) -> LabelIssues:
    """Judges the labels of a visualization and writes what is suspected into them.

    What an earlier call wrote is replaced.

    Args:
        samples: the dataset, or any view of it
        brain_key: a visualization with a patches field; of several fields, the labels of the first
            are judged
        second_fields: other label fields of the same images (other models', ground truth, another
            annotator's), one or several: what they say of each label is weighed by how reliable
            they prove to be, and their boxes that no accepted label covers are missed objects
        progress: called with the finished fraction and a line on what happens
        cancelled: once set, the call ends, unless it is writing already

    Returns:
        the :class:`LabelIssues`

    Raises:
        LabelvetError: see :mod:`labelvet.core.errors`; nothing was written then
    """
    dataset = samples._root_dataset
    tracker = Progress(progress, cancelled)
    with tracker.stage("Reading labels and embeddings", 0.2):
        table, vectors, graph, missing = read_run(dataset, brain_key)
        field = str(table.patches_field)
        every = table
        if table.of_whole_images:
            every = read_stored(dataset, field, locate(dataset, field))
        tagged = has_tags(every)
        names = _second_fields(dataset, field, second_fields)
        rejected = None if tagged else _tagged(dataset, table, (REJECTED_TAG,))
        for name in (field, *names):
            storage = locate(dataset, name)
            root = label_path(storage, storage.local(name))
            check_attributes(storage, root, ATTRIBUTES, OWNER)
        if tagged:
            _check_tags(dataset, field, names)
        tracks = None if tagged else _tracks(dataset, table, vectors)
        table, others = align(table, [_read_second(dataset, name, table) for name in names])
        opinions = ask(table, others)
    if tagged:
        issues = _judge_tags(dataset, brain_key, table, vectors, every, tracker)
    else:
        found = find_suspects(
            table, vectors, rejected, graph=graph, opinions=opinions, progress=tracker, share=0.5,
            tracks=tracks,
        )  # fmt: skip
        issues = write_label_issues(
            dataset, brain_key, table, found, opinions, others, tracker, 0.3
        )
    raise_if_deleted(dataset)
    notes = [*issues.notes, *first_field_notes(dataset, brain_key, "was judged")]
    return replace(issues, missing=missing, notes=notes)


def _tracks(
    dataset: fo.Dataset, table: PatchTable, vectors: NDArray[np.float32]
) -> NDArray[np.int64] | None:
    """Returns the number of each label's track, None where no track has several labels.

    Labels of whole frames are not followed: a class that changes in a video is no fault.
    """
    tracks = read_tracks(dataset, table)
    moments = None if table.of_whole_images else read_moments(dataset, table)
    if moments is not None:
        known = tracks if tracks is not None else np.full(len(table), -1, dtype=np.int64)
        tracks = link_frames(moments, table.boxes, vectors, known)
    if tracks is None:
        return None
    followed = tracks[tracks >= 0]
    return tracks if len(np.unique(followed)) < len(followed) else None


def _second_fields(
    dataset: fo.Dataset, field: str, names: str | Sequence[str] | None
) -> tuple[str, ...]:
    """Returns the second fields, each once."""
    given = [names] if isinstance(names, str) else names or ()
    chosen = tuple(dict.fromkeys(locate(dataset, name).path(name) for name in given))
    if field in chosen:
        raise InvalidParameter("A second field must differ from the run's own field.")
    fields = list_comparable_fields(dataset, field)
    for name in chosen:
        if name not in fields:
            raise InvalidParameter(
                f"'{name}' has no labels that '{field}' can be compared with: choose from "
                f"{', '.join(fields) or 'none'}."
            )
    return chosen


def _check_tags(dataset: fo.Dataset, field: str, names: Sequence[str]) -> None:
    """Checks that images with several classes can be judged."""
    if names:
        raise InvalidParameter(
            f"Images have several classes in '{field}', and other fields are asked about one: "
            "leave the second fields out."
        )
    storage = locate(dataset, field)
    check_missed_field(storage, storage.local(field))


def _judge_tags(
    dataset: fo.Dataset,
    brain_key: str,
    table: PatchTable,
    vectors: NDArray[np.float32],
    every: PatchTable,
    progress: Progress,
) -> LabelIssues:
    """Judges the labels of a run by all labels that their images have, on the map or not."""
    rows, own = match_ids(every.pairs, table.pairs)
    table, vectors = every.take(rows), vectors[own]
    others = np.setdiff1d(np.flatnonzero(np.isin(every.sample_ids, table.sample_ids)), rows)
    rejected = _tagged(dataset, every, (REJECTED_TAG,))[np.append(rows, others)]
    tags = find_tag_suspects(
        table, vectors, rejected, every.take(others), progress=progress, share=0.5
    )
    tags.found.notes.extend(_notes_of_untagged(dataset, table))
    return write_label_issues(dataset, brain_key, table, tags, progress=progress, share=0.3)


def _notes_of_untagged(dataset: fo.Dataset, table: PatchTable) -> list[str]:
    """Says of how many images nothing is known, as they have no class and so no embedding."""
    field = str(table.patches_field)
    images = len(locate(dataset, field).values(["id"])[0])
    without = images - len(np.unique(table.sample_ids))
    if not without:
        return []
    lack = f"{count(without, 'image')} {agree(without, 'has', 'have')} no class in '{field}'"
    return [f"{lack} and so no embedding: what is missed there is not known."]


def _read_second(dataset: fo.Dataset, name: str, table: PatchTable) -> PatchTable:
    try:
        second = read_stored(dataset, name, locate(dataset, name))
        return second.take(second.usable())
    except NoPatches:
        return replace(table.take(np.zeros(0, dtype=np.int64)), patches_field=name)


def write_label_issues(
    dataset: fo.Dataset,
    brain_key: str,
    table: PatchTable,
    found: Suspicion | SuspectedTags,
    opinions: Opinions | None = None,
    others: Sequence[PatchTable] = (),
    progress: Progress | None = None,
    share: float = 1.0,
) -> LabelIssues:
    """Writes what is suspected into the labels, and keeps with the run what a review needs.

    Args:
        dataset: the dataset
        brain_key: the visualization
        table: its labels
        found: what is suspected of them, and of their images where these have several classes
        opinions: what other fields say of them
        others: the labels of these fields, with the images of ``table``
        progress: where to report, as a stage that takes ``share`` of the whole
        share: see ``progress``
    """
    field = str(table.patches_field)
    tracker = progress or Progress()
    reasons: Reasons | TagReasons
    missed: list[MissedTag] = []
    if isinstance(found, SuspectedTags):
        reasons, missed, found = found.reasons, found.missed, found.found
    else:
        reasons = Reasons(table, found, opinions)
    # what cannot be embedded, as it lies outside its image, is what boxes are looked at for
    every = read_stored(dataset, field, locate(dataset, field))
    geometry = _find_geometry(dataset, every, tracker, share / 2)
    with tracker.stage(WRITING, share / 2, len(every), "labels") as stage:
        issues = name_issues(found)
        columns = _of_all(_columns(found, table, issues, reasons), table, every)
        columns[GEOMETRY] = name_geometry(geometry)
        _write(dataset, every, columns, stage.advance)
        elsewhere = sum(_write_second(dataset, other, table, found) for other in others)
        missed = write_missed_tags(dataset, field, missed)
        save_findings(dataset, brain_key, table, found)
    counts = {name: int((issues == name).sum()) for name in ISSUES}
    return LabelIssues(
        field, len(table), counts, 0, elsewhere, found.notes, count_geometry(geometry),
        dict(Counter(one.label for one in missed)),
    )  # fmt: skip


def check_boxes(
    samples: fo.core.collections.SampleCollection,
    patches_field: str,
    *,
    progress: Callable[[float, str], None] | None = None,
    cancelled: Event | None = None,
) -> BoxCheck:
    """Writes what is conspicuous about the boxes of a field, and about their masks, into its
    labels; it needs no visualization. :func:`find_label_issues` writes the same.

    Args:
        samples: the dataset, or any view of it; all labels of the field are checked
        patches_field: a field whose labels have boxes
        progress: called with the finished fraction and a line on what happens
        cancelled: once set, the call ends, unless it is writing already

    Returns:
        the :class:`BoxCheck`

    Raises:
        LabelvetError: see :mod:`labelvet.core.errors`; nothing was written then
    """
    dataset = samples._root_dataset
    dataset.reload()
    tracker = Progress(progress, cancelled)
    storage = locate(dataset, patches_field)
    field, attributes = storage.path(patches_field), {GEOMETRY: ATTRIBUTES[GEOMETRY]}
    if is_of_whole_images(dataset, field):
        raise InvalidParameter(f"The labels of '{field}' are of whole images: they have no boxes.")
    with tracker.stage("Reading labels", 0.2):
        check_attributes(storage, label_path(storage, storage.local(field)), attributes, OWNER)
        table = read_stored(dataset, field, storage)
    geometry = _find_geometry(dataset, table, tracker, 0.4)
    with tracker.stage(WRITING, 0.4, len(table), "labels") as stage:
        _write(dataset, table, {GEOMETRY: name_geometry(geometry)}, stage.advance, attributes)
    return BoxCheck(field, len(table), count_geometry(geometry))


def remove_label_issues(
    samples: fo.core.collections.SampleCollection, patches_field: str | None = None
) -> list[str]:
    """Removes every attribute that :func:`find_label_issues` wrote, with its field in the schema,
    and the fields of missed classes.

    Args:
        samples: the dataset, or any view of it
        patches_field: the field of the labels; by default all

    Returns:
        the paths that were removed

    Raises:
        UnknownField: if there is no such field
        InvalidParameter: if one that has them is read-only; nothing was removed then
    """
    dataset = samples._root_dataset
    dataset.reload()
    removed = list_missed_fields(dataset, patches_field)
    written: list[tuple[Storage, str, str, list[str]]] = []
    for field in [patches_field] if patches_field else list_stored_fields(dataset):
        if field in removed:
            continue
        storage = locate(dataset, field)
        root = label_path(storage, storage.local(field))
        names = [n for n in ATTRIBUTES if is_owned(storage.get_field(f"{root}.{n}"), OWNER)]
        if names:
            check_writable(storage, root)
            written.append((storage, storage.local(field), root, names))
    remove_missed_tags(dataset, removed)
    for storage, local, root, names in written:
        paths = [f"{root}.{name}" for name in names]
        storage.delete_sample_fields(paths)
        remove_attributes(storage, local, names)
        removed += map(storage.path, paths)
    delete_findings(dataset, patches_field)
    return removed


def read_run(
    dataset: fo.Dataset, brain_key: str
) -> tuple[PatchTable, NDArray[np.float32], NeighborGraph | None, int]:
    """Reads the labels of a run as they are now, and their embeddings.

    Returns:
        a tuple of the table of n labels, (n, d) embeddings, their neighbor graph where the run has
        one of all of them, and how many of the run are left out, as they were deleted, their
        embeddings were, or their boxes cannot be compared

    Raises:
        InvalidParameter: if there is no such visualization, or it shows whole images
        UnknownField: if the field of its labels, or what its embeddings were taken from, is gone
        NoPatches: if its embeddings are not on this machine
        StaleRun: if it is replaced at this moment
    """
    dataset.reload()
    seen = find_run(dataset, brain_key)
    if brain_key not in dataset.list_brain_runs(type="visualization"):
        raise InvalidParameter(
            f"There is no visualization '{brain_key}' in this dataset: compute it first."
        )
    results = stored_results(dataset, brain_key, load_view=False)
    if results is None:
        raise InvalidParameter(f"The visualization '{brain_key}' is empty: compute it again.")
    field = run_field(dataset, brain_key)
    if field is None:
        raise InvalidParameter(
            f"'{brain_key}' shows whole images, which have no labels to check: choose a "
            "visualization of a patches field."
        )
    embeddings = load_embeddings(dataset, brain_key)
    if embeddings is None:
        raise NoPatches(
            f"The embeddings of '{brain_key}' are not on this machine: compute the visualization "
            "again, then its labels can be checked."
        )
    wanted = pair_ids(results.sample_ids, results.label_ids)[embeddings.rows]
    table = read_stored(dataset, field, locate(dataset, field))
    # a single box that is no number would make all that is said of the others none
    table = table.take(table.usable())
    rows, vectors = match_ids(table.pairs, wanted)
    if not len(rows):
        raise NoPatches(
            f"None of the labels of '{brain_key}' still exist with a box: compute it again."
        )
    missing = len(results.label_ids) - len(rows)
    graph = None if missing else load_neighbor_graph(dataset, brain_key)
    if graph is not None and (len(graph.indices) != len(rows) or (graph.indices < 0).any()):
        graph = None
    if graph is not None:
        graph = graph.take(embeddings.rows[vectors])
    if find_run(dataset, brain_key) != seen:  # what was read may be of two
        raise StaleRun(
            f"The visualization '{brain_key}' was computed, updated or deleted in the meantime: "
            "try again."
        )
    return table.take(rows), embeddings.vectors[vectors], graph, missing


def read_tags(dataset: fo.Dataset, table: PatchTable) -> list[list[str]]:
    """Returns the tags of each label of a table, in its order."""
    storage = locate(dataset, table.patches_field)
    by_pair = read_stored_tags(storage, storage.local(str(table.patches_field)))
    return [by_pair.get(pair, []) for pair in table.pairs.tolist()]


def _tagged(dataset: fo.Dataset, table: PatchTable, tags: tuple[str, ...]) -> NDArray[np.bool_]:
    wanted = set(tags)
    return np.array([bool(wanted.intersection(some)) for some in read_tags(dataset, table)])


def name_issues(found: Suspicion) -> NDArray[np.object_]:
    """Returns the name of what each label most likely is, None where that is right."""
    issues: NDArray[np.object_] = np.full(len(found.kinds), None, dtype=object)
    for kind, name in _ISSUE_OF.items():
        issues[found.likeliest == kind] = name
    unsure = np.isfinite(found.missed)
    issues[unsure] = None
    issues[unsure & (found.missed >= LIKELY_MISSED)] = MISSED
    return issues


def _columns(
    found: Suspicion, table: PatchTable, issues: NDArray[np.object_], reasons: Reasons | TagReasons
) -> dict[str, list[Any]]:
    names = np.array([*table.classes, None], dtype=object)[found.suggested]
    marked = issues != None  # noqa: E711
    why: list[str | None] = [None] * len(table)
    for row in np.flatnonzero(marked | (found.suspicion >= _WORTH_A_REASON)).tolist():
        why[row] = reasons.reason(row)
    evidence: list[list[str] | None] = [None] * len(table)
    for row in np.flatnonzero(marked).tolist():
        evidence[row] = table.ids[reasons.evidence(row)].tolist()
    boxes: list[list[float] | None] = [None] * len(table)
    better = np.isfinite(found.better_boxes).all(axis=1) & (found.likeliest == BADLY_PLACED)
    for row in np.flatnonzero(better).tolist():
        boxes[row] = found.better_boxes[row].tolist()
    return {
        ISSUE: issues.tolist(),
        REASON: why,
        EVIDENCE: evidence,
        SUSPICION: _numbers(1 - found.kinds[:, RIGHT]),
        **{name: _numbers(found.probability(kind)) for kind, name in _ISSUE_OF.items()},
        MISSED: _numbers(found.missed),
        SUGGESTED: names[:, 0].tolist(),
        SUGGESTED_ALL: [
            [name for name in some if name is not None] or None for some in names.tolist()
        ],
        SUGGESTED_BOX: boxes,
    }


def _of_all(
    columns: dict[str, list[Any]], table: PatchTable, every: PatchTable
) -> dict[str, list[Any]]:
    """Returns the columns of some labels as columns of all, None for those that were not judged."""
    places, rows = match_ids(every.pairs, table.pairs)
    wide: dict[str, list[Any]] = {name: [None] * len(every) for name in columns}
    for place, row in zip(places.tolist(), rows.tolist(), strict=True):
        for name, values in columns.items():
            wide[name][place] = values[row]
    return wide


def _find_geometry(
    dataset: fo.Dataset, table: PatchTable, progress: Progress, share: float
) -> dict[str, NDArray[np.bool_]]:
    """Finds what is conspicuous about the boxes of a table and, where any has one, the masks.

    Masks are read some images at a time, as all of them might not fit into memory.
    """
    storage, field = locate(dataset, table.patches_field), str(table.patches_field)
    # of groups, those of the images alone
    masked = sorted({*list_masked(storage, storage.local(field))} & {*table.sample_ids.tolist()})
    with progress.stage("Checking boxes", share, len(masked), "images with masks") as stage:
        geometry = find_geometry(table, read_image_sizes(dataset, table))
        pairs, found = [], []
        for start in range(0, len(masked), _MASKED_AT_ONCE):
            ids = masked[start : start + _MASKED_AT_ONCE]
            some = read_stored(dataset, field, storage, ids, outlines=True)
            pairs.append(some.pairs)
            found.append(find_masks(some))
            stage.advance(len(ids))
    if masked:
        rows, others = match_ids(table.pairs, np.concatenate(pairs))
        for name in MASK_KINDS:
            geometry[name] = np.zeros(len(table), dtype=bool)
            geometry[name][rows] = np.concatenate([some[name] for some in found])[others]
    return geometry


def read_image_sizes(dataset: fo.Dataset, table: PatchTable) -> NDArray[np.float64]:
    """Returns width and height of each label's image in pixels, (n, 2), NaN where the dataset does
    not say."""
    storage = locate(dataset, table.patches_field)
    if storage.get_field("metadata.width") is None:  # frames have none
        return np.full((len(table), 2), np.nan)
    ids, *sides = storage.values(["id", "metadata.width", "metadata.height"])
    size_of = dict(zip(ids, zip(*sides, strict=True), strict=True))
    samples, place = np.unique(table.sample_ids, return_inverse=True)
    sizes = np.array([size_of[id_] for id_ in samples.tolist()], dtype=np.float64)
    return np.asarray(sizes.reshape(-1, 2)[place])


def _numbers(values: NDArray[np.float32]) -> list[float | None]:
    return [None if value != value else value for value in values.tolist()]


def _write_second(
    dataset: fo.Dataset, second: PatchTable, table: PatchTable, found: Suspicion
) -> int:
    """Marks the labels of another field that no accepted label covers, and returns how many."""
    accepted = table.take(np.flatnonzero(~np.isfinite(found.missed)))
    scores = score_uncovered(second, accepted)
    rows = np.flatnonzero(scores >= LIKELY_MISSED)
    chosen = second.take(rows)
    reason = f"It may show an object that no accepted label of '{table.patches_field}' shows."
    columns: dict[str, list[Any]] = {
        ISSUE: [MISSED] * len(rows),
        REASON: [reason] * len(rows),
        MISSED: _numbers(scores[rows]),
    }
    _write(dataset, chosen, columns, lambda count: None)
    return len(rows)


def _write(
    dataset: fo.Dataset,
    table: PatchTable,
    columns: dict[str, list[Any]],
    advance: Callable[[int], None],
    attributes: Mapping[str, Attribute] = ATTRIBUTES,
) -> None:
    """Writes columns into the labels of a field, and empties all other ``attributes`` that an
    earlier call wrote.

    It is one update per sample, thousands in a round trip: a label has what was found of it before
    or what is found now, wherever the call is cut off. A label is addressed by its place in the
    list, and the update asks that it is still there, so that a list which someone edits meanwhile
    is left alone rather than mixed up.
    """
    storage = locate(dataset, table.patches_field)
    field = storage.local(str(table.patches_field))
    root = label_path(storage, field)
    check_labels(storage, field)
    before = declare_attributes(storage, root, attributes, OWNER)
    samples, labels = storage.values(["id", f"{root}.id"])
    listed, collection = root != field, storage.documents
    names, values = list(columns), list(zip(*columns.values(), strict=True))
    row_of = dict(zip(table.pairs.tolist(), range(len(table)), strict=True))
    nothing, moment = (None,) * len(names), now()
    updates: list[UpdateOne] = []
    written: list[WrittenLabel] = []
    count, done = 0, ""

    def write() -> None:
        nonlocal done
        check_labels(storage, field, done)
        collection.bulk_write(updates, ordered=False)
        write_attributes(storage, field, written)
        done = "the labels before that were updated"

    for sample, ids in zip(samples, labels, strict=True):
        where: dict[str, Any] = {"_id": ObjectId(sample)}
        what: dict[str, Any] = {}
        empty: dict[str, Any] = {}
        for place, id_ in enumerate((ids if listed else [ids]) or ()):
            row = row_of.get(f"{sample}{id_}")
            if id_ is None or (row is None and not before):
                continue
            count += row is not None
            at = f"{root}.{place}" if listed else root
            where[f"{at}._id"] = ObjectId(id_)
            told = zip(names, nothing if row is None else values[row], strict=True)
            given = {name: value for name, value in told if value is not None}
            emptied = [name for name in before if name not in given]
            what |= {f"{at}.{name}": value for name, value in given.items()}
            empty |= {f"{at}.{name}": "" for name in emptied}
            if given or emptied:
                written.append(WrittenLabel(where["_id"], where[f"{at}._id"], given, emptied))
        if what or empty:
            change = {"$set": {**what, "last_modified_at": moment}}
            updates.append(UpdateOne(where, {**change, "$unset": empty} if empty else change))
        if len(updates) == _SAMPLES_PER_WRITE:
            write()
            advance(count)
            updates, written, count = [], [], 0
    if updates:
        write()
        advance(count)
    check_labels(storage, field, done)
    storage.refresh(samples)
