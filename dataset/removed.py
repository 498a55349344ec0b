"""Labels that were removed and can come back: they lie in a field beside their own.

A label leaves its field and arrives in ``<field>_removed`` in one update of its document, so none
is ever lost or in both, whenever a process dies. *Finish* deletes the field.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import fiftyone as fo

from .changes import list_marked
from .documents import delete_field, samples_of
from .expressions import Expression, each, in_list, keep, without
from .schema import check_writable, declare_detections, is_owned
from .storage import Storage, locate, stored_name

REMOVED_AT = "removed_at"
_OWNER = "removed labels"


def removed_field(field: str) -> str:
    """Returns the name of the field for what is removed from a field of Detections."""
    return f"{field}_removed"


def prepare(dataset: fo.Dataset, field: str) -> None:
    """Makes the field for what is removed from a field.

    Raises:
        InvalidParameter: if the dataset has a field of its own of that name, or the field is
            read-only
    """
    check_writable(dataset, field)
    description = f"Labels that were removed from '{field}' and can come back until Finish"
    declare_detections(dataset, removed_field(field), description, _OWNER)


def exists(dataset: fo.Dataset, field: str) -> bool:
    """Whether something was removed from a field that can come back."""
    return is_ours(dataset.get_field(removed_field(field)))


def is_ours(field: fo.Field | None) -> bool:
    """Whether a field was made for what is removed."""
    return is_owned(field, _OWNER)


def without_removed(
    samples: fo.core.collections.SampleCollection, names: Iterable[str]
) -> list[str]:
    """Returns those of some fields of a collection that were not made for what is removed: what a
    person chooses from."""
    dataset = samples._root_dataset
    stored = {name: stored_name(samples, name) for name in names}
    return [name for name, of in stored.items() if not is_ours(locate(dataset, of).get_field(of))]


def kept(field: str, removed: Any, moment: Any) -> Expression:
    """The removed labels of a document with some more, which were removed at a moment."""
    name = removed_field(field)
    more = each(removed, {"$mergeObjects": ["$$l", {REMOVED_AT: moment}]})
    labels = {"$concatArrays": [in_list(f"{name}.detections"), more]}
    return {"_cls": "Detections", "detections": labels}


def of_moment(field: str, moment: Any) -> Expression:
    """The labels that were removed at a moment, as they were."""
    removed = in_list(f"{removed_field(field)}.detections")
    labels = keep(removed, is_at(REMOVED_AT, moment))
    return each(labels, without("$$l", REMOVED_AT))


def all_but_moment(field: str, moment: Any) -> Expression:
    """The removed labels of a document without those of a moment."""
    removed = in_list(f"{removed_field(field)}.detections")
    return keep(removed, {"$not": [is_at(REMOVED_AT, moment)]})


def at_moment(field: str, moment: Any) -> dict[str, Any]:
    """The filter of the documents from which a label was removed at a moment."""
    return {f"{removed_field(field)}.detections.{REMOVED_AT}": moment}


def count_at(dataset: fo.Dataset, field: str, moment: datetime) -> int:
    """Counts the labels that were removed from a field at a moment."""
    if not exists(dataset, field):
        return 0
    return count_moment(dataset, f"{removed_field(field)}.detections", REMOVED_AT, moment)


def forget(dataset: fo.Dataset, field: str, moment: datetime) -> int:
    """Deletes what was removed from a field at a moment, for good, and returns how many."""
    number = count_at(dataset, field, moment)
    if number:
        path = f"{removed_field(field)}.detections"
        pull = {"$pull": {path: {REMOVED_AT: moment}}}
        samples_of(dataset).update_many(at_moment(field, moment), pull)
    drop_empty(dataset, field, moment)
    return number


def moments(dataset: fo.Dataset, field: str) -> list[datetime]:
    """Returns the moments at which labels were removed from a field that are there yet."""
    if not exists(dataset, field):
        return []
    found: list[datetime] = samples_of(dataset).distinct(
        f"{removed_field(field)}.detections.{REMOVED_AT}"
    )
    return found


def forget_moments(
    dataset: fo.Dataset, field: str, which: dict[str, Any], some: list[datetime]
) -> int:
    """Deletes what was removed from a field at some moments, for good, and returns how many.

    Args:
        dataset: the dataset
        field: the field
        which: only labels with these values of some attributes
        some: the moments
    """
    path = f"{removed_field(field)}.detections"
    goes: list[Any] = [{"$in": [f"$$l.{REMOVED_AT}", some]}]
    goes += [{"$eq": [f"$$l.{name}", {"$literal": value}]} for name, value in which.items()]
    which = {**which, REMOVED_AT: {"$in": some}}
    count_all = {"$sum": {"$size": keep(in_list(path), {"$and": goes})}}
    pipeline: list[dict[str, Any]] = [{"$group": {"_id": None, "n": count_all}}]
    found = next(iter(samples_of(dataset).aggregate(pipeline) if some else ()), {"n": 0})
    if found["n"]:
        samples_of(dataset).update_many({path: {"$elemMatch": which}}, {"$pull": {path: which}})
    drop_empty(dataset, field)
    return int(found["n"])


def drop_empty(dataset: fo.Dataset, field: str, but: datetime | None = None) -> None:
    """Deletes the field for what is removed, where nothing is in it any more and nothing arrives.

    Args:
        dataset: the dataset
        field: the field
        but: the moment of a change that has ended, or that is about to be closed
    """
    there = {f"{removed_field(field)}.detections.0": {"$exists": True}}
    if (
        exists(dataset, field)
        and samples_of(dataset).find_one(there, {"_id": 1}) is None
        and not _is_awaited(dataset, field, but)
    ):
        delete_field(dataset, removed_field(field))


def _is_awaited(dataset: fo.Dataset, field: str, but: datetime | None) -> bool:
    """Whether a change that can be undone yet moves labels here, or may be doing so now."""
    frames = isinstance(dataset, Storage) and dataset.frames
    for change in list_marked(dataset):
        what = change.what
        of = what.get("into", what["field"])  # an approval removes from ground truth
        removes = of == field and what.get("replaces", True)
        if removes and what["moment"] != but and bool(what.get("frames")) == frames:
            return True
    return False


def count_moment(dataset: fo.Dataset, root: str, name: str, moment: datetime) -> int:
    """Counts the labels of a path whose attribute is a moment."""
    pipeline: list[dict[str, Any]] = [
        {"$match": {f"{root}.{name}": moment}},
        {
            "$group": {
                "_id": None,
                "n": {"$sum": {"$size": keep(in_list(root), is_at(name, moment))}},
            }
        },
    ]
    found = next(iter(samples_of(dataset).aggregate(pipeline)), None)
    return int(found["n"]) if found else 0


def is_at(name: str, moment: datetime) -> Expression:
    """Whether an attribute of the label ``$$l`` is a moment."""
    return {"$eq": [f"$$l.{name}", moment]}
