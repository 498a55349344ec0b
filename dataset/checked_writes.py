"""Batches that are written into fields which somebody may rename or delete at any moment.

FiftyOne renames or deletes a field in the documents first, one after the other, and in the schema
then, on a large dataset seconds later. In between the schema has a field that documents have lost.
So the update itself asks each document for the field, and those that never had it get null first,
unless the first document, where FiftyOne begins, has lost it. Tried with fiftyone 1.22.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

import fiftyone as fo

from ..core.errors import FieldGone
from . import removed
from .documents import first_document, is_our_moment, now
from .holds import check_held
from .schema import check_fields, created_at, gone, missing_fields
from .storage import Storage, locate

Filter = dict[str, Any]

# by then FiftyOne has changed the schema, too
_RENAMED_WITHIN = timedelta(minutes=1)


def write_checked(
    dataset: fo.Dataset | Storage,
    names: Iterable[str],
    which: Filter,
    write: Callable[[Filter], Any],
    *,
    before: str = "",
    after: str = "",
    removing: str | None = None,
) -> None:
    """Writes into fields of labels of some documents, none of which gets a field back that it
    has lost.

    Args:
        dataset: the dataset, or the storage of its frames
        names: the fields
        which: the filter of the documents
        write: writes the batch; it takes a filter that each of its updates has to ask as well
        before: a sentence on what was written before the batch; by default nothing was
        after: one on what was written when the batch ends; by default ``before``
        removing: the field from which the batch removes labels; where the field that they go to
            is lost, it is made again and the batch written once more

    Raises:
        FieldGone: if a field is not there; no document that lost it has it again then
        TakenOver: if this process stood still for so long that another may do what it did
        DatasetDeleted: if the dataset does not exist any more
    """
    names = list(names)
    storage = locate(dataset, None)
    check_before(storage, names, before, removing)
    check_held(before)
    _write(storage, names, which, write, before=before, after=after or before)
    if _make_again(storage, names, removing):
        _write(storage, names, which, write, before=before, after=after or before)
    missing = missing_fields(storage, names)
    if missing:
        raise FieldGone(gone(missing[0], after or before))


def check_before(
    dataset: fo.Dataset | Storage, names: list[str], before: str, removing: str | None
) -> None:
    """Checks that fields of labels can be written; arguments and errors are those of
    :func:`write_checked`."""
    _make_again(locate(dataset, None), names, removing)
    check_fields(dataset, names, before)


def _make_again(storage: Storage, names: list[str], removing: str | None) -> bool:
    """Makes the field for removed labels again where it alone is lost: somebody brought back all
    that was in it. Returns whether it did."""
    if removing is None or missing_fields(storage, names) != [removed.removed_field(removing)]:
        return False
    storage.reload()
    removed.prepare(storage, removing)
    return True


def _write(
    storage: Storage,
    names: list[str],
    which: Filter,
    write: Callable[[Filter], Any],
    *,
    before: str,
    after: str,
) -> None:
    first = first_document(storage.documents)
    if first is None:  # there are no documents
        return
    for name in names:
        _give(storage, name, which, first, before)
    write({name: {"$exists": True} for name in names})
    lost = [name for name in names if _has_lost(storage, first, name)]
    if lost and not missing_fields(storage, names):
        raise FieldGone(gone(lost[0], after))


def _give(storage: Storage, name: str, which: Filter, first: dict[str, Any], before: str) -> None:
    """Gives null to those of some documents that never had a field: FiftyOne leaves it out there.

    Raises:
        FieldGone: if they have lost it, or may have lost it just now
    """
    if _has_lost(storage, first, name):
        if missing_fields(storage, [name]):
            return
        if _may_be_leaving(storage, name, first):
            raise FieldGone(
                f"All images were changed a moment ago, and '{name}' may have been renamed or "
                f"deleted: {before or 'nothing was written'}. Try again in a minute."
            )
        storage.fill(name, {**first, name: {"$exists": False}})
    storage.fill(name, {"$and": [which, {name: {"$exists": False}}]})
    if _has_lost(storage, first, name):
        storage.unfill(name, {"$and": [which, {name: {"$type": "null"}}]})
        raise FieldGone(gone(name, before))


def _has_lost(storage: Storage, first: dict[str, Any], name: str) -> bool:
    gone_from = {"_id": first["_id"], name: {"$exists": False}}
    return storage.documents.find_one(gone_from, {"_id": 1}) is not None


def _may_be_leaving(storage: Storage, name: str, first: dict[str, Any]) -> bool:
    """Whether the first document, which lacks a field, may have had it a moment ago."""
    changed, declared = first.get("last_modified_at"), created_at(storage, name)
    if changed is None or is_our_moment(changed) or abs(now() - changed) > _RENAMED_WITHIN:
        return False
    if declared is not None and changed < declared:
        return False
    # all documents that lose a field get the same moment, and are not new then
    documents, alike = storage.documents, {"last_modified_at": changed}
    is_new = {"_id": first["_id"], "created_at": changed}
    kept = {**alike, name: {"$exists": True}}
    return not any(documents.find_one(which, {"_id": 1}) for which in (is_new, kept))
