"""What was found, as attributes of the labels: named, written in bulk, and removed.

The attributes are ordinary fields of the dataset's schema: the sidebar filters by them, the panels
color by them, and they are readable where labelvet is not installed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

import fiftyone as fo
import numpy as np
from bson import ObjectId
from numpy.typing import NDArray
from pymongo import UpdateOne

from ..dataset.alone import alone
from ..dataset.documents import now
from ..dataset.holds import check_held
from ..dataset.open_patches import WrittenLabel, remove_attributes, write_attributes
from ..dataset.patches import (
    PatchTable,
    label_path,
    list_stored_fields,
    match_ids,
    read_attribute,
    read_stored,
)
from ..dataset.schema import Attribute, check_labels, check_writable, declare_attributes, is_owned
from ..dataset.storage import Storage, locate
from .attributes import (
    ATTRIBUTES,
    DUPLICATE,
    EVIDENCE,
    ISSUE,
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
from .findings import delete_findings
from .kinds import BACKGROUND, BADLY_PLACED, RIGHT, WRONG_CLASS
from .kinds import DUPLICATE as REPEATED
from .missed import LIKELY_MISSED, score_uncovered
from .missed_tags import list_missed_fields, remove_missed_tags
from .reasons import Reasons
from .suspicion import Suspicion
from .tags import TagReasons

# what the kinds of errors are called in the attributes
_ISSUE_OF = {
    WRONG_CLASS: MISLABELED, BADLY_PLACED: MISPLACED, BACKGROUND: SPURIOUS, REPEATED: DUPLICATE,
}  # fmt: skip
# what is written into labels of other fields, and how its reason begins
MARKS = {name: ATTRIBUTES[name] for name in (ISSUE, REASON, MISSED)}
_MARK = "It may show an object that no accepted label of '"
# a reason is written for these, the others have none to speak of
_WORTH_A_REASON = 0.2
_SAMPLES_PER_WRITE = 2000
# a million labels are written within
_PATIENCE_SECONDS = 120.0


def name_issues(found: Suspicion) -> NDArray[np.object_]:
    """Returns the name of what each label most likely is, None where that is right."""
    issues: NDArray[np.object_] = np.full(len(found.kinds), None, dtype=object)
    for kind, name in _ISSUE_OF.items():
        issues[found.likeliest == kind] = name
    unsure = np.isfinite(found.missed)
    issues[unsure] = None
    issues[unsure & (found.missed >= LIKELY_MISSED)] = MISSED
    return issues


def issue_columns(
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


def of_all(
    columns: dict[str, list[Any]], table: PatchTable, every: PatchTable
) -> dict[str, list[Any]]:
    """Returns the columns of some labels as columns of all, None for those that were not judged."""
    places, rows = match_ids(every.pairs, table.pairs)
    wide: dict[str, list[Any]] = {name: [None] * len(every) for name in columns}
    for place, row in zip(places.tolist(), rows.tolist(), strict=True):
        for name, values in columns.items():
            wide[name][place] = values[row]
    return wide


def _numbers(values: NDArray[np.float32]) -> list[float | None]:
    return [None if value != value else value for value in values.tolist()]


def write_missed(
    dataset: fo.Dataset, second: PatchTable, accepted: PatchTable | None, field: str
) -> int:
    """Marks the labels of another field that no accepted label covers, and returns how many.

    Marks of an earlier call go. What was found of the other field's labels by themselves stays, and
    what speaks against one of them by itself does not become a mark.

    Args:
        dataset: the dataset
        second: labels of the other field
        accepted: the accepted labels of the field that was judged, with the same images and
            classes; None where the other field said nothing, and gets no marks
        field: the field that was judged
    """
    scores = np.zeros(len(second), np.float32)
    if accepted is not None:
        scores = score_uncovered(second, accepted)
    likely = scores >= LIKELY_MISSED
    score_of = dict(
        zip(second.pairs[likely].tolist(), map(float, scores[likely].tolist()), strict=True)
    )
    storage = locate(dataset, second.patches_field)
    local = storage.local(str(second.patches_field))
    root = label_path(storage, local)
    before = {
        name: read_attribute(storage, local, name)
        for name in MARKS
        if is_owned(storage.get_field(f"{root}.{name}"), OWNER)
    }
    marks = {pair for pair, why in before.get(REASON, {}).items() if why and why.startswith(_MARK)}
    if not score_of and not marks:
        return 0
    every = read_stored(storage, str(second.patches_field))
    pairs, marked = every.pairs.tolist(), 0
    columns: dict[str, list[Any]] = {
        name: [before.get(name, {}).get(pair) for pair in pairs] for name in MARKS
    }
    for row, pair in enumerate(pairs):
        own = pair not in marks and (columns[ISSUE][row], columns[REASON][row]) != (None, None)
        if own or (pair not in marks and pair not in score_of):
            continue
        score = score_of.get(pair)
        said = (None, None) if score is None else (MISSED, f"{_MARK}{field}' shows.")
        for name, value in zip(MARKS, (*said, score), strict=True):
            columns[name][row] = value
        marked += score is not None
    write_columns(dataset, every, columns, lambda count: None, MARKS)
    return marked


def write_columns(
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
        check_held(done)
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


def writing_alone(dataset: fo.Dataset) -> AbstractContextManager[None]:
    """Lets one at a time write or remove label issues: all labels have those of one call."""
    refusal = "Label issues are being written or removed here: try again once that has ended."
    return alone(dataset, "write label issues", refusal, _PATIENCE_SECONDS)


def remove_label_issues(
    samples: fo.core.collections.SampleCollection, patches_field: str | None = None
) -> list[str]:
    """Removes every attribute that label issues are written into, with its field in the schema, and
    the fields of missed classes.

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
    with writing_alone(dataset):
        dataset.reload()
        return _remove(dataset, patches_field)


def _remove(dataset: fo.Dataset, patches_field: str | None) -> list[str]:
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
