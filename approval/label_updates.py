"""Writes labels of many documents, and the copies of them that open patches views hold."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ..core.sentences import count
from ..dataset.checked_writes import check_before, write_checked
from ..dataset.documents import reload_samples
from ..dataset.expressions import Expression, each, keep
from ..dataset.label_fields import label_field
from ..dataset.storage import Patches, locate
from .candidates import Candidates

_BATCH = 10_000  # documents per update


def update_labels(
    candidates: Candidates,
    which: dict[str, Any],
    update: dict[str, Any],
    changes: Expression,
    becomes: Any,
    *,
    removing: str | None = None,
    before: str = "",
) -> None:
    """Updates the documents of a filter, each at once, in batches.

    Args:
        candidates: whose labels are changed
        which: the filter of the documents
        update: what is set in them
        changes: whether the copy ``$$l`` of a label, in an open patches view, changes as well
        becomes: what it becomes, None where it leaves
        removing: the field from which the update removes labels
        before: a sentence on what its caller wrote before; by default nothing was

    Raises:
        FieldGone: if a field of the update is not there any more
    """
    dataset, field = candidates.dataset, candidates.field
    storage = locate(dataset, field)
    collection = storage.documents
    samples = [document["_id"] for document in collection.find(which, {"_id": 1})]
    fields = sorted({path.split(".")[0] for path in update} - {"last_modified_at"})
    check_before(dataset, fields, before, removing)
    for start in range(0, len(samples), _BATCH):
        batch = samples[start : start + _BATCH]
        done = _had_been_changed(start) if start else before
        after = done or _had_been_changed(len(batch))

        def of(ids: list[Any]) -> dict[str, Any]:
            # what has lost its labels since, as their field went, is not given one again
            return {"$and": [{"_id": {"$in": ids}}, which]}

        def write(there: dict[str, Any], ids: list[Any] = batch) -> None:
            def write_half(half: list[Any]) -> None:
                collection.update_many({**of(half), **there}, [{"$set": update}])

            _in_halves(ids, write_half)

        write_checked(
            storage, fields, of(batch), write, before=done, after=after, removing=removing
        )
        for patches in storage.patches(field, batch):
            _write_patches(patches, candidates, batch, changes, becomes)
        reload_samples(storage, [str(id_) for id_ in batch])


def _in_halves(ids: list[Any], write: Callable[[list[Any]], None]) -> None:
    """Writes both halves at once: the database has a thread for each."""
    middle = (len(ids) + 1) // 2
    halves = [half for half in (ids[:middle], ids[middle:]) if half]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, halves))


def _had_been_changed(number: int) -> str:
    return f"{count(number, 'image')} had been changed before"


def _write_patches(
    held: Patches, candidates: Candidates, samples: list[Any], changes: Expression, becomes: Any
) -> None:
    copy = label_field(held.dataset, candidates.field)
    # a patch of a list is nothing without its label
    is_patch = becomes is None and copy.type != candidates.of.type
    leaves = {"$expr": {"$let": {"vars": {"l": f"${copy.root}"}, "in": changes}}}
    if becomes is None:
        labels = keep(copy.labels(), {"$not": [changes]})
    else:
        labels = each(copy.labels(), {"$cond": [changes, becomes, "$$l"]})

    def write(half: list[Any]) -> None:
        of_samples = {held.key: {"$in": half}}
        if is_patch:
            held.documents.delete_many({**of_samples, **leaves})
        else:
            update = {copy.name: copy.where_there(labels)}
            held.documents.update_many(of_samples, [{"$set": update}])

    _in_halves(samples, write)
