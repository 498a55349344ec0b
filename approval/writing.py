"""Writes labels of many documents, and the copies of them that open patches views hold."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import fiftyone as fo

from ..dataset.documents import reload_samples, samples_of
from ..dataset.storage import Patches, locate
from .candidates import Candidates
from .expressions import Expression, each, in_list, keep

_BATCH = 10_000  # documents per update


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


def write(
    candidates: Candidates,
    which: dict[str, Any],
    update: dict[str, Any],
    changes: Expression,
    becomes: Any,
) -> None:
    """Updates the documents of a filter, each at once, in batches.

    Args:
        candidates: whose labels are changed
        which: the filter of the documents
        update: what is set in them
        changes: whether the copy ``$$l`` of a label, in an open patches view, changes as well
        becomes: what it becomes, None where it leaves
    """
    dataset, field = candidates.dataset, candidates.field
    storage = locate(dataset, field)
    collection = storage.documents
    samples = [document["_id"] for document in collection.find(which, {"_id": 1})]
    for start in range(0, len(samples), _BATCH):
        batch = samples[start : start + _BATCH]
        collection.update_many({"_id": {"$in": batch}}, [{"$set": update}])
        for patches in storage.patches(field, batch):
            _write_patches(patches, field, batch, changes, becomes)
        reload_samples(storage, [str(id_) for id_ in batch])


def _write_patches(
    held: Patches, field: str, samples: list[Any], changes: Expression, becomes: Any
) -> None:
    patches = held.documents
    root, is_list = held.dataset._get_label_field_root(field)
    of_samples: dict[str, Any] = {held.key: {"$in": samples}}
    label = {"vars": {"l": f"${root}"}}
    if becomes is None:
        if not is_list:  # a patch without its label is none
            patches.delete_many({**of_samples, "$expr": {"$let": {**label, "in": changes}}})
            return
        rest = {"$filter": {"input": in_list(root), "as": "l", "cond": {"$not": [changes]}}}
        patches.update_many(of_samples, [{"$set": {root: rest}}])
        return
    value = {"$cond": [changes, becomes, "$$l"]}
    labels = each(in_list(root), value) if is_list else {"$let": {**label, "in": value}}
    patches.update_many(of_samples, [{"$set": {root: labels}}])
