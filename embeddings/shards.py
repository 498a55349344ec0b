"""One shard of the store: a safetensors file of some thousand embeddings, each under its key.

Every row has a checksum of its own, so that a few rows are read, and found damaged, without reading
the others. A file that was not written here may hold anything: whatever its reading raises means
that it is damaged.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save_file

from .vectors import KEY_BYTES, Keys, are_comparable, bytes_of, keys_of

# above this share of a shard's rows, reading all of them in one piece is faster
_PIECEWISE_UP_TO = 0.25


class DamagedShard(Exception):
    """A shard is not what was written."""


def write_shard(path: Path, keys: Keys, vectors: NDArray[np.float32]) -> None:
    """Writes a shard of ``(n,)`` keys and ``(n, d)`` vectors, all or nothing.

    Raises:
        OSError, SafetensorError: if it cannot be written; nothing is there then
    """
    unfinished = path.with_suffix(".unfinished")
    vectors = np.ascontiguousarray(vectors, dtype=np.float32)
    tensors: dict[str, NDArray[Any]] = {
        "keys": bytes_of(keys),
        "vectors": vectors,
        "checksums": _checksums(keys, vectors),
    }
    try:
        save_file(tensors, unfinished, metadata={"keys": _checksum_of_keys(tensors["keys"])})
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def read_keys(path: Path) -> Keys:
    """Reads the keys of a shard, ``(n,)``.

    Raises:
        DamagedShard: if they are not what was written
        FileNotFoundError: if the shard was removed
    """
    try:
        with safe_open(path, "numpy") as file:
            keys = file.get_tensor("keys")
            expected = (file.metadata() or {}).get("keys")
    except (FileNotFoundError, MemoryError):
        raise
    except Exception as error:
        raise DamagedShard(str(error)) from error
    if keys.dtype != np.uint8 or keys.ndim != 2 or keys.shape[1] != KEY_BYTES:
        raise DamagedShard("its keys have another shape")
    if expected is not None and expected != _checksum_of_keys(keys):
        raise DamagedShard("the checksum of its keys is wrong")
    return keys_of(keys)


def read_rows(path: Path, rows: NDArray[np.int64], keys: Keys) -> NDArray[np.float32]:
    """Reads some vectors of a shard.

    Args:
        path: the shard
        rows: (m,) its rows, ascending
        keys: (m,) the keys that they have

    Returns:
        (m, d) float32

    Raises:
        DamagedShard: if these rows are not what was written
        FileNotFoundError: if the shard was removed
    """
    try:
        with safe_open(path, "numpy") as file:
            if "checksums" not in file.keys():  # noqa: SIM118, no mapping
                return _read_whole(file)[rows]
            vectors, checksums = file.get_slice("vectors"), file.get_tensor("checksums")
            n = vectors.get_shape()[0]
            if checksums.shape != (n,) or rows[-1] >= n:
                raise DamagedShard("its parts do not fit each other")
            if len(rows) > _PIECEWISE_UP_TO * n:
                found = np.asarray(vectors[:])[rows]
            else:
                found = np.concatenate([vectors[row : row + 1] for row in rows.tolist()])
    except (FileNotFoundError, MemoryError, DamagedShard):
        raise
    except Exception as error:
        raise DamagedShard(str(error)) from error
    if found.dtype != np.float32 or found.ndim != 2 or not are_comparable(found).all():
        raise DamagedShard("it holds no embeddings")
    if not np.array_equal(_checksums(keys, found), checksums[rows]):
        raise DamagedShard("a checksum is wrong")
    return found


def shard_dimension(path: Path) -> int:
    """Returns the dimension of a shard's embeddings, 0 where it cannot be read."""
    try:
        with safe_open(path, "numpy") as file:
            return int(file.get_slice("vectors").get_shape()[1])
    except Exception:
        return 0


def count_rows(path: Path) -> int:
    """Returns how many embeddings a shard holds, 0 where it cannot be read."""
    try:
        with safe_open(path, "numpy") as file:
            return int(file.get_slice("keys").get_shape()[0])
    except Exception:
        return 0


def _read_whole(file: Any) -> NDArray[np.float32]:
    """Reads a shard of the first versions of labelvet, which has one checksum for all."""
    tensors = {name: file.get_tensor(name) for name in ("keys", "vectors")}
    digest = hashlib.blake2b(digest_size=KEY_BYTES)
    for name in sorted(tensors):
        digest.update(np.ascontiguousarray(tensors[name]).data)
    vectors: NDArray[np.float32] = tensors["vectors"]
    if digest.hexdigest() != (file.metadata() or {}).get("checksum"):
        raise DamagedShard("its checksum is wrong")
    if vectors.ndim != 2 or vectors.dtype != np.float32 or not are_comparable(vectors).all():
        raise DamagedShard("it holds no embeddings")
    return vectors


def _checksums(keys: Keys, vectors: NDArray[np.float32]) -> NDArray[np.uint32]:
    """Returns a checksum of each key with its vector, ``(n,)``."""
    crc = zlib.crc32
    pairs = zip(bytes_of(keys), np.ascontiguousarray(vectors), strict=True)
    return np.fromiter((crc(vector.data, crc(key.data)) for key, vector in pairs), np.uint32)


def _checksum_of_keys(keys: NDArray[np.uint8]) -> str:
    return f"{zlib.crc32(np.ascontiguousarray(keys).data):08x}"
