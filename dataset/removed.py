"""Labels that were removed and can come back: they lie in a field beside their own.

A label leaves its field and arrives in ``<field>_removed`` in one update of its document, so none
is ever lost or in both, whenever a process dies. *Finish* deletes the field.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import fiftyone as fo
from bson import ObjectId

from ..core.errors import InvalidParameter
from ..core.sentences import agree, count
from .changes import list_marked
from .documents import Ids, delete_field, now, object_ids, samples_of
from .expressions import Expression, each, keep, without
from .label_fields import LabelField, label_field
from .schema import Attribute, check_attributes, check_writable, declare_labels, is_owned
from .storage import Storage, locate, stored_name

REMOVED_AT = "removed_at"
_MOMENT = {REMOVED_AT: Attribute(fo.DateTimeField, "When it was removed")}
_OWNER = "removed labels"


def removed_field(field: str) -> str:
    """Returns the name of the field for what is removed from a field of labels."""
    return f"{field}_removed"


def held(field: LabelField) -> LabelField:
    """Returns the field that holds what is removed from a field: any number of labels."""
    return LabelField(removed_field(field.name), field.type.listed)


def prepare(dataset: fo.Dataset, field: str) -> None:
    """Makes the field for what is removed from a field of labels.

    Raises:
        InvalidParameter: if the dataset has a field of its own of that name, its labels say when
            they were removed themselves, which would be lost, or the field is read-only
        FieldGone: if the field is not there any more
    """
    check_writable(dataset, field)
    labels = label_field(dataset, field)
    check_attributes(dataset, labels.root, _MOMENT, _OWNER)
    of = held(labels)
    description = f"Labels that were removed from '{field}' and can come back until Finish"
    declare_labels(dataset, of.name, of.type.document, description, _OWNER)


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


def kept(field: LabelField, removed: Any, moment: Any) -> Expression:
    """The removed labels of a document with some more, which were removed at a moment."""
    of = held(field)
    more = each(removed, {"$mergeObjects": ["$$l", {REMOVED_AT: moment}]})
    return of.with_labels({"$concatArrays": [of.labels(), more]})


def move(field: LabelField, leaves: Expression, moment: Any) -> dict[str, Any]:
    """What is set in a document to remove the labels ``$$l`` for which an expression holds, at a
    moment."""
    labels = field.labels()
    return {
        field.name: field.where_there(keep(labels, {"$not": [leaves]})),
        removed_field(field.name): kept(field, keep(labels, leaves), moment),
        "last_modified_at": now(),
    }


def of_moment(field: LabelField, moment: Any) -> Expression:
    """The labels that were removed at a moment, as they were."""
    labels = keep(held(field).labels(), is_at(REMOVED_AT, moment))
    return each(labels, without("$$l", REMOVED_AT))


def all_but_moment(field: LabelField, moment: Any) -> Expression:
    """The field for what is removed of a document without the labels of a moment."""
    of = held(field)
    return of.where_there(keep(of.labels(), {"$not": [is_at(REMOVED_AT, moment)]}))


def at_moment(field: LabelField, moment: Any) -> dict[str, Any]:
    """The filter of the documents from which a label was removed at a moment."""
    return {f"{held(field).root}.{REMOVED_AT}": moment}


def has_room(field: LabelField, moment: datetime, leaves: Expression) -> dict[str, Any]:
    """The filter of the documents to which what was removed at a moment can come back, for the
    update itself to ask: a field of one label has room for one.

    Args:
        field: the field
        moment: the moment
        leaves: whether the label ``$$l`` that is there now leaves
    """
    return {} if field.type.items is not None else {"$nor": [_is_taken(field, moment, leaves)]}


def check_room(
    dataset: fo.Dataset, field: LabelField, moment: datetime, leaves: Expression
) -> None:
    """Checks that what was removed at a moment can come back, or did, wherever it was removed from;
    arguments are those of :func:`has_room`.

    Raises:
        InvalidParameter: if an image has another label by now
    """
    if field.type.items is not None:
        return
    if taken := samples_of(dataset).count_documents(_is_taken(field, moment, leaves)):
        raise InvalidParameter(
            f"{count(taken, 'image')} {agree(taken, 'has', 'have')} another label in "
            f"'{field.name}' by now, which has room for one: clear it there first."
        )


def _is_taken(field: LabelField, moment: datetime, leaves: Expression) -> dict[str, Any]:
    stays = keep(field.labels(), {"$not": [leaves]})
    return {**at_moment(field, moment), "$expr": {"$gt": [{"$size": stays}, 0]}}


def count_at(dataset: fo.Dataset, field: str, moment: datetime) -> int:
    """Counts the labels that were removed from a field at a moment."""
    if not exists(dataset, field):
        return 0
    return count_moment(dataset, _held(dataset, field), REMOVED_AT, moment)


def forget(dataset: fo.Dataset, field: str, moment: datetime) -> int:
    """Deletes what was removed from a field at a moment, for good, and returns how many."""
    number = count_at(dataset, field, moment)
    if number:
        path = _held(dataset, field).root
        pull = {"$pull": {path: {REMOVED_AT: moment}}}
        samples_of(dataset).update_many({f"{path}.{REMOVED_AT}": moment}, pull)
    drop_empty(dataset, field, moment)
    return number


def find_removed(
    dataset: fo.Dataset | Storage, field: str, samples: list[ObjectId], ids: list[ObjectId]
) -> set[tuple[ObjectId, ObjectId]]:
    """Returns which of some labels were removed from a field and can come back.

    Args:
        dataset: the dataset
        field: the field
        samples: the labels' samples
        ids: the labels

    Returns:
        the ids of their samples, and their own
    """
    if not exists(dataset, field):
        return set()
    root = _held(dataset, field).root
    stages: list[dict[str, Any]] = [
        {"$match": {"_id": {"$in": list(set(samples))}, f"{root}._id": {"$in": ids}}},
        {"$project": {"l": f"${root}._id"}},
        {"$unwind": "$l"},
    ]
    there = {(one["_id"], one["l"]) for one in samples_of(dataset).aggregate(stages)}
    return there & set(zip(samples, ids, strict=True))


def describe_removed(number: int) -> str:
    """Says why labels cannot be given back what they had before a change: so many are removed."""
    were = agree(number, "was", "were")
    return f"{count(number, 'label')} {were} removed since: undo that first, then this."


def check_not_removed(dataset: fo.Dataset | Storage, field: str, sample_ids: Ids, ids: Ids) -> None:
    """Checks that none of some labels was removed from a field and can come back, for an undo that
    found none of them.

    Args:
        dataset: the dataset
        field: the field
        sample_ids: (n, 12) the labels' samples
        ids: (n, 12) the labels

    Raises:
        InvalidParameter: if some were
    """
    if gone := find_removed(dataset, field, object_ids(sample_ids), object_ids(ids)):
        raise InvalidParameter(describe_removed(len(gone)))


def moments(dataset: fo.Dataset, field: str) -> list[datetime]:
    """Returns the moments at which labels were removed from a field that are there yet."""
    if not exists(dataset, field):
        return []
    path = f"{_held(dataset, field).root}.{REMOVED_AT}"
    found: list[datetime] = samples_of(dataset).distinct(path)
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
    if not exists(dataset, field):
        return 0
    of = _held(dataset, field)
    goes: list[Any] = [{"$in": [f"$$l.{REMOVED_AT}", some]}]
    goes += [{"$eq": [f"$$l.{name}", {"$literal": value}]} for name, value in which.items()]
    which = {**which, REMOVED_AT: {"$in": some}}
    count_all = {"$sum": {"$size": keep(of.labels(), {"$and": goes})}}
    pipeline: list[dict[str, Any]] = [{"$group": {"_id": None, "n": count_all}}]
    found = next(iter(samples_of(dataset).aggregate(pipeline) if some else ()), {"n": 0})
    if found["n"]:
        samples_of(dataset).update_many(of.any_with(which), {"$pull": {of.root: which}})
    drop_empty(dataset, field)
    return int(found["n"])


def _held(dataset: fo.Dataset, field: str) -> LabelField:
    return label_field(dataset, removed_field(field))


def drop_empty(dataset: fo.Dataset, field: str, but: datetime | None = None) -> None:
    """Deletes the field for what is removed, where nothing is in it any more and nothing arrives.

    Args:
        dataset: the dataset
        field: the field
        but: the moment of a change that has ended, or that is about to be closed
    """
    if (
        exists(dataset, field)
        and samples_of(dataset).find_one(_held(dataset, field).any(), {"_id": 1}) is None
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


def count_moment(dataset: fo.Dataset, field: LabelField, name: str, moment: datetime) -> int:
    """Counts the labels of a field whose attribute is a moment."""
    size = {"$size": keep(field.labels(), is_at(name, moment))}
    pipeline: list[dict[str, Any]] = [
        {"$match": {f"{field.root}.{name}": moment}},
        {"$group": {"_id": None, "n": {"$sum": size}}},
    ]
    found = next(iter(samples_of(dataset).aggregate(pipeline)), None)
    return int(found["n"]) if found else 0


def is_at(name: str, moment: datetime) -> Expression:
    """Whether an attribute of the label ``$$l`` is a moment."""
    return {"$eq": [f"$$l.{name}", moment]}
