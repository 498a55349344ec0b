"""The few words on MongoDB that every worker needs: whose clock counts, and what is waited for."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import fiftyone.core.odm as foo
from pymongo.collection import Collection
from pymongo.errors import ConnectionFailure

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

# A database that is restarted, or fails over to another node, is back by then.
_PATIENCE_SECONDS = 60.0
_PAUSE_SECONDS = 0.5


def collection(name: str) -> Collection[Any]:
    """Returns a collection of FiftyOne's database."""
    found: Collection[Any] = foo.get_db_conn()[name]
    return found


def away_from_now(path: str, seconds: float) -> dict[str, object]:
    """Returns a condition for ``$expr``: the date at ``path`` is so old, or so far ahead, as a date
    is that was written before the database's clock was set back."""
    age = {"$subtract": ["$$NOW", f"${path}"]}
    return {"$gt": [{"$abs": age}, round(1000 * seconds)]}


def older_than(path: str, seconds: float) -> dict[str, object]:
    """Returns a condition for ``$expr``: the date at ``path`` is so old, by the database's own
    clock, which is the only one that all machines share."""
    return {"$lt": [f"${path}", {"$subtract": ["$$NOW", round(1000 * seconds)]}]}


def patient(call: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Makes a function that may be called twice wait for a database that is restarted."""

    @functools.wraps(call)
    def patient_call(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                return call(*args, **kwargs)
            except ConnectionFailure:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_PAUSE_SECONDS)

    return patient_call
