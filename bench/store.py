"""A few keys of a full store of embeddings: what an update of a few labels waits for."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from .report import Aim, quick, write

if TYPE_CHECKING:
    from labelvet.embeddings.vectors import Keys

_DIMENSION = 1280  # of the default backbone
_ASKED = 10
_TURNS = 7


def run(folder: Path) -> None:
    """Runs the bench."""
    from labelvet.embeddings.crops import CropSettings
    from labelvet.embeddings.key_index import INDEX_NAME
    from labelvet.embeddings.store import DEFAULT_MAX_BYTES, SHARD_PATCHES, EmbeddingStore

    size = DEFAULT_MAX_BYTES // (20 if quick() else 1)
    shards = size // (SHARD_PATCHES * (4 * _DIMENSION + 20))
    store = EmbeddingStore("efficientnet-lite0", "0", "fp32", CropSettings(), folder)
    store.folder.mkdir(parents=True)
    rng = np.random.default_rng(51)
    asked = [_write_shard(store.folder / f"{n:06d}.safetensors", rng) for n in range(shards)]

    def gather(cold: bool) -> float:
        keys = np.concatenate([asked[n] for n in rng.choice(shards, _ASKED, replace=False)])
        if cold:
            _leave_memory(store.folder)
        start = time.perf_counter()
        vectors, found = store.gather(keys)
        seconds = time.perf_counter() - start
        if not found.all() or vectors.shape != (_ASKED, _DIMENSION):
            raise RuntimeError("the store did not find what was written")
        return seconds

    figures: dict[str, Any] = {
        "gigabytes": round(sum(p.stat().st_size for p in store.folder.glob("*.s*")) / 2**30, 2),
        "shards": shards,
        "keys": shards * SHARD_PATCHES,
        "index_once": round(gather(cold=False), 2),
        "warm": round(median(gather(cold=False) for _ in range(_TURNS)), 4),
        "cold": round(median(gather(cold=True) for _ in range(_TURNS)), 4),
    }
    figures["index_megabytes"] = round((store.folder / INDEX_NAME).stat().st_size / 2**20)
    what = f"{_ASKED} keys of {figures['gigabytes']} GB, s"
    write("store", figures, [Aim(what, figures["warm"], "<=", 0.2)])


def _write_shard(path: Path, rng: np.random.Generator) -> Keys:
    """Writes a shard of which one vector alone takes room on the disk, and returns its key.

    The file is as long as a whole one, and all its keys are there.
    """
    from labelvet.embeddings.shards import _checksum_of_keys, _checksums
    from labelvet.embeddings.store import SHARD_PATCHES
    from labelvet.embeddings.vectors import KEY_BYTES, keys_of

    keys = rng.integers(0, 256, (SHARD_PATCHES, KEY_BYTES), dtype=np.uint8)
    row, vector = int(rng.integers(SHARD_PATCHES)), rng.random((1, _DIMENSION), np.float32)
    checksums = np.zeros(SHARD_PATCHES, np.uint32)
    key = keys_of(keys[row : row + 1])
    checksums[row : row + 1] = _checksums(key, vector)
    parts: dict[str, Any] = {"__metadata__": {"keys": _checksum_of_keys(keys)}}
    end = 0
    for name, kind, shape in (
        ("checksums", "U32", [SHARD_PATCHES]),
        ("vectors", "F32", [SHARD_PATCHES, _DIMENSION]),
        ("keys", "U8", [SHARD_PATCHES, KEY_BYTES]),
    ):
        start, end = end, end + int(np.prod(shape)) * (1 if kind == "U8" else 4)
        parts[name] = {"dtype": kind, "shape": shape, "data_offsets": [start, end]}
    header = json.dumps(parts).encode()
    header += b" " * (-len(header) % 8)
    first = 8 + len(header)
    vectors = first + checksums.nbytes
    with open(path, "wb") as file:
        file.write(len(header).to_bytes(8, "little") + header + checksums.tobytes())
        file.seek(vectors + row * vector.nbytes)
        file.write(vector.tobytes())
        file.seek(vectors + SHARD_PATCHES * vector.nbytes)
        file.write(keys.tobytes())
    return key


def _leave_memory(folder: Path) -> None:
    """Has the system forget what it read of the files of a folder, where it can."""
    os.sync()
    for path in folder.iterdir():
        with open(path, "rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
