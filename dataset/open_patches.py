"""Patches that open views hold: copies of labels, which follow what is written into these."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bson import ObjectId

from .patches import label_root
from .storage import Storage


def write_patches(
    storage: Storage,
    field: str,
    samples: list[ObjectId],
    labels: list[ObjectId],
    updates: Callable[[str, bool, str], list[Any]],
) -> None:
    """Writes into the patches that open views hold what was written into their labels.

    Args:
        storage: where the labels are
        field: their field, as its documents call it
        samples: whose labels they are
        labels: the labels, whose ids their patches have
        updates: makes PyMongo's updates of the path of the labels in a view's documents, whether
            they are in a list there, and the path of the id of their sample
    """
    for patches in storage.patches(field, samples):
        root, listed = label_root(patches.dataset, field)
        patches.documents.bulk_write(updates(root, listed, patches.key), ordered=False)
        patches.refresh([str(label) for label in labels])
