"""Writes labels of many documents, and the copies of them that open patches views hold."""

from __future__ import annotations

from typing import Any

from ..core.sentences import count
from ..dataset.checked_writes import write_checked
from ..dataset.documents import reload_samples
from ..dataset.expressions import Expression, each, in_list
from ..dataset.schema import check_fields
from ..dataset.storage import Patches, locate
from .candidates import Candidates

_BATCH = 10_000  # documents per update


def update_labels(
    candidates: Candidates,
    which: dict[str, Any],
    update: dict[str, Any],
    changes: Expression,
    becomes: Any,
    removing: str | None = None,
) -> None:
    """Updates the documents of a filter, each at once, in batches.

    Args:
        candidates: whose labels are changed
        which: the filter of the documents
        update: what is set in them
        changes: whether the copy ``$$l`` of a label, in an open patches view, changes as well
        becomes: what it becomes, None where it leaves
        removing: the field from which the update removes labels

    Raises:
        FieldGone: if a field of the update is not there any more
    """
    dataset, field = candidates.dataset, candidates.field
    storage = locate(dataset, field)
    collection = storage.documents
    samples = [document["_id"] for document in collection.find(which, {"_id": 1})]
    fields = sorted({path.split(".")[0] for path in update} - {"last_modified_at"})
    check_fields(dataset, fields)
    for start in range(0, len(samples), _BATCH):
        batch = samples[start : start + _BATCH]
        # what has lost its labels since, as their field went, is not given one again
        of_batch = {"$and": [{"_id": {"$in": batch}}, which]}
        before = _had_been_changed(start) if start else ""
        after = before or _had_been_changed(len(batch))

        def write(there: dict[str, Any], asked: dict[str, Any] = of_batch) -> None:
            collection.update_many({**asked, **there}, [{"$set": update}])

        write_checked(storage, fields, of_batch, write, before, after, removing)
        for patches in storage.patches(field, batch):
            _write_patches(patches, field, batch, changes, becomes)
        reload_samples(storage, [str(id_) for id_ in batch])


def _had_been_changed(number: int) -> str:
    return f"{count(number, 'image')} had been changed before"


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
