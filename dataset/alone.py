"""Steps that one process at a time may take, and one of its threads: what is read in such a step
holds until it is written."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import fiftyone as fo
from bson import ObjectId
from pymongo.errors import PyMongoError

from ..core.errors import InvalidParameter
from .run_keys import is_gone, this_writer
from .storage import Storage
from .stores import open_store

_STORE = "labelvet_alone"
# whether one on another machine is alive cannot be asked: it gets so long
_HELD_SECONDS = 600
_PAUSE_SECONDS = 0.1


@contextmanager
def alone(
    dataset: fo.Dataset | Storage, step: str, refusal: str, patience: float = 0.0
) -> Iterator[None]:
    """Lets nobody else into a step of a dataset until the block ends; a process that dies in it
    keeps nobody of its machine waiting.

    Args:
        dataset: the dataset
        step: what names the step
        refusal: a sentence for whom it is closed to
        patience: how many seconds to wait until it is free

    Raises:
        InvalidParameter: with the refusal, if it is not free by then
    """
    store, mine = open_store(dataset, _STORE), {"writer": this_writer(), "since": ObjectId()}
    deadline = time.monotonic() + patience
    while not _enter(store, step, mine):
        if time.monotonic() >= deadline:
            raise InvalidParameter(refusal)
        time.sleep(_PAUSE_SECONDS)
    try:
        yield
    finally:
        with suppress(PyMongoError):  # it is forgotten before long, or its process is gone
            if store.get(step) == mine:  # not of another, who came after the time of this one
                store.delete(step)


def _enter(store: Any, step: str, mine: dict[str, Any]) -> bool:
    held = store.get(step)
    if held is not None and is_gone(held["writer"], held["since"]):
        return bool(store.compare_and_set(step, held, mine, ttl=_HELD_SECONDS))
    return bool(store.set_if_absent(step, mine, ttl=_HELD_SECONDS))
