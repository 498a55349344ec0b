"""Batches that are written into fields which somebody may rename or delete at any moment.

FiftyOne renames or deletes a field in the documents first, and in the schema then. So a batch that
asks the schema right before and right after is never in a field that is not there any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import fiftyone as fo

from ..core.errors import FieldGone
from . import removed
from .documents import samples_of
from .schema import check_fields, gone, missing_fields
from .storage import Storage


@contextmanager
def checked_write(
    dataset: fo.Dataset | Storage, names: Iterable[str], before: str = "", after: str = ""
) -> Iterator[None]:
    """Checks fields of Detections before and after the block writes into them.

    A field for what was removed is made again after: labels that just went there are nowhere else.

    Args:
        dataset: the dataset, or the storage of its frames
        names: the fields
        before: a sentence on what was written before the block; by default nothing was
        after: one on what was written when the block ends; by default ``before``

    Raises:
        FieldGone: if one is not there; then no document has it any more
        DatasetDeleted: if the dataset does not exist any more
    """
    names = list(names)
    check_fields(dataset, names, before)
    yield
    missing = missing_fields(dataset, names)
    held = {removed.removed_field(name): name for name in names}
    for name in set(missing) & set(held):
        dataset.reload()
        removed.prepare(dataset, held[name])
    lost = [name for name in missing if name not in held]
    if lost:
        there = {"$or": [{name: {"$exists": True}} for name in lost]}
        samples_of(dataset).update_many(there, {"$unset": dict.fromkeys(lost, "")})
        raise FieldGone(gone(lost[0], after or before))
