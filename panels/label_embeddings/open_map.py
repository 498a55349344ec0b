"""The map that the browser shows, and its rows."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from ...core.errors import InvalidParameter
from ...dataset.documents import LabelIds
from ...maps.map import Map, load_map
from .messages import RunRequest


def open_map(ctx: Any, request: RunRequest) -> Map:
    """Returns the map that the browser shows, by its key and its identity."""
    return load_map(ctx.dataset, request.key, request.run)


def check_rows(rows: list[int], shown: Map) -> list[int]:
    """Returns rows, if the map has them."""
    if any(row >= len(shown) for row in rows):
        raise InvalidParameter(f"The rows of this map are 0 to {len(shown) - 1:,}.")
    return rows


def labels_of(shown: Map, rows: NDArray[Any]) -> dict[str, LabelIds]:
    """Returns the labels of some rows: of each field, as the dataset calls it, the ids of their
    samples, and their own."""
    labels = {}
    for number, _, within in shown.split(rows):
        part = shown.parts[number]
        labels[str(part.info.field)] = part.sample_ids[within], part.ids[within]
    return labels
