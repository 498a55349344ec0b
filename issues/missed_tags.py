"""Missed classes of images, which have no label to write to: they are labels of a field beside.

``<field>_missed`` is a field of Classifications, with a probability as their confidence and a
reason. FiftyOne shows and filters them as any other, and *Auto Labeling* approves them into the
field itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import fiftyone as fo
from bson import ObjectId
from pymongo import UpdateOne

from ..dataset.checked_writes import write_checked
from ..dataset.documents import now
from ..dataset.patches import list_stored_fields
from ..dataset.schema import (
    check_attributes,
    check_labels_owned,
    check_writable,
    declare_attributes,
    declare_labels,
    is_owned,
)
from ..dataset.states import REJECTED_TAG
from ..dataset.storage import Storage, locate
from .attributes import ATTRIBUTES, OWNER, REASON
from .tags import MissedTag

_ATTRIBUTES = {REASON: ATTRIBUTES[REASON]}
_SAMPLES_PER_WRITE = 2000


def missed_field(field: str) -> str:
    """Returns the name of the field for what images of a field of classes miss."""
    return f"{field}_missed"


def check_missed_field(storage: Storage, field: str) -> None:
    """Checks that what is missed in a field can be written.

    Args:
        storage: where the labels are
        field: their field, as its documents call it

    Raises:
        InvalidParameter: if the dataset has a field of its own of that name, or its labels have a
            reason of their own, or it is read-only
    """
    check_labels_owned(storage, missed_field(field), fo.Classifications, OWNER)
    check_attributes(storage, f"{missed_field(field)}.classifications", _ATTRIBUTES, OWNER)


def write_missed_tags(
    dataset: fo.Dataset, field: str, missed: Sequence[MissedTag]
) -> list[MissedTag]:
    """Writes what is missed in a field, in place of what an earlier call wrote. What a person
    rejected stays there, and is not suggested again.

    Args:
        dataset: the dataset
        field: the field of the classes
        missed: of its images; where nothing is, no field is made

    Returns:
        those of ``missed`` that were written

    Raises:
        InvalidParameter: see :func:`check_missed_field`
        FieldGone: if somebody renamed or deleted the field meanwhile
    """
    storage = locate(dataset, field)
    name = missed_field(storage.local(field))
    if not missed and not is_owned(storage.get_field(name), OWNER):
        return []
    rejected = _rejected(storage, name)
    refused = {(id_, label["label"]) for id_, some in rejected.items() for label in some}
    missed = [one for one in missed if (one.sample_id, one.label) not in refused]
    description = f"Classes that images probably have and that '{field}' lacks"
    declare_labels(storage, name, fo.Classifications, description, OWNER)
    declare_attributes(storage, f"{name}.classifications", _ATTRIBUTES, OWNER)
    found: dict[str, list[fo.Classification]] = {}
    for one in missed:
        label = fo.Classification(label=one.label, confidence=one.probability)
        label[REASON] = one.reason
        found.setdefault(one.sample_id, []).append(label)
    before = storage.documents.find({f"{name}.classifications._id": {"$exists": True}}, {"_id": 1})
    none: dict[str, Any] = dict.fromkeys(str(document["_id"]) for document in before)
    contents = {
        sample: {
            "$set": {
                name: _stored(labels, rejected.get(sample, [])),
                "last_modified_at": now(),
            }
        }
        for sample, labels in (none | found).items()
    }
    ids = list(contents)
    for start in range(0, len(ids), _SAMPLES_PER_WRITE):
        batch = ids[start : start + _SAMPLES_PER_WRITE]

        def write(there: dict[str, Any], batch: list[str] = batch) -> None:
            updates = [UpdateOne({"_id": ObjectId(id_), **there}, contents[id_]) for id_ in batch]
            storage.documents.bulk_write(updates, ordered=False)

        write_checked(storage, [name], {"_id": {"$in": list(map(ObjectId, batch))}}, write)
    storage.refresh(ids)
    return missed


def _rejected(storage: Storage, name: str) -> dict[str, list[dict[str, Any]]]:
    """Returns the labels of each sample that a person rejected, as they are stored."""
    root = f"{name}.classifications"
    pipeline = [{"$match": {f"{root}.tags": REJECTED_TAG}}, {"$project": {"labels": f"${root}"}}]
    return {
        str(document["_id"]): [
            label for label in document["labels"] if REJECTED_TAG in (label.get("tags") or [])
        ]
        for document in storage.documents.aggregate(pipeline)
    }


def _stored(
    labels: list[fo.Classification] | None, rejected: list[dict[str, Any]]
) -> dict[str, Any] | None:
    """Returns the document of labels, the likeliest first, and of those that stay as they are."""
    if not labels and not rejected:
        return None
    given = sorted(labels or [], key=lambda label: -label.confidence)
    stored: dict[str, Any] = fo.Classifications(classifications=given).to_dict()
    stored["classifications"] += rejected
    return stored


def list_missed_fields(dataset: fo.Dataset, field: str | None) -> list[str]:
    """Returns the field of what is missed in a field of classes, of all for None, if there is one.

    Raises:
        InvalidParameter: if one is read-only
    """
    found = []
    for name in list_stored_fields(dataset) if field is None else [missed_field(field)]:
        storage = locate(dataset, name)
        if is_owned(storage.get_field(storage.local(name)), OWNER):
            check_writable(storage, storage.local(name))
            found.append(storage.path(name))
    return found


def remove_missed_tags(dataset: fo.Dataset, names: Sequence[str]) -> None:
    """Removes fields that :func:`list_missed_fields` returned."""
    for name in names:
        storage = locate(dataset, name)
        storage.delete_sample_field(storage.local(name))
