"""The embeddings of a patch table, wherever they came from. Importing this module loads no torch,
so that what only reads embeddings opens at once."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

KEY_BYTES = 16

Keys = NDArray[np.void]
"""(n,) of ``V16``: digests of what each embedding depends on, see :mod:`.store`."""

# Distances are sums of squares in float32, which end at 3e38.
_LARGEST = 1e15


@dataclass(frozen=True, eq=False)
class Embeddings:
    """The embeddings of some rows of a patch table.

    Attributes:
        rows: (m,) int64, the embedded rows of the table, ascending
        vectors: (m, d) float32
        unreadable: ``{filepath: reason}`` of the images that could not be decoded
        failed: ``{id: reason}`` of the patches that could not be embedded for another reason
        reused: how many embeddings were read from the store
        keys: (m,) their keys in the store, None where it was not used
        notes: sentences on what was done otherwise than asked
    """

    rows: NDArray[np.int64]
    vectors: NDArray[np.float32]
    unreadable: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    reused: int = 0
    keys: Keys | None = None
    notes: list[str] = field(default_factory=list)


def are_comparable(vectors: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Whether distances to each of ``(n, d)`` vectors can be computed, ``(n,)``."""
    return np.asarray((np.abs(vectors) <= _LARGEST).all(axis=1))


def bytes_of(keys: Keys) -> NDArray[np.uint8]:
    """Returns ``(n, 16)`` bytes, which a safetensors file can hold."""
    return np.ascontiguousarray(keys).view(np.uint8).reshape(-1, KEY_BYTES)


def keys_of(bytes_: NDArray[np.uint8]) -> Keys:
    """Returns the keys of ``(n, 16)`` bytes."""
    return np.ascontiguousarray(bytes_, dtype=np.uint8).view(f"V{KEY_BYTES}").reshape(-1)
