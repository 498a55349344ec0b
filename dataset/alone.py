"""Steps that one process at a time may take, and one of its threads: what is read in such a step
holds until it is written."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import fiftyone as fo

from ..core.errors import InvalidParameter
from .holds import Hold
from .storage import Storage
from .stores import begin_record, record_of

_STORE = "labelvet_alone"
_PAUSE_SECONDS = 0.1


@contextmanager
def alone(
    dataset: fo.Dataset | Storage, step: str, refusal: str, patience: float = 0.0
) -> Iterator[None]:
    """Lets nobody else into a step of a dataset until the block ends, however long that takes; a
    process that dies in it keeps nobody waiting for long, see :mod:`labelvet.dataset.holds`.

    Args:
        dataset: the dataset
        step: what names the step
        refusal: a sentence for whom it is closed to
        patience: how many seconds to wait until it is free

    Raises:
        InvalidParameter: with the refusal, if it is not free by then
    """
    begin_record(dataset, _STORE, step)
    hold, deadline = Hold(record_of(dataset, _STORE, step), step), time.monotonic() + patience
    while not hold.take():
        if time.monotonic() >= deadline:
            raise InvalidParameter(refusal)
        time.sleep(_PAUSE_SECONDS)
    with hold.kept():
        yield
