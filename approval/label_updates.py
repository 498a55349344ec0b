"""Writes labels of many documents, and the copies of them that open patches views hold."""

from __future__ import annotations

from typing import Any

from ..core.errors import FieldGone
from ..core.sentences import count
from ..dataset.documents import reload_samples
from ..dataset.expressions import Expression, each, in_list
from ..dataset.schema import check_fields, gone, missing_fields
from ..dataset.storage import Patches, locate
from .candidates import Candidates

_BATCH = 10_000  # documents per update


def update_labels(
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

    Raises:
        FieldGone: if a field of the update is not there any more, before a batch is written
    """
    dataset, field = candidates.dataset, candidates.field
    storage = locate(dataset, field)
    collection = storage.documents
    samples = [document["_id"] for document in collection.find(which, {"_id": 1})]
    fields = sorted({path.split(".")[0] for path in update} - {"last_modified_at"})
    check_fields(dataset, fields)
    for start in range(0, len(samples), _BATCH):
        batch = samples[start : start + _BATCH]
        done = f"{count(start, 'image')} had been changed before" if start else ""
        check_fields(dataset, fields, done)
        collection.update_many({"_id": {"$in": batch}}, [{"$set": update}])
        if missing := missing_fields(dataset, fields):  # in this very moment
            unset = {"$unset": dict.fromkeys(missing, "")}
            collection.update_many({"_id": {"$in": batch}}, unset)
            raise FieldGone(
                gone(missing[0], done or f"{count(len(batch), 'image')} had been changed")
            )
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
        if not is_list:  # a patch is nothing without its label
            patches.delete_many({**of_samples, "$expr": {"$let": {**label, "in": changes}}})
            return
        rest = {"$filter": {"input": in_list(root), "as": "l", "cond": {"$not": [changes]}}}
        patches.update_many(of_samples, [{"$set": {root: rest}}])
        return
    value = {"$cond": [changes, becomes, "$$l"]}
    labels = each(in_list(root), value) if is_list else {"$let": {**label, "in": value}}
    patches.update_many(of_samples, [{"$set": {root: labels}}])
