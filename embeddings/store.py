"""Embeddings on disk: what was embedded once is read, and a run that was cut off goes on.

A store is a folder of shards. A shard is one safetensors file of some thousand embeddings, each
under a key that digests everything that changes it: the image's path, size and modification time,
the box, how it is cropped, the backbone, its weights and its precision. So a changed box is
embedded again, an unchanged one never is, whatever the run is called. Shards are written atomically
and never changed; a damaged one is found by its checksum, dropped and embedded again.
"""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from ..core.errors import StoreFull
from ..core.table import PatchTable
from .crops import CropSettings

logger = logging.getLogger(__name__)

# So many patches are lost at most when a run is killed: half a minute on a CPU, a second on a GPU.
SHARD_PATCHES = 2048
DEFAULT_MAX_BYTES = 20 * 2**30

_SUFFIX = ".safetensors"
_DIGEST_BYTES = 16
# above this size, gathered vectors live in a file that the system pages in and out
_MAX_IN_MEMORY = 2**28

Keys = NDArray[np.void]
"""(n,) of ``V16``, one digest for each patch."""


def bytes_of(keys: Keys) -> NDArray[np.uint8]:
    """Returns ``(n, 16)`` bytes, which a safetensors file can hold."""
    return np.ascontiguousarray(keys).view(np.uint8).reshape(-1, _DIGEST_BYTES)


def keys_of(bytes_: NDArray[np.uint8]) -> Keys:
    """Returns the keys of ``(n, 16)`` bytes."""
    return np.ascontiguousarray(bytes_, dtype=np.uint8).view(f"V{_DIGEST_BYTES}").reshape(-1)


def patch_keys(table: PatchTable, rows: NDArray[np.int64]) -> Keys:
    """Returns the keys that some rows of a table have in any store, shape ``(len(rows),)``."""
    used = np.unique(table.media[rows])
    images = {int(i): _digest_file(str(table.filepaths[i])) for i in used}
    boxes = np.ascontiguousarray(table.boxes[rows], dtype=np.float64)
    digests = b"".join(
        hashlib.blake2b(images[image] + box.tobytes(), digest_size=_DIGEST_BYTES).digest()
        for image, box in zip(table.media[rows].tolist(), boxes, strict=True)
    )
    return np.frombuffer(digests, dtype=f"V{_DIGEST_BYTES}")


def store_folder() -> Path:
    """Returns the folder of the store: ``LABELVET_CACHE_DIR``, or one in the user's cache."""
    if folder := os.environ.get("LABELVET_CACHE_DIR"):
        return Path(folder).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "labelvet"


@dataclass(frozen=True)
class StoreSummary:
    """What a store holds.

    Attributes:
        folder: where it is
        shards: the number of shards
        patches: the number of embeddings
        size: bytes on disk
        backbones: ``{backbone: bytes}``
    """

    folder: Path
    shards: int
    patches: int
    size: int
    backbones: dict[str, int]


class EmbeddingStore:
    """The shards of one backbone, one precision and one way to crop.

    Args:
        backbone: the backbone's name
        fingerprint: the digest of its weights
        precision: the dtype of its forward pass
        settings: how boxes become crops
        folder: the store's folder, by default :func:`store_folder`
    """

    def __init__(
        self,
        backbone: str,
        fingerprint: str,
        precision: str,
        settings: CropSettings,
        folder: Path | None = None,
    ) -> None:
        identity = {
            "backbone": backbone,
            "weights": fingerprint,
            "precision": precision,
            "resized_by": "torch",
            **asdict(settings),
        }
        described = json.dumps(identity, sort_keys=True)
        digest = hashlib.blake2b(described.encode(), digest_size=_DIGEST_BYTES).hexdigest()
        self.folder = (folder or store_folder()) / "embeddings" / digest
        self._described = described

    def write(self, keys: Keys, vectors: NDArray[np.float32]) -> None:
        """Adds a shard of ``(n,)`` keys and ``(n, d)`` vectors, all or nothing.

        Raises:
            StoreFull: if the disk is full
        """
        path = self.folder / f"{uuid.uuid4().hex}{_SUFFIX}"
        unfinished = path.with_suffix(".unfinished")
        tensors: dict[str, NDArray[Any]] = {
            "keys": bytes_of(keys),
            "vectors": np.ascontiguousarray(vectors, dtype=np.float32),
        }
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            identity = self.folder / "identity.json"
            if not identity.exists():
                identity.write_text(self._described)
            save_file(tensors, unfinished, metadata={"checksum": _checksum(tensors)})
            os.replace(unfinished, path)
        except (OSError, SafetensorError) as error:
            unfinished.unlink(missing_ok=True)
            if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or "os error 28" in (
                str(error)
            ):
                raise StoreFull(
                    f"The disk of '{self.folder}' is full. What was embedded is kept: make room, "
                    "or set LABELVET_CACHE_DIR to another folder, and run this again."
                ) from error
            raise

    def find(self, keys: Keys) -> NDArray[np.bool_]:
        """Returns which keys the store has undamaged, shape ``(n,)``."""
        stored = [shard[0] for path in self._shards() if (shard := _read(path)) is not None]
        return np.isin(keys, np.concatenate(stored)) if stored else np.zeros(len(keys), dtype=bool)

    def gather(self, keys: Keys) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Reads the vectors of some keys.

        Args:
            keys: ``(n,)``

        Returns:
            a tuple of ``(n, d)`` float32 vectors, in a paged file where they are many, and which of
            them were found, ``(n,)``; the others are zero
        """
        found = np.zeros(len(keys), dtype=bool)
        vectors: NDArray[np.float32] | None = None
        order = np.argsort(keys)
        for path in self._shards():
            if (read := _read(path)) is None:
                continue
            stored, shard = read
            first = np.searchsorted(keys, stored, "left", sorter=order)
            last = np.searchsorted(keys, stored, "right", sorter=order)
            if not (last > first).any():
                continue
            # the same patch may have several rows, and a key several shards
            source = np.repeat(np.arange(len(stored)), last - first)
            target = order[_ranges(first, last)]
            if vectors is None:
                vectors = allocate(len(keys), shard.shape[1])
            vectors[target] = shard[source]
            found[target] = True
            with suppress(OSError):  # another process may have cleared it
                os.utime(path)
        return np.empty((len(keys), 0), np.float32) if vectors is None else vectors, found

    def _shards(self) -> list[Path]:
        return sorted(self.folder.glob(f"*{_SUFFIX}"))


def allocate(n: int, dimension: int) -> NDArray[np.float32]:
    """Returns zeros of shape ``(n, dimension)``: in memory, or where they are many in a file that
    the system pages in and out and that vanishes with the array."""
    if n * dimension * 4 <= _MAX_IN_MEMORY:
        return np.zeros((n, dimension), dtype=np.float32)
    with temporary_file() as file:
        return np.memmap(file, dtype=np.float32, mode="w+", shape=(n, dimension))


def temporary_file() -> IO[bytes]:
    """Opens a file on the disk of the store, which vanishes when it is closed."""
    folder = store_folder()
    folder.mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryFile(dir=folder)


def summarize_store(folder: Path | None = None) -> StoreSummary:
    """Returns what the store holds."""
    folder = folder or store_folder()
    shards = patches = 0
    sizes: dict[str, int] = {}
    for path in _all_shards(folder):
        with suppress(OSError):
            size = path.stat().st_size
            shards, patches = shards + 1, patches + _count_keys(path)
            name = _backbone_of(path.parent)
            sizes[name] = sizes.get(name, 0) + size
    return StoreSummary(folder, shards, patches, sum(sizes.values()), sizes)


def shrink_store(max_bytes: int | None = None, folder: Path | None = None) -> int:
    """Drops the shards that were used longest ago until the rest fits.

    Args:
        max_bytes: the limit; by default ``LABELVET_CACHE_GB`` gigabytes, or 20
        folder: the store's folder

    Returns:
        the number of bytes that were freed
    """
    if max_bytes is None:
        max_bytes = _configured_limit()
    shards = []
    for path in _all_shards(folder or store_folder()):
        with suppress(OSError):
            status = path.stat()
            shards.append((status.st_mtime, status.st_size, path))
    excess = sum(size for _, size, _ in shards) - max_bytes
    freed = 0
    for _, size, path in sorted(shards):
        if freed >= excess:
            break
        path.unlink(missing_ok=True)
        freed += size
    return freed


def clear_store(folder: Path | None = None) -> int:
    """Removes every embedding from the store and returns the number of bytes that were freed."""
    folder = folder or store_folder()
    size = summarize_store(folder).size
    shutil.rmtree(folder / "embeddings", ignore_errors=True)
    return size


def _configured_limit() -> int:
    text = os.environ.get("LABELVET_CACHE_GB", "")
    try:
        return int(float(text) * 2**30) if text else DEFAULT_MAX_BYTES
    except ValueError:
        logger.warning("LABELVET_CACHE_GB must be a number, not '%s'; it is ignored.", text)
        return DEFAULT_MAX_BYTES


def _all_shards(folder: Path) -> Iterator[Path]:
    return (folder / "embeddings").glob(f"*/*{_SUFFIX}")


def _backbone_of(folder: Path) -> str:
    try:
        return str(json.loads((folder / "identity.json").read_text())["backbone"])
    except (OSError, ValueError, KeyError):
        return "unknown"


def _digest_file(path: str) -> bytes:
    try:
        status = os.stat(path)
        described = f"{path}\0{status.st_size}\0{status.st_mtime_ns}"
    except OSError:
        described = path  # it will turn out to be unreadable
    return hashlib.blake2b(described.encode(), digest_size=_DIGEST_BYTES).digest()


def _count_keys(path: Path) -> int:
    try:
        with safe_open(path, "numpy") as file:
            return int(file.get_slice("keys").get_shape()[0])
    except SafetensorError:
        return 0


def _read(path: Path) -> tuple[Keys, NDArray[np.float32]] | None:
    """Returns the keys and vectors of a shard, or None where it is not what was written."""
    try:
        with safe_open(path, "numpy") as file:
            tensors = {name: file.get_tensor(name) for name in ("keys", "vectors")}
            checksum = (file.metadata() or {}).get("checksum")
        if _checksum(tensors) != checksum:
            raise ValueError("its checksum is wrong")
    except FileNotFoundError:
        return None  # another process has just cleared it
    except (OSError, SafetensorError, ValueError) as error:
        logger.warning("Dropped the damaged shard '%s': %s", path, error)
        with suppress(OSError):
            path.unlink()
        return None
    return keys_of(tensors["keys"]), tensors["vectors"]


def _checksum(tensors: dict[str, NDArray[Any]]) -> str:
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    for name in sorted(tensors):
        digest.update(np.ascontiguousarray(tensors[name]).data)
    return digest.hexdigest()


def _ranges(first: NDArray[np.int64], last: NDArray[np.int64]) -> NDArray[np.int64]:
    """Concatenates ``arange(first[i], last[i])``."""
    lengths = last - first
    starts = np.repeat(first - np.concatenate([[0], np.cumsum(lengths)[:-1]]), lengths)
    return np.asarray(starts + np.arange(lengths.sum()), dtype=np.int64)
