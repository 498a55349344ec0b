"""What was sent to an annotation tool: a record of ours beside FiftyOne's annotation runs.

It lies in FiftyOne's store of the dataset, which is deleted with it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, NamedTuple

import fiftyone as fo

from ..core.errors import UnknownRun
from ..dataset.stores import open_store

_STORE = "labelvet_handovers"

# a label is below a kilobyte, and a document of MongoDB holds 16 MB
_BATCH = 5_000


class State(NamedTuple):
    """What is corrected of a label: its class, and its box ``[x, y, width, height]`` relative to
    the image."""

    label: str | None
    box: tuple[float, float, float, float]


@dataclass(frozen=True)
class SentLabel:
    """A label that was sent.

    Attributes:
        sample_id, label_id: the label
        was: what it was in FiftyOne then
        sent: what was sent: another class or box where that was suggested
        state: its state then, one of :data:`labelvet.dataset.states.LABEL_STATES`
    """

    sample_id: str
    label_id: str
    was: State
    sent: State
    state: str


@dataclass(frozen=True)
class Handover:
    """What was sent at once.

    Attributes:
        anno_key: names it, and its first annotation run
        runs: the keys of FiftyOne's annotation runs, one for as many images as the tool takes
        field: the field of the labels
        backend: FiftyOne's name of the tool
        by, at: who sent it, and when, in UTC, by the clock of the database
        suggestions: whether suggested classes and boxes were sent in place of the labels' own
        labels, images: how many were sent
    """

    anno_key: str
    runs: tuple[str, ...]
    field: str
    backend: str
    by: str
    at: datetime
    suggestions: bool
    labels: int
    images: int


def write_handover(
    dataset: fo.Dataset, handover: Handover, labels: list[SentLabel] | None = None
) -> None:
    """Writes down what is sent.

    Args:
        dataset: the dataset
        handover: the record; one of its key is replaced
        labels: what is sent, None where that is written down already
    """
    store = open_store(dataset, _STORE)
    if labels is not None:
        drop_handover(dataset, handover.anno_key)
        for number, start in enumerate(range(0, len(labels), _BATCH)):
            batch = [_stored(one) for one in labels[start : start + _BATCH]]
            store.set(f"{handover.anno_key} {number}", {"labels": batch})
    store.set(handover.anno_key, {**asdict(handover), "runs": list(handover.runs)})


def read_handover(dataset: fo.Dataset, anno_key: Any) -> Handover:
    """Reads the record of an annotation key.

    Raises:
        UnknownRun: if nothing was sent under this key
    """
    known = list_handovers(dataset)
    found = next((one for one in known if one.anno_key == anno_key), None)
    if found is None:
        keys = ", ".join(one.anno_key for one in known)
        advice = f"choose one of {keys}" if keys else "send labels for correction first"
        raise UnknownRun(f"Nothing was sent for correction as '{anno_key}': {advice}.")
    return found


def read_labels(dataset: fo.Dataset, handover: Handover) -> list[SentLabel]:
    """Reads what was sent."""
    store = open_store(dataset, _STORE)
    count = -(-handover.labels // _BATCH)
    batches = [store.get(f"{handover.anno_key} {number}") for number in range(count)]
    return [_read(one) for batch in batches for one in batch["labels"]]


def list_handovers(dataset: fo.Dataset) -> list[Handover]:
    """Lists what was sent, the newest first."""
    store = open_store(dataset, _STORE)
    records = [store.get(key) for key in store.list_keys() if " " not in key]
    found = [Handover(**{**record, "runs": tuple(record["runs"])}) for record in records if record]
    return sorted(found, key=lambda one: one.at, reverse=True)


def drop_handover(dataset: fo.Dataset, anno_key: str) -> None:
    """Forgets what was sent under a key."""
    store = open_store(dataset, _STORE)
    for key in store.list_keys():
        if key.partition(" ")[0] == anno_key:
            store.delete(key)


def _stored(one: SentLabel) -> dict[str, Any]:
    states = {"was": [one.was.label, *one.was.box]}
    if one.sent != one.was:
        states["sent"] = [one.sent.label, *one.sent.box]
    return {"sample": one.sample_id, "label": one.label_id, "state": one.state, **states}


def _read(stored: dict[str, Any]) -> SentLabel:
    def state(values: list[Any]) -> State:
        return State(values[0], tuple(values[1:]))

    was = state(stored["was"])
    sent = state(stored["sent"]) if "sent" in stored else was
    return SentLabel(stored["sample"], stored["label"], was, sent, stored["state"])
