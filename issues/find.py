"""What is suspected, in and out of a dataset: attributes of the labels, written in bulk.

The attributes are ordinary fields of the dataset's schema: the sidebar filters by them, the panels
color by them, and they are readable where labelvet is not installed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from threading import Event
from typing import Any

import fiftyone as fo
import numpy as np
from bson import ObjectId
from numpy.typing import NDArray
from pymongo import UpdateOne

from ..core.errors import InvalidParameter, NoPatches
from ..core.progress import Progress
from ..core.table import pair_ids
from ..dataset.brain_runs import load_neighbor_graph, raise_if_deleted, run_field
from ..dataset.documents import now
from ..dataset.patches import PatchTable, label_path, list_stored_fields, match_ids, read_stored
from ..dataset.patches import read_tags as read_stored_tags
from ..dataset.schema import check_attributes, declare_attributes, is_owned
from ..dataset.storage import locate
from ..dataset.stored_embeddings import load_embeddings
from ..dataset.tags import REJECTED_TAG
from ..embeddings.neighbors import NeighborGraph
from .boxes import cover
from .columns import (
    ATTRIBUTES,
    DUPLICATE,
    EVIDENCE,
    ISSUE,
    ISSUES,
    MISLABELED,
    MISSED,
    OWNER,
    REASON,
    SPURIOUS,
    SUGGESTED,
    SUSPICION,
)
from .missed import ACCEPTED_CONFIDENCE
from .records import forget, keep
from .suspicion import Suspicion, find_suspects

# An attribute says "issue" from here on.
_LIKELY = 0.5
_LIKELY_MISSED = 0.1
_FREE = 0.5
# a reason is written for these, the others have none to speak of
_WORTH_A_REASON = 0.2
_SAMPLES_PER_WRITE = 2000


@dataclass(frozen=True)
class LabelIssues:
    """What :func:`find_label_issues` found and wrote.

    Attributes:
        patches_field: the field that was judged
        checked: how many labels were judged
        counts: ``{issue: labels}``
        missing: labels of the run that could not be judged, as their embeddings are gone
        elsewhere: missed objects found in the second field
        notes: sentences on what cannot be known
    """

    patches_field: str
    checked: int
    counts: dict[str, int]
    missing: int
    elsewhere: int
    notes: list[str]

    def summary(self) -> str:
        """Returns a few sentences that tell what was found."""
        found = ", ".join(f"{count:,} {issue}" for issue, count in self.counts.items() if count)
        sentences = [f"{self.checked:,} labels checked: {found or 'nothing stands out'}."]
        if self.elsewhere:
            sentences.append(f"{self.elsewhere:,} labels of the second field are covered by none.")
        if self.missing:
            sentences.append(f"{self.missing:,} labels have no embedding any more: not checked.")
        return " ".join(sentences + self.notes)


def find_label_issues(
    samples: fo.core.collections.SampleCollection,
    brain_key: str,
    *,
    second_field: str | None = None,
    progress: Callable[[float, str], None] | None = None,
    cancelled: Event | None = None,
) -> LabelIssues:
    """Judges the labels of a visualization and writes what is suspected into them.

    What an earlier call wrote is replaced.

    Args:
        samples: the dataset, or any view of it
        brain_key: a visualization with a patches field
        second_field: another label field (another model's, or ground truth), whose boxes that no
            accepted label covers are missed objects
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
        if second_field:
            second_field = locate(dataset, second_field).path(second_field)
        if second_field == field:
            raise InvalidParameter("The second field must be another one than the run's own.")
        rejected = _tagged(dataset, table, (REJECTED_TAG,))
        fields = [field, second_field] if second_field else [field]
        for name in fields:
            storage = locate(dataset, name)
            root = label_path(storage, storage.local(name))
            check_attributes(storage, root, ATTRIBUTES, OWNER)
    found = find_suspects(table, vectors, rejected, graph=graph, progress=tracker, share=0.5)
    issues = write_label_issues(dataset, brain_key, table, found, second_field, tracker, 0.3)
    raise_if_deleted(dataset)
    return replace(issues, missing=missing)


def write_label_issues(
    dataset: fo.Dataset,
    brain_key: str,
    table: PatchTable,
    found: Suspicion,
    second_field: str | None = None,
    progress: Progress | None = None,
    share: float = 1.0,
) -> LabelIssues:
    """Writes what is suspected into the labels, and keeps with the run what a review needs.

    Args:
        dataset: the dataset
        brain_key: the visualization
        table: its labels
        found: what is suspected of them
        second_field: see :func:`find_label_issues`
        progress: where to report, as a stage that takes ``share`` of the whole
        share: see ``progress``
    """
    field = str(table.patches_field)
    tracker = progress or Progress()
    with tracker.stage("Writing attributes", share, len(table), "labels", final=True) as stage:
        issues = _issues(found)
        _write(dataset, table, _columns(found, table, issues), stage.advance)
        elsewhere = _write_second(dataset, second_field, table, found) if second_field else 0
        keep(dataset, brain_key, table, found)
    counts = {name: int((issues == name).sum()) for name in ISSUES}
    return LabelIssues(field, len(table), counts, 0, elsewhere, found.notes)


def remove_label_issues(
    samples: fo.core.collections.SampleCollection, patches_field: str | None = None
) -> list[str]:
    """Removes every attribute that :func:`find_label_issues` wrote, and its field in the schema.

    Args:
        samples: the dataset, or any view of it
        patches_field: the field of the labels; by default all

    Returns:
        the paths that were removed
    """
    dataset = samples._root_dataset
    dataset.reload()
    removed: list[str] = []
    for field in [patches_field] if patches_field else list_stored_fields(dataset):
        storage = locate(dataset, field)
        root = label_path(storage, storage.local(field))
        paths = [f"{root}.{name}" for name in ATTRIBUTES]
        ours = [path for path in paths if is_owned(storage.get_field(path), OWNER)]
        if ours:
            storage.delete_sample_fields(ours)
        removed += map(storage.path, ours)
    forget(dataset, patches_field)
    return removed


def read_run(
    dataset: fo.Dataset, brain_key: str
) -> tuple[PatchTable, NDArray[np.float32], NeighborGraph | None, int]:
    """Reads the labels of a run as they are now, and their embeddings.

    Returns:
        a tuple of the table of n labels, (n, d) embeddings, their neighbor graph where the run has
        one of all of them, and how many of the run are left out, as they were deleted or their
        embeddings were

    Raises:
        InvalidParameter: if there is no such visualization, or it shows whole images
        NoPatches: if its embeddings are not on this machine
    """
    dataset.reload()
    if brain_key not in dataset.list_brain_runs(type="visualization"):
        raise InvalidParameter(
            f"There is no visualization '{brain_key}' in this dataset: compute it first."
        )
    results = dataset.load_brain_results(brain_key)
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
    rows, vectors = match_ids(table.pairs, wanted)
    if not len(rows):
        raise NoPatches(f"None of the labels of '{brain_key}' exists any more: compute it again.")
    missing = len(results.label_ids) - len(rows)
    graph = None if missing else load_neighbor_graph(dataset, brain_key)
    if graph is not None and (len(graph.indices) != len(rows) or (graph.indices < 0).any()):
        graph = None
    if graph is not None:
        graph = graph.take(embeddings.rows[vectors])
    return table.take(rows), embeddings.vectors[vectors], graph, missing


def read_tags(dataset: fo.Dataset, table: PatchTable) -> list[list[str]]:
    """Returns the tags of each label of a table, in its order."""
    storage = locate(dataset, table.patches_field)
    by_id = read_stored_tags(storage, storage.local(str(table.patches_field)))
    return [by_id.get(id_, []) for id_ in table.ids.tolist()]


def _tagged(dataset: fo.Dataset, table: PatchTable, tags: tuple[str, ...]) -> NDArray[np.bool_]:
    wanted = set(tags)
    return np.array([bool(wanted.intersection(some)) for some in read_tags(dataset, table)])


def _issues(found: Suspicion) -> NDArray[np.object_]:
    """Returns the name of each label's main problem, None where it has none."""
    issues: NDArray[np.object_] = np.full(len(found.suspicion), None, dtype=object)
    unsure = np.isfinite(found.missed)
    issues[found.suspicion >= _LIKELY] = SPURIOUS
    issues[~np.isfinite(found.spurious)] = None
    issues[found.mislabeled >= _LIKELY] = MISLABELED
    issues[found.original >= 0] = DUPLICATE
    issues[unsure] = None
    issues[unsure & (found.missed >= _LIKELY_MISSED)] = MISSED
    return issues


def _columns(
    found: Suspicion, table: PatchTable, issues: NDArray[np.object_]
) -> dict[str, list[Any]]:
    suggested = np.array([*table.classes, None], dtype=object)[found.suggested]
    worth = (found.suspicion >= _WORTH_A_REASON) | (issues != None)  # noqa: E711
    reasons: list[str | None] = [None] * len(table)
    for row in np.flatnonzero(worth).tolist():
        reasons[row] = found.reason(table, row)
    evidence: list[list[str] | None] = [None] * len(table)
    for row in np.flatnonzero(issues != None).tolist():  # noqa: E711
        evidence[row] = table.ids[found.evidence(row)].tolist()
    return {
        ISSUE: issues.tolist(),
        REASON: reasons,
        EVIDENCE: evidence,
        SUSPICION: _numbers(found.suspicion),
        MISLABELED: _numbers(found.mislabeled),
        SUGGESTED: suggested.tolist(),
        SPURIOUS: _numbers(found.spurious),
        MISSED: _numbers(found.missed),
        DUPLICATE: _numbers(found.duplicate),
    }


def _numbers(values: NDArray[np.float32]) -> list[float | None]:
    rounded = np.round(values.astype(np.float64), 4)
    return [None if value != value else value for value in rounded.tolist()]


def _write_second(
    dataset: fo.Dataset, second_field: str, table: PatchTable, found: Suspicion
) -> int:
    """Marks the labels of another field that no accepted label covers, and returns how many."""
    try:
        second = read_stored(dataset, second_field, locate(dataset, second_field))
    except NoPatches:
        return 0
    # images are told apart by their samples: the tables count them each on their own
    accepted = np.flatnonzero(~np.isfinite(found.missed))
    _, media = np.unique(np.concatenate([second.sample_ids, table.sample_ids]), return_inverse=True)
    media = media.astype(np.int32)
    covered = cover(
        media[: len(second)], second.boxes, media[len(second) :][accepted], table.boxes[accepted]
    )
    sure = ~(second.confidences < ACCEPTED_CONFIDENCE)
    rows = np.flatnonzero((covered < _FREE) & sure)
    confidence = np.nan_to_num(second.confidences[rows], nan=1.0)
    chosen = second.take(rows)
    reason = f"No accepted label of '{table.patches_field}' covers it."
    columns: dict[str, list[Any]] = {
        ISSUE: [MISSED] * len(rows),
        REASON: [reason] * len(rows),
        MISSED: _numbers((confidence * (1 - covered[rows])).astype(np.float32)),
    }
    _write(dataset, chosen, columns, lambda count: None)
    return len(rows)


def _write(
    dataset: fo.Dataset,
    table: PatchTable,
    columns: dict[str, list[Any]],
    advance: Callable[[int], None],
) -> None:
    """Writes columns into the labels of a field, and empties all others that an earlier call wrote.

    It is one update per sample, thousands in a round trip: a label has what was found of it before
    or what is found now, wherever the call is cut off. A label is addressed by its place in the
    list, and the update asks that it is still there, so that a list which someone edits meanwhile
    is left alone rather than mixed up.
    """
    storage = locate(dataset, table.patches_field)
    field = storage.local(str(table.patches_field))
    root = label_path(storage, field)
    before = declare_attributes(storage, root, ATTRIBUTES, OWNER)
    samples, labels = storage.values(["id", f"{root}.id"])
    listed, collection = root != field, storage.documents
    names, values = list(columns), list(zip(*columns.values(), strict=True))
    row_of = dict(zip(table.pairs.tolist(), range(len(table)), strict=True))
    nothing, moment = (None,) * len(names), now()
    updates, count = [], 0
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
            told = nothing if row is None else values[row]
            for name, value in zip(names, told, strict=True):
                if value is not None:
                    what[f"{at}.{name}"] = value
                elif name in before:
                    empty[f"{at}.{name}"] = ""
            for name in before:
                if name not in columns:
                    empty[f"{at}.{name}"] = ""
        if len(where) > 1:
            change = {"$set": {**what, "last_modified_at": moment}}
            updates.append(UpdateOne(where, {**change, "$unset": empty} if empty else change))
        if len(updates) == _SAMPLES_PER_WRITE:
            collection.bulk_write(updates, ordered=False)
            advance(count)
            updates, count = [], 0
    if updates:
        collection.bulk_write(updates, ordered=False)
        advance(count)
