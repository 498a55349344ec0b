"""Embeds a patch table: images decoded once, in threads, and batches that cross image borders.

What is embedded goes to the store shard by shard, and what the store has already is read from it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray

from ..core.errors import InvalidParameter
from ..core.progress import Progress, Stage
from ..core.table import PatchTable
from .backbones import Backbone
from .crops import CropSettings, cut_crops
from .decoding import DecodingThreads, UnreadableImage, num_workers_beside, read_pixels
from .store import SHARD_PATCHES, EmbeddingStore, Keys, allocate, patch_keys
from .vectors import Embeddings

BATCH_SIZE_CPU = 8
_BATCH_SIZE_GPU = 256
# A crowded image is cut in portions, so that its crops never fill the memory.
_CROPS_PER_TASK = 256
# What a process of a cluster has done is sent so often: that much is lost when it dies.
_SECONDS_PER_PIECE = 3.0


@runtime_checkable
class ShardedBackbone(Protocol):
    """A backbone that runs elsewhere, on many machines; see :class:`Backbone` for its attributes.

    Several shards are embedded at once, so they come back in pieces and in any order.
    """

    name: str
    fingerprint: str | None
    precision: str

    def shard_size(self, left: int) -> int:
        """Returns how many patches the next shard should have, of ``left`` that are in none yet."""

    def embed_shards(
        self,
        table: PatchTable,
        shards: Iterator[NDArray[np.int64]],
        settings: CropSettings,
        batch_size: int | None,
        num_workers: int | None,
    ) -> Iterator[tuple[NDArray[np.int64], Embeddings]]:
        """Yields rows that are done with their :class:`Embeddings`, whose ``rows`` count within
        them, and now and then nothing at all, so that the caller can stop."""


def embed_patches(
    table: PatchTable,
    backbone: Backbone | ShardedBackbone,
    settings: CropSettings | None = None,
    *,
    batch_size: int | None = None,
    num_workers: int | None = None,
    use_store: bool = True,
    progress: Progress | None = None,
    share: float = 1.0,
) -> Embeddings:
    """Embeds every patch of a table whose box can be cropped.

    Args:
        table: the patches
        backbone: the model, see :func:`labelvet.embeddings.backbones.load_backbone`, or one that
            runs on a cluster
        settings: how boxes become crops
        batch_size: patches per forward pass, across images; by default 8 on a CPU, 256 on a GPU
        num_workers: threads that decode and crop; by default as
            :func:`labelvet.embeddings.decoding.num_workers_beside` says
        use_store: whether to read and keep embeddings in the store, see
            :mod:`labelvet.embeddings.store`
        progress: where to report, as one stage that takes ``share`` of the whole
        share: see ``progress``

    Returns:
        the :class:`Embeddings`, in the order of the table; what could not be read is listed there

    Raises:
        InvalidParameter: if ``batch_size`` or ``num_workers`` is below 1
        StoreFull: if the disk of the store is full
        Cancelled: if the progress was cancelled; what was embedded is kept
    """
    settings = settings or CropSettings()
    progress = progress or Progress()
    for name, value in (("Batch size", batch_size), ("The number of workers", num_workers)):
        if value is not None and value < 1:
            raise InvalidParameter(f"{name} must be at least 1, not {value}.")

    failed = table.box_problems()
    rows = np.flatnonzero(~np.isin(table.ids, list(failed)) if failed else np.ones(len(table)))
    # by image, so that each is decoded once
    rows = rows[np.argsort(table.media[rows], kind="stable")]
    sink: _Memory | _Shards = _Memory(table)
    if use_store and backbone.fingerprint is not None:
        store = EmbeddingStore(backbone.name, backbone.fingerprint, backbone.precision, settings)
        sink = _Shards(store, patch_keys(table, rows), rows)
    missing = sink.missing(rows)

    unreadable: dict[str, str] = {}
    with progress.stage("Embedding patches", share, len(missing), "patches") as stage:
        if isinstance(backbone, ShardedBackbone):
            shards = cut_shards(missing, table.media, backbone.shard_size)
            for piece, part in backbone.embed_shards(
                table, shards, settings, batch_size, num_workers
            ):
                unreadable |= part.unreadable
                failed |= part.failed
                if len(part.rows):
                    sink.add(piece[part.rows], part.vectors)
                    sink.flush()
                stage.advance(len(piece))
        else:
            with DecodingThreads(num_workers or num_workers_beside(backbone.device)) as threads:
                for shard in cut_shards(missing, table.media, lambda _: SHARD_PATCHES):
                    try:
                        for batch, vectors in _embed_rows(
                            table, shard, backbone, settings, batch_size, threads,
                            unreadable, failed, stage,
                        ):  # fmt: skip
                            sink.add(batch, vectors)
                    finally:
                        # a shard that was cancelled is kept as far as it came
                        sink.flush()
    done, vectors, keys = sink.collect()
    for row in np.setdiff1d(rows, done):
        if str(table.filepaths[table.media[row]]) not in unreadable:
            failed.setdefault(
                str(table.ids[row]), "its embedding was cleared from the store during the run"
            )
    return Embeddings(done, vectors, unreadable, failed, len(rows) - len(missing), keys)


def embed_shard(
    table: PatchTable,
    backbone: Backbone,
    settings: CropSettings,
    batch_size: int | None,
    threads: DecodingThreads,
) -> Iterator[tuple[int, Embeddings]]:
    """Embeds a shard for a :class:`ShardedBackbone`, whose process may end before its last patch.

    Args:
        table: the shard: patches by image, with boxes that can be cropped
        backbone: see :func:`embed_patches`, as the next two
        settings: how boxes become crops
        batch_size: patches per forward pass
        threads: which decode and crop

    Yields:
        every few seconds, and at the end, how many more of the patches are done and their
        :class:`Embeddings`, whose ``rows`` count from the first of them
    """
    begin, since = 0, time.monotonic()
    unreadable: dict[str, str] = {}
    failed: dict[str, str] = {}
    batches: list[tuple[NDArray[np.int64], NDArray[np.float32]]] = []

    def piece(end: int) -> tuple[int, Embeddings]:
        rows = np.concatenate([np.empty(0, np.int64), *(rows for rows, _ in batches)])
        vectors = [vectors for _, vectors in batches] or [np.empty((0, 0), np.float32)]
        return end - begin, Embeddings(rows - begin, np.concatenate(vectors), unreadable, failed)

    with Progress().stage("", 1.0) as stage:
        for rows, vectors in _embed_rows(
            table, np.arange(len(table)), backbone, settings, batch_size, threads,
            unreadable, failed, stage,
        ):  # fmt: skip
            batches.append((rows, vectors))
            if len(rows) and time.monotonic() - since > _SECONDS_PER_PIECE:
                end = int(rows[-1]) + 1
                yield piece(end)
                begin, since = end, time.monotonic()
                batches.clear()
        yield piece(len(table))


def _embed_rows(
    table: PatchTable,
    rows: NDArray[np.int64],
    backbone: Backbone,
    settings: CropSettings,
    batch_size: int | None,
    threads: DecodingThreads,
    unreadable: dict[str, str],
    failed: dict[str, str],
    stage: Stage,
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Yields the rows and vectors of one batch after another, in the order of ``rows``."""
    images = _crop_images(table, rows, backbone, settings, threads, unreadable, stage)
    for batch, inputs in _batches(images, batch_size or _default_batch_size(backbone)):
        vectors = _embed_within_memory(backbone, inputs)
        finite = np.isfinite(vectors).all(axis=1)
        for id_ in table.ids[batch[~finite]]:
            failed[str(id_)] = "the backbone gave an embedding that is not a number"
        yield batch[finite], vectors[finite]
        stage.advance(len(batch))


def _default_batch_size(backbone: Backbone) -> int:
    return BATCH_SIZE_CPU if backbone.device == "cpu" else _BATCH_SIZE_GPU


class _Memory:
    """Keeps embeddings in memory, of backbones that cannot be told apart."""

    def __init__(self, table: PatchTable) -> None:
        self._size = len(table)
        self._done = np.zeros(len(table), dtype=bool)
        self._vectors: NDArray[np.float32] | None = None

    def missing(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        return rows

    def add(self, rows: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        if self._vectors is None:
            self._vectors = allocate(self._size, vectors.shape[1])
        self._vectors[rows] = vectors
        self._done[rows] = True

    def flush(self) -> None:
        pass

    def collect(self) -> tuple[NDArray[np.int64], NDArray[np.float32], None]:
        rows = np.flatnonzero(self._done)
        if self._vectors is None:
            return rows, np.empty((0, 0), dtype=np.float32), None
        return rows, self._vectors if len(rows) == self._size else self._vectors[rows], None


class _Shards:
    """Keeps embeddings in the store: the memory holds one shard."""

    def __init__(self, store: EmbeddingStore, keys: Keys, rows: NDArray[np.int64]) -> None:
        self._store = store
        order = np.argsort(rows)
        self._rows, self._keys = rows[order], keys[order]
        self._pending: list[tuple[NDArray[np.int64], NDArray[np.float32]]] = []

    def missing(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        known = self._store.find(self._keys)
        return rows[~known[np.searchsorted(self._rows, rows)]]

    def add(self, rows: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        self._pending.append((rows, vectors))

    def flush(self) -> None:
        rows = np.concatenate([np.empty(0, np.int64), *(rows for rows, _ in self._pending)])
        if len(rows):
            vectors = np.concatenate([vectors for _, vectors in self._pending])
            self._store.write(self._keys[np.searchsorted(self._rows, rows)], vectors)
        self._pending.clear()

    def collect(self) -> tuple[NDArray[np.int64], NDArray[np.float32], Keys]:
        vectors, found = self._store.gather(self._keys)
        return self._rows[found], vectors if found.all() else vectors[found], self._keys[found]


def cut_shards(
    rows: NDArray[np.int64], media: NDArray[np.int32], size: Callable[[int], int]
) -> Iterator[NDArray[np.int64]]:
    """Cuts rows into shards, none of which ends within an image.

    Args:
        rows: (n,) rows of a table, by image
        media: the image of each row of the table
        size: returns how many rows the next shard has at least, given how many are left

    Yields:
        the rows of one shard after another. With a constant size, a shard that is embedded again
        after a crash is embedded in the same batches as the first time, which in fp32 makes its
        vectors the same to the last bit.
    """
    # where an image ends
    ends = np.append(np.flatnonzero(np.diff(media[rows])) + 1, len(rows))
    begin = 0
    while begin < len(rows):
        least = min(begin + size(len(rows) - begin), len(rows))
        end = int(ends[np.searchsorted(ends, least)])
        yield rows[begin:end]
        begin = end


def _crop_images(
    table: PatchTable,
    rows: NDArray[np.int64],
    backbone: Backbone,
    settings: CropSettings,
    threads: DecodingThreads,
    unreadable: dict[str, str],
    stage: Stage,
) -> Iterator[tuple[NDArray[np.int64], list[Any]]]:
    """Yields ``(rows, inputs)`` image by image."""

    def crop(image: tuple[str, NDArray[np.int64]]) -> list[Any]:
        path, rows = image
        if path in unreadable:
            raise UnreadableImage(unreadable[path])
        crops = cut_crops(read_pixels(path), table.boxes[rows], settings)
        return [backbone.prepare(crop) for crop in crops]

    for (path, its), inputs in threads.work_ahead(crop, _rows_by_image(table, rows)):
        if isinstance(inputs, UnreadableImage):
            unreadable[path] = str(inputs)
            stage.advance(len(its))
        else:
            yield its, inputs


def _rows_by_image(
    table: PatchTable, rows: NDArray[np.int64]
) -> Iterator[tuple[str, NDArray[np.int64]]]:
    for group in np.split(rows, np.flatnonzero(np.diff(table.media[rows])) + 1):
        for start in range(0, len(group), _CROPS_PER_TASK):
            portion = group[start : start + _CROPS_PER_TASK]
            yield str(table.filepaths[table.media[portion[0]]]), portion


def _batches(
    images: Iterator[tuple[NDArray[np.int64], list[Any]]], batch_size: int
) -> Iterator[tuple[NDArray[np.int64], list[Any]]]:
    """Regroups what comes image by image into batches of ``batch_size`` patches."""
    rows = np.empty(0, dtype=np.int64)
    inputs: list[Any] = []
    for image_rows, image_inputs in images:
        rows = np.concatenate([rows, image_rows])
        inputs += image_inputs
        while len(inputs) >= batch_size:
            yield rows[:batch_size], inputs[:batch_size]
            rows, inputs = rows[batch_size:], inputs[batch_size:]
    if inputs:
        yield rows, inputs


def _embed_within_memory(backbone: Backbone, inputs: list[Any]) -> NDArray[np.float32]:
    """Embeds a batch; where the GPU's memory does not hold it, in halves."""
    try:
        return backbone.embed(inputs)
    except torch.cuda.OutOfMemoryError:
        if len(inputs) == 1:
            raise
        torch.cuda.empty_cache()
        half = len(inputs) // 2
        return np.concatenate(
            [
                _embed_within_memory(backbone, inputs[:half]),
                _embed_within_memory(backbone, inputs[half:]),
            ]
        )
