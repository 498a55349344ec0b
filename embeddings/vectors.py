"""The embeddings of a patch table, wherever they came from. Importing this module loads no torch,
so that what only reads embeddings opens at once."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .store import Keys


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
    """

    rows: NDArray[np.int64]
    vectors: NDArray[np.float32]
    unreadable: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    reused: int = 0
    keys: Keys | None = None
