"""Merges a class into another one: all its labels in a field get the other's name, in one change
that can be undone.

Nothing is merged unless somebody asks for it. What is approved keeps its class, as in a review
(:mod:`labelvet.dataset.states`): ground truth has it, and is what counts. What was written down of
a label before, as the classes that were suggested for it, stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import fiftyone as fo
from bson import ObjectId
from pymongo import UpdateMany

from ..core.errors import InvalidParameter, UnknownUndo
from ..core.sentences import agree, count
from ..dataset.changes import Change, begin, undone_once
from ..dataset.documents import Ids, LabelIds, byte_keys, now, object_ids, pair_keys, read_labels
from ..dataset.expressions import in_3d, in_list, keep
from ..dataset.holds import check_held
from ..dataset.open_patches import write_patches
from ..dataset.removed import check_not_removed
from ..dataset.schema import check_labels
from ..dataset.states import APPROVED_TAG
from ..dataset.storage import LabelRoot, Storage, locate

MERGE = "merged classes"
_SAMPLES_PER_WRITE = 5_000


@dataclass(frozen=True)
class Merged:
    """What a merge did.

    Attributes:
        changed: how many labels have the other class now
        token: what undoes it, see :func:`labelvet.dataset.changes.find_change`
        sentence: says so
    """

    changed: int
    token: str
    sentence: str


def count_classes(dataset: fo.Dataset, field: str) -> dict[str, int]:
    """Returns ``{class: labels}`` of a label field, in every slice; labels without a class, and
    those in 3D, are left out.

    Raises:
        UnknownField: if there is no such field of labels
    """
    storage = locate(dataset, field)
    root, listed = storage.label_root(storage.local(field))
    name = {"$ifNull": [f"${root}.label", []]}
    found = storage.documents.aggregate(
        [
            _without_3d(root, listed),
            {"$project": {"name": name}},
            {"$unwind": "$name"},
            {"$group": {"_id": "$name", "labels": {"$sum": 1}}},
        ]
    )
    return {one["_id"]: one["labels"] for one in found if one["_id"] is not None}


def check_merge(
    dataset: fo.Dataset,
    field: str,
    label: str,
    into: str,
    counts: Mapping[str, int] | None = None,
) -> tuple[int, int]:
    """Returns how many labels a merge would change, and how many keep their class, being approved.

    Args:
        dataset: the dataset
        field: the field of the labels
        label: the class that goes
        into: the class that it becomes, which has labels already
        counts: what :func:`count_classes` said just now, so that it is not asked again

    Raises:
        InvalidParameter: if the two are the same, one has no labels, or all of ``label`` are
            approved
        UnknownField: if there is no such field of labels
    """
    if label == into:
        raise InvalidParameter(f"It is already '{into}': choose another class to merge into.")
    counts = count_classes(dataset, field) if counts is None else counts
    for name in (label, into):
        if name not in counts:
            raise InvalidParameter(
                f"'{field}' has no labels of the class '{name}': choose another."
            )
    approved = _count_approved(dataset, field, label)
    if approved == counts[label]:
        raise InvalidParameter(
            f"All labels of the class '{label}' in '{field}' are approved, and keep it: merge the "
            "classes in their ground truth, or undo the approval first."
        )
    return counts[label] - approved, approved


def merge_classes(
    dataset: fo.Dataset, field: str, label: str, into: str, by: str | None = None
) -> Merged:
    """Gives all labels of a class in a field the name of another class.

    They are all labels of the field, in every slice, whatever the App shows, but those that are
    approved and those in 3D. Open patches views follow.

    Args:
        dataset: the dataset
        field: the field of the labels
        label: the class that goes
        into: the class that it becomes, which has labels already
        by: who does it; by default the user of this process

    Raises:
        InvalidParameter: if the two are the same, one has no labels, or all of ``label`` are
            approved
        UnknownField: if there is no such field of labels
        FieldGone: if it is renamed or deleted meanwhile
    """
    _, approved = check_merge(dataset, field, label, into)
    storage = locate(dataset, field)
    path = storage.label_root(storage.local(field))
    pipeline = [{"$match": {f"{path.root}.label": label}}, _without_3d(*path)]
    samples, ids = _read(storage, pipeline, path, label)
    check_labels(storage, storage.local(field))
    sentence = f"'{label}' merged into '{into}' in '{field}'."
    changed = 0
    with begin(dataset, MERGE, sentence, by, field=field, label=label, into=into) as change:
        for start, stop in _batches(samples):
            if changed:
                done = f"{count(changed, 'label')} had been renamed before"
                check_labels(storage, storage.local(field), done)
                check_held(done)
            some = samples[start:stop], ids[start:stop]
            change.add_batch(*some)
            changed += _rename(storage, field, some, label, into)
        if not changed:
            change.drop()
            raise InvalidParameter(
                f"The labels of the class '{label}' were changed at the same time: nothing was "
                "written."
            )
        labels, are = count(changed, "label"), agree(changed, "is", "are")
        change.say(f"{labels} {are} now '{into}' instead of '{label}'.{_kept(approved)}")
    return Merged(changed, change.token, change.sentence)


@undone_once
def undo_merge(change: Change) -> str:
    """Gives merged labels their class back, but those whose class was changed, or which were
    approved, since.

    Returns:
        a sentence about it

    Raises:
        UnknownUndo: if it is a change of another kind
        FieldGone: if the field is
        InvalidParameter: if the labels were removed since
    """
    if change.kind != MERGE:
        raise UnknownUndo("This was not a class merge: undo it where it was made.")
    what = change.what
    field, label, into = what["field"], what["label"], what["into"]
    storage = locate(change.dataset, field)
    check_labels(storage, storage.local(field))
    path = storage.label_root(storage.local(field))
    changed = stay = 0
    for samples, ids, _ in change.batches():
        check_held(f"{count(changed, 'label')} had been renamed back before" if changed else "")
        done = _rename(storage, field, (samples, ids), into, label)
        changed += done
        if done < len(ids):  # an undo that was killed renamed some before
            back = _with_class(storage, path, (samples, ids), label)
            stay += len(ids) - sum(map(len, back.values()))
    for samples, ids, _ in change.batches() if not changed else ():
        check_not_removed(storage, storage.local(field), samples, ids)
    change.close()
    were, keep_it = agree(stay, "was", "were"), agree(stay, "keeps it", "keep it")
    rest = (
        f" {count(stay, 'label')} {were} approved or given another class since, and {keep_it}."
        if stay
        else ""
    )
    return f"{count(changed, 'label')} {agree(changed, 'is', 'are')} '{label}' again.{rest}"


def _count_approved(dataset: fo.Dataset, field: str, label: str) -> int:
    """Returns how many labels of a class are approved."""
    storage = locate(dataset, field)
    root, listed = storage.label_root(storage.local(field))
    which = {f"{root}.label": label, f"{root}.tags": APPROVED_TAG}
    stages: list[dict[str, Any]] = [{"$match": which}, _without_3d(root, listed)]
    if listed:
        stages += [{"$unwind": f"${root}"}, {"$match": which}]
    found = list(storage.documents.aggregate([*stages, {"$count": "labels"}]))
    return int(found[0]["labels"]) if found else 0


def _kept(approved: int) -> str:
    """A sentence on those that are approved."""
    if not approved:
        return ""
    keeps = agree(approved, "keeps", "keep")
    return f" {count(approved, 'approved label')} {keeps} it, as ground truth counts there."


def _without_3d(root: str, listed: bool) -> dict[str, Any]:
    """The stage that leaves labels in 3D out of documents: nobody sees them where classes are
    merged."""
    if not listed:
        return {"$match": {"$expr": {"$not": [in_3d(f"${root}")]}}}
    return {"$set": {root: keep(in_list(root), {"$not": [in_3d("$$l")]})}}


def _batches(samples: Ids) -> Iterator[tuple[int, int]]:
    """Yields where batches of labels begin and end: all that a sample has are in one."""
    keys = byte_keys(samples)
    first = [row for row in range(len(keys)) if not row or keys[row] != keys[row - 1]]
    starts = first[::_SAMPLES_PER_WRITE]
    yield from zip(starts, [*starts[1:], len(keys)], strict=True)


def _rename(storage: Storage, field: str, labels: LabelIds, old: str, new: str) -> int:
    """Renames those of some labels that have a class now, and returns how many."""
    name = storage.local(field)
    path = storage.label_root(name)
    of_sample = _with_class(storage, path, labels, old)
    if not of_sample:
        return 0

    def updates(path: LabelRoot, key: str) -> list[UpdateMany]:
        return _updates(of_sample, path, key, old, new)

    ids = [label for some in of_sample.values() for label in some]
    storage.documents.bulk_write(updates(path, "_id"), ordered=False)
    storage.refresh([str(sample) for sample in of_sample])
    write_patches(storage, name, list(of_sample), ids, updates)
    return len(ids)


def _read(storage: Storage, pipeline: list[dict[str, Any]], path: LabelRoot, name: str) -> LabelIds:
    """Reads which labels are of a class, and not approved."""
    samples, ids, values = read_labels(
        storage.documents, pipeline, path.root, not path.listed, ("label", "tags")
    )
    rows = [
        row
        for row, (label, tags) in enumerate(values)
        if label == name and APPROVED_TAG not in (tags or [])
    ]
    return samples[rows], ids[rows]


def _with_class(
    storage: Storage, path: LabelRoot, labels: LabelIds, name: str
) -> dict[ObjectId, list[ObjectId]]:
    """Returns those of some labels that have a class now and are not approved, by their sample: two
    samples may have labels of one id."""
    samples = list(set(object_ids(labels[0])))
    match = {"$match": {"_id": {"$in": samples}, f"{path.root}.label": name}}
    asked = set(pair_keys(*labels))
    of_sample: dict[ObjectId, list[ObjectId]] = {}
    for pair in pair_keys(*_read(storage, [match], path, name)):
        if pair in asked:
            of_sample.setdefault(ObjectId(pair[0]), []).append(ObjectId(pair[1]))
    return of_sample


def _updates(
    of_sample: dict[ObjectId, list[ObjectId]], path: LabelRoot, key: str, old: str, new: str
) -> list[UpdateMany]:
    root, listed = path
    # nobody reads when a patch was changed
    moment = {"last_modified_at": now()} if key == "_id" else {}
    still = {"$ne": APPROVED_TAG}
    updates = []
    for sample, labels in of_sample.items():
        which: dict[str, Any] = {key: sample, f"{root}.label": old}
        if listed:
            change = {"$set": {f"{root}.$[l].label": new, **moment}}
            ours: list[Any] = [{"l._id": {"$in": labels}, "l.label": old, "l.tags": still}]
            updates.append(UpdateMany(which, change, array_filters=ours))
        else:
            which |= {f"{root}._id": {"$in": labels}, f"{root}.tags": still}
            updates.append(UpdateMany(which, {"$set": {f"{root}.label": new, **moment}}))
    return updates
