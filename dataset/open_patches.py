"""Patches that open views hold: copies of labels, which follow what is written into these."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from bson import ObjectId
from pymongo import UpdateMany, UpdateOne

from .patches import label_root
from .storage import LabelRoot, Storage


def write_patches(
    storage: Storage,
    field: str,
    samples: list[ObjectId],
    labels: list[ObjectId],
    updates: Callable[[LabelRoot, str], list[Any]],
) -> None:
    """Writes into the patches that open views hold what was written into their labels.

    Args:
        storage: where the labels are
        field: their field, as its documents call it
        samples: whose labels they are
        labels: the labels, whose ids their patches have
        updates: makes PyMongo's updates of where the labels are in a view's documents, and the
            path of the id of their sample
    """
    for patches in storage.patches(field, samples):
        path = label_root(patches.dataset, field)
        patches.documents.bulk_write(updates(path, patches.key), ordered=False)
        patches.refresh([str(label) for label in labels])


class WrittenLabel(NamedTuple):
    """What was written into a label.

    Attributes:
        sample: its sample
        label: its id
        values: attributes that it was given, by name
        emptied: attributes that were taken from it
    """

    sample: ObjectId
    label: ObjectId
    values: dict[str, Any]
    emptied: list[str]


def write_attributes(storage: Storage, field: str, written: list[WrittenLabel]) -> None:
    """Writes attributes of labels into the patches that open views hold; see
    :func:`write_patches`."""

    def updates(path: LabelRoot, key: str) -> list[Any]:
        return [_update(one, path, key) for one in written]

    if written:
        samples = list(dict.fromkeys(one.sample for one in written))
        write_patches(storage, field, samples, [one.label for one in written], updates)


def _update(one: WrittenLabel, path: LabelRoot, key: str) -> UpdateOne | UpdateMany:
    root, listed = path
    at = f"{root}.$[l]" if listed else root
    change: dict[str, Any] = {}
    if one.values:
        change["$set"] = {f"{at}.{name}": value for name, value in one.values.items()}
    if one.emptied:
        change["$unset"] = {f"{at}.{name}": "" for name in one.emptied}
    if not listed:  # a patch has the id of its label
        return UpdateOne({"_id": one.label, key: one.sample}, change)
    of_label = {key: one.sample, f"{root}._id": one.label}
    return UpdateMany(of_label, change, array_filters=[{"l._id": one.label}])


def remove_attributes(storage: Storage, field: str, names: Iterable[str]) -> None:
    """Removes attributes of labels, with their schema, from the patches that open views hold.

    Args:
        storage: where the labels are
        field: their field, as its documents call it
        names: the attributes
    """
    for patches in storage.patches(field, None):
        root, _ = label_root(patches.dataset, field)
        paths = [f"{root}.{name}" for name in names]
        patches.dataset.delete_sample_fields(paths)
