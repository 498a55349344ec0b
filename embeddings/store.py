"""Embeddings on disk: what was embedded once is read, and a run that was cut off goes on.

A store is a folder of shards. A shard is one safetensors file of some thousand embeddings, each
under a key that digests everything that changes it: the image's path, size and modification time,
the box, how it is cropped, the backbone, its weights and its precision. So a changed box is
embedded again, an unchanged one never is, whatever the run is called. Shards are written atomically
and never changed; a damaged one is found by its checksums, dropped and embedded again.
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
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import psutil
from numpy.typing import NDArray
from safetensors import SafetensorError

from ..core.errors import StoreFull
from ..core.sentences import first_line
from ..core.table import PatchTable
from .crops import CropSettings
from .key_index import find_rows
from .shards import DamagedShard, count_rows, read_keys, read_rows, shard_dimension, write_shard
from .vectors import KEY_BYTES, Keys

logger = logging.getLogger(__name__)

# So many patches are lost at most when a run is killed: half a minute on a CPU, a second on a GPU.
SHARD_PATCHES = 2048
DEFAULT_MAX_BYTES = 20 * 2**30

_SUFFIX = ".safetensors"
# What labelvet.embeddings.decoding makes of a file: embeddings of other pixels are not reused.
DECODED = "upright, eight bits by the range of the image, black where transparent, any TIFF"
# above this size, gathered vectors live in a file that the system pages in and out
_MAX_IN_MEMORY = 2**28
_ZEROS = 2**20

# The keys of so many shards are read in less time than the index takes; and for more keys than so
# many, the keys of all shards are.
_SCAN_UP_TO_SHARDS = 64
_INDEX_UP_TO_KEYS = 20_000


class StoreUnusable(Exception):
    """The store cannot be written; the run goes on without."""


def patch_keys(table: PatchTable, rows: NDArray[np.int64]) -> Keys:
    """Returns the keys that some rows of a table have in any store, shape ``(len(rows),)``."""
    used = np.unique(table.media[rows])
    images = {int(i): _digest_file(str(table.filepaths[i])) for i in used}
    boxes = np.ascontiguousarray(table.boxes[rows], dtype=np.float64)
    outlines = [None] * len(rows) if table.outlines is None else table.outlines[rows].tolist()
    digests = b"".join(
        hashlib.blake2b(
            images[image] + box.tobytes() + _describe_outline(outline), digest_size=KEY_BYTES
        ).digest()
        for image, box, outline in zip(table.media[rows].tolist(), boxes, outlines, strict=True)
    )
    return np.frombuffer(digests, dtype=f"V{KEY_BYTES}")


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
        decoded: how files became pixels, None for what versions wrote that did not say so
    """

    def __init__(
        self,
        backbone: str,
        fingerprint: str,
        precision: str,
        settings: CropSettings,
        folder: Path | None = None,
        *,
        decoded: str | None = DECODED,
    ) -> None:
        identity = {
            "backbone": backbone,
            "weights": fingerprint,
            "precision": precision,
            "resized_by": "torch",
            **settings.recorded(),
        }
        if decoded is not None:
            identity["decoded"] = decoded
        described = json.dumps(identity, sort_keys=True)
        digest = hashlib.blake2b(described.encode(), digest_size=KEY_BYTES).hexdigest()
        self.folder = (folder or store_folder()) / "embeddings" / digest
        self._described = described

    def write(self, keys: Keys, vectors: NDArray[np.float32]) -> None:
        """Adds a shard of ``(n,)`` keys and ``(n, d)`` vectors, all or nothing.

        Raises:
            StoreFull: if the disk is full
            StoreUnusable: if it cannot be written for another reason
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            _write_new(self.folder / "identity.json", self._described)
            write_shard(self.folder / f"{uuid.uuid4().hex}{_SUFFIX}", keys, vectors)
        except (OSError, SafetensorError) as error:
            if _is_full(error):
                raise StoreFull(
                    f"The disk of '{self.folder}' is full. What was embedded is kept: make room, "
                    "or set LABELVET_CACHE_DIR to another folder, and run this again."
                ) from error
            raise StoreUnusable(
                f"The embeddings could not be kept for the next run, as '{self.folder}' cannot be "
                f"written: {first_line(error)}."
            ) from error

    def gather(self, keys: Keys) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Reads the vectors of some keys; shards that are damaged are dropped.

        Args:
            keys: ``(n,)``

        Returns:
            a tuple of ``(n, d)`` float32 vectors, in a paged file where they are many, and which of
            them were found, ``(n,)``; the others are zero

        Raises:
            StoreFull: if there is room for them neither on disk nor in memory
        """
        found = np.zeros(len(keys), dtype=bool)
        vectors = np.empty((len(keys), 0), np.float32)
        for path, rows, target in self._locate(keys):
            order = np.argsort(rows, kind="stable")
            rows, target = rows[order], target[order]
            try:
                part = read_rows(path, rows, keys[target])
            except FileNotFoundError:
                continue  # another process has just cleared it
            except DamagedShard as error:
                _drop(path, error)
                continue
            if not found.any():
                vectors = allocate(len(keys), part.shape[1])
            elif part.shape[1] != vectors.shape[1]:
                continue  # the backbone will say which of them are wrong
            vectors[target] = part
            found[target] = True
            with suppress(OSError):  # another process may have cleared it
                os.utime(path)
        return vectors, found

    def drop_other_dimensions(self, dimension: int) -> None:
        """Drops the shards whose embeddings are not of a dimension."""
        for path in self._shards():
            if shard_dimension(path) != dimension:
                _drop(path, f"its embeddings do not have {dimension} dimensions")

    def _locate(self, keys: Keys) -> Iterator[tuple[Path, NDArray[np.int64], NDArray[np.int64]]]:
        """Yields shards, the rows of them that have some of the keys, and the indices of these.

        A key may be asked for several times, and be in several shards.
        """
        shards = self._shards()
        if len(shards) > _SCAN_UP_TO_SHARDS and len(keys) <= _INDEX_UP_TO_KEYS:
            found = find_rows(self.folder, [path.name for path in shards], keys)
            if found is not None:
                by_shard: dict[str, list[tuple[int, int]]] = {}
                for number, name, row in found:
                    by_shard.setdefault(name, []).append((row, number))
                for name, pairs in by_shard.items():
                    rows, numbers = np.array(pairs, dtype=np.int64).T
                    yield self.folder / name, rows, numbers
                return
        order = np.argsort(keys)
        for path in shards:
            try:
                stored = read_keys(path)
            except FileNotFoundError:
                continue
            except DamagedShard as error:
                _drop(path, error)
                continue
            first = np.searchsorted(keys, stored, "left", sorter=order)
            last = np.searchsorted(keys, stored, "right", sorter=order)
            if (last > first).any():
                yield (
                    path,
                    np.repeat(np.arange(len(stored)), last - first),
                    order[_ranges(first, last)],
                )

    def _shards(self) -> list[Path]:
        return sorted(self.folder.glob(f"*{_SUFFIX}"))


def allocate(n: int, dimension: int) -> NDArray[np.float32]:
    """Returns zeros of shape ``(n, dimension)``: in memory, or where they are many in a file that
    the system pages in and out and that vanishes with the array.

    Raises:
        StoreFull: if neither the disk nor the memory has room
    """
    size = n * dimension * 4
    if size > _MAX_IN_MEMORY:
        try:
            with temporary_file() as file:
                _reserve(file, size)
                return np.memmap(file, dtype=np.float32, mode="r+", shape=(n, dimension))
        except OSError as error:
            if 2 * size > psutil.virtual_memory().available:
                raise StoreFull(
                    f"The disk of '{store_folder()}' has no room for {size / 2**30:.1f} GB of "
                    "embeddings, and the memory has none: make room, or set LABELVET_CACHE_DIR to "
                    "another folder, and run this again. What was embedded is kept."
                ) from error
    return np.zeros((n, dimension), dtype=np.float32)


def temporary_file() -> IO[bytes]:
    """Opens a file on the disk of the store, or of the system's temporary files where the store
    cannot be written; it vanishes when it is closed."""
    folder = store_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryFile(dir=folder)
    except OSError:
        return tempfile.TemporaryFile()


def _reserve(file: IO[bytes], size: int) -> None:
    """Takes the blocks of a file from the disk: a map of a sparse file ends the process (SIGBUS)
    where a page finds none."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), 0, size)
    else:
        for start in range(0, size, _ZEROS):
            file.write(bytes(min(_ZEROS, size - start)))
        file.flush()


def summarize_store(folder: Path | None = None) -> StoreSummary:
    """Returns what the store holds."""
    folder = folder or store_folder()
    shards = patches = 0
    sizes: dict[str, int] = {}
    for path in _all_shards(folder):
        with suppress(OSError):
            size = path.stat().st_size
            shards, patches = shards + 1, patches + count_rows(path)
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
        with suppress(OSError):  # a store that can only be read stays as it is
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


def _describe_outline(outline: Any) -> bytes:
    if outline is None:
        return b""
    if isinstance(outline, str):
        return _digest_file(outline)
    return bytes(outline) if isinstance(outline, bytes) else json.dumps(outline).encode()


def _digest_file(path: str) -> bytes:
    try:
        status = os.stat(path)
        described = f"{path}\0{status.st_size}\0{status.st_mtime_ns}"
    except OSError:
        described = path  # it will turn out to be unreadable
    return hashlib.blake2b(described.encode(), digest_size=KEY_BYTES).digest()


def _write_new(path: Path, text: str) -> None:
    """Writes a file that is not there; a link of its name is left alone, wherever it points."""
    with suppress(FileExistsError), open(path, "x") as file:
        file.write(text)


def _is_full(error: Exception) -> bool:
    full = (errno.ENOSPC, errno.EDQUOT)
    return getattr(error, "errno", None) in full or any(
        f"os error {number}" in str(error) for number in full
    )


def _drop(path: Path, why: object) -> None:
    logger.warning("Dropped the damaged shard '%s': %s", path, why)
    with suppress(OSError):
        path.unlink()


def _ranges(first: NDArray[np.int64], last: NDArray[np.int64]) -> NDArray[np.int64]:
    """Concatenates ``arange(first[i], last[i])``."""
    lengths = last - first
    starts = np.repeat(first - np.concatenate([[0], np.cumsum(lengths)[:-1]]), lengths)
    return np.asarray(starts + np.arange(lengths.sum()), dtype=np.int64)
