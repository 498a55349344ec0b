"""Embeds a patch table: images decoded once, in threads, and batches that cross image borders.

What is embedded goes to the store shard by shard, and what the store has already is read from it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from threading import Semaphore
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray

from ..core.progress import Progress
from ..core.table import PatchTable
from .backbones import Backbone
from .crops import CropSettings, cut_crops
from .decoding import DecodingThreads, UnreadableImage, num_workers_beside, read_pixels
from .hardware import Hardware
from .outlines import cut_outlined
from .store import SHARD_PATCHES, EmbeddingStore, StoreUnusable, allocate, patch_keys
from .vectors import Embeddings, Keys, are_comparable

BATCH_SIZE_CPU = 8
_BATCH_SIZE_GPU = 256
_LEAST_BATCH_GPU = 32
# A crowded image is cut in portions, so that its crops never fill the memory.
_CROPS_PER_TASK = 256
# Any number of threads decode images at once, but so many cut and resize crops: those are many
# short calls, and more threads wait for Python's lock, longer than a GPU takes.
_PREPARING = Semaphore(4)
# What a process of a cluster has done is sent so often: that much is lost when it dies.
_SECONDS_PER_PIECE = 3.0

_NOTHING = np.empty(0, np.int64), np.empty((0, 0), np.float32)
_NOT_A_NUMBER = "the backbone gave an embedding that is not a number"


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
        crops: CropSettings,
        hardware: Hardware,
    ) -> Iterator[tuple[NDArray[np.int64], Embeddings]]:
        """Yields rows that are done with their :class:`Embeddings`, whose ``rows`` count within
        them, and now and then nothing at all, so that the caller can stop."""


def embed_patches(
    table: PatchTable,
    backbone: Backbone | ShardedBackbone,
    crops: CropSettings | None = None,
    hardware: Hardware | None = None,
    *,
    use_store: bool = True,
    progress: Progress | None = None,
    share: float = 1.0,
) -> Embeddings:
    """Embeds every patch of a table whose box can be cropped.

    Args:
        table: the patches
        backbone: the model, see :func:`labelvet.embeddings.backbones.load_backbone`, or one that
            runs on a cluster
        crops: how boxes become crops
        hardware: how many patches a forward pass takes, and how many threads decode
        use_store: whether to read and keep embeddings in the store, see
            :mod:`labelvet.embeddings.store`
        progress: where to report, as one stage that takes ``share`` of the whole
        share: see ``progress``

    Returns:
        the :class:`Embeddings`, in the order of the table; what could not be read is listed there

    Raises:
        StoreFull: if the disk of the store is full
        Cancelled: if the progress was cancelled; what was embedded is kept
    """
    crops, hardware = crops or CropSettings(), hardware or Hardware()
    progress = progress or Progress()

    store = None
    if use_store and backbone.fingerprint is not None:
        store = EmbeddingStore(backbone.name, backbone.fingerprint, backbone.precision, crops)
    embed = partial(
        _embed, table, backbone, crops=crops, hardware=hardware, progress=progress, share=share
    )
    try:
        return embed(store)
    except _OtherDimension:  # whoever wrote that: it is dropped now
        pass
    try:
        return embed(store)
    except _OtherDimension:  # it could not be
        return embed(None)


def _embed(
    table: PatchTable,
    backbone: Backbone | ShardedBackbone,
    store: EmbeddingStore | None,
    *,
    crops: CropSettings,
    hardware: Hardware,
    progress: Progress,
    share: float,
) -> Embeddings:
    failed = table.box_problems()
    rows = table.usable()
    # by image, so that each is decoded once
    rows = rows[np.argsort(table.media[rows], kind="stable")]
    sink = _Collected(table, rows, store)
    missing = sink.missing(rows)

    unreadable: dict[str, str] = {}
    with progress.stage("Embedding patches", share, len(missing), "patches") as stage:
        if isinstance(backbone, ShardedBackbone):
            shards = cut_shards(missing, table.media, backbone.shard_size)
            for piece, part in backbone.embed_shards(table, shards, crops, hardware):
                unreadable, failed = unreadable | part.unreadable, failed | part.failed
                if len(part.rows):
                    sink.add(piece[part.rows], part.vectors)
                    sink.flush()
                stage.advance(len(piece))
        else:
            workers = hardware.num_workers or num_workers_beside(backbone.device)
            with DecodingThreads(workers) as threads:
                work = _Work(table, backbone, crops, hardware, threads)
                pieces = [*cut_shards(missing, table.media, lambda _: SHARD_PATCHES)]
                images = work.cut_ahead(pieces)
                for shard in pieces:
                    try:
                        for count, part in work.embed(len(shard), images):
                            unreadable, failed = unreadable | part.unreadable, failed | part.failed
                            sink.add(part.rows, part.vectors)
                            stage.advance(count)
                    finally:
                        # a shard that was cancelled is kept as far as it came
                        sink.flush()
    return sink.collect(unreadable, failed)


def embed_shard(
    table: PatchTable,
    backbone: Backbone,
    crops: CropSettings,
    hardware: Hardware,
    threads: DecodingThreads,
) -> Iterator[tuple[int, Embeddings]]:
    """Embeds a shard for a :class:`ShardedBackbone`, whose process may end before its last patch.

    Args:
        table: the shard: patches by image, with boxes that can be cropped
        backbone: see :func:`embed_patches`, as the next two
        crops: how boxes become crops
        hardware: how many patches a forward pass takes
        threads: which decode and crop

    Yields:
        every few seconds, and at the end, how many more of the patches are done and their
        :class:`Embeddings`, whose ``rows`` count from the first of them
    """
    begin, since = 0, time.monotonic()
    parts: list[Embeddings] = []
    work = _Work(table, backbone, crops, hardware, threads)
    for _, part in work.embed(len(table), work.cut_ahead([np.arange(len(table))])):
        parts.append(part)
        if len(part.rows) and time.monotonic() - since > _SECONDS_PER_PIECE:
            end = int(part.rows[-1]) + 1
            yield end - begin, _join(parts, begin)
            begin, since, parts = end, time.monotonic(), []
    yield len(table) - begin, _join(parts, begin)


def _join(parts: list[Embeddings], begin: int) -> Embeddings:
    """Joins parts of a table into one whose rows count from ``begin``."""
    some = [part for part in parts if len(part.rows)]
    return Embeddings(
        np.concatenate([np.empty(0, np.int64), *(part.rows for part in some)]) - begin,
        np.concatenate([part.vectors for part in some]) if some else np.empty((0, 0), np.float32),
        {path: reason for part in parts for path, reason in part.unreadable.items()},
        {id_: reason for part in parts for id_, reason in part.failed.items()},
    )


# its path, and the rows of its patches
_Image = tuple[str, NDArray[np.int64]]
# with what its backbone takes
_CutImage = tuple[_Image, list[Any] | UnreadableImage]


@dataclass(frozen=True, eq=False)
class _Work:
    """Embeds rows of a table in this process."""

    table: PatchTable
    backbone: Backbone
    crops: CropSettings
    hardware: Hardware
    threads: DecodingThreads

    def cut_ahead(self, shards: Iterable[NDArray[np.int64]]) -> Iterator[_CutImage]:
        """Decodes and crops the images of one shard after another, ahead of who takes them: a GPU
        does not wait at the end of a shard."""
        images = (image for rows in shards for image in self._by_image(rows))
        return self.threads.work_ahead(self._cut, images)

    def embed(self, number: int, images: Iterator[_CutImage]) -> Iterator[tuple[int, Embeddings]]:
        """Embeds the next shard of ``number`` patches.

        Yields:
            how many more patches are done and what came of them: the embeddings of one batch after
            another, in the order of the shard, and images that cannot be read
        """
        batch_size = self.hardware.batch_size or _default_batch_size(self.backbone)
        waiting = np.empty(0, dtype=np.int64)
        inputs: list[Any] = []
        taken = 0
        while taken < number:
            (path, of_image), cut = next(images)
            taken += len(of_image)
            if isinstance(cut, UnreadableImage):
                yield len(of_image), Embeddings(*_NOTHING, unreadable={path: str(cut)})
                continue
            waiting, inputs = np.concatenate([waiting, of_image]), inputs + cut
            while len(inputs) >= batch_size:
                yield self._embed_batch(waiting[:batch_size], inputs[:batch_size])
                waiting, inputs = waiting[batch_size:], inputs[batch_size:]
        if inputs:
            if self.backbone.device.startswith("cuda"):
                size = _last_batch_on_gpu(len(inputs), batch_size, number)
                inputs = inputs + inputs[-1:] * (size - len(inputs))
            yield self._embed_batch(waiting, inputs)

    def _embed_batch(self, rows: NDArray[np.int64], inputs: list[Any]) -> tuple[int, Embeddings]:
        vectors = _embed_within_memory(self.backbone, inputs)[: len(rows)]
        good = are_comparable(vectors)
        failed = {str(id_): _NOT_A_NUMBER for id_ in self.table.names[rows[~good]]}
        return len(rows), Embeddings(rows[good], vectors[good], failed=failed)

    def _cut(self, image: _Image) -> list[Any]:
        path, rows = image
        boxes, outlines = self.table.boxes[rows], self.table.outlines
        pixels = read_pixels(path)
        with _PREPARING:
            if outlines is None:
                crops = cut_crops(pixels, boxes, self.crops)
            else:
                crops = cut_outlined(pixels, boxes, outlines[rows], self.crops)
            return [self.backbone.prepare(crop) for crop in crops]

    def _by_image(self, rows: NDArray[np.int64]) -> Iterator[_Image]:
        """Yields each image's path with its rows; the rows of a crowded image in portions."""
        media, filepaths = self.table.media, self.table.filepaths
        for group in np.split(rows, np.flatnonzero(np.diff(media[rows])) + 1):
            for start in range(0, len(group), _CROPS_PER_TASK):
                portion = group[start : start + _CROPS_PER_TASK]
                yield str(filepaths[media[portion[0]]]), portion


def _default_batch_size(backbone: Backbone) -> int:
    return BATCH_SIZE_CPU if backbone.device == "cpu" else _BATCH_SIZE_GPU


def _last_batch_on_gpu(left: int, batch_size: int, of: int) -> int:
    """Returns to how many patches the last batch is filled up, which has ``left`` of the ``of``
    patches of a shard. A GPU takes up to two seconds for its kernels of a batch's size, so there
    are few: that of the batches before it, unless those are large, or a power of two."""
    if of >= batch_size and batch_size <= _BATCH_SIZE_GPU:
        return batch_size
    return min(batch_size, max(_LEAST_BATCH_GPU, 1 << (left - 1).bit_length()))


class _OtherDimension(Exception):
    """The store holds embeddings of another dimension than the backbone gives."""


class _Collected:
    """The embeddings of rows of a table: those that the store has, and those that are added.

    Args:
        table: the table
        rows: (m,) the rows
        store: where they are kept too, None for a backbone that cannot be told apart
    """

    def __init__(
        self, table: PatchTable, rows: NDArray[np.int64], store: EmbeddingStore | None
    ) -> None:
        self._rows = np.sort(rows)
        self._store = store
        self._keys: Keys | None = None
        self._vectors = np.empty((len(rows), 0), dtype=np.float32)
        self._done = np.zeros(len(rows), dtype=bool)
        self._pending: list[NDArray[np.int64]] = []
        self._notes: list[str] = []
        if store is not None:
            self._keys = patch_keys(table, self._rows)
            self._vectors, self._done = store.gather(self._keys)
        self._reused = int(self._done.sum())

    def missing(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Returns those of the rows that are not there, in their order."""
        return rows[~self._done[np.searchsorted(self._rows, rows)]]

    def add(self, rows: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        """Adds (k, d) vectors of rows."""
        if not len(rows):
            return
        if not self._done.any():
            self._vectors = allocate(len(self._rows), vectors.shape[1])
        if vectors.shape[1] != self._vectors.shape[1]:
            assert self._store is not None
            self._store.drop_other_dimensions(vectors.shape[1])
            raise _OtherDimension
        at = np.searchsorted(self._rows, rows)
        self._vectors[at] = vectors
        self._done[at] = True
        self._pending.append(at)

    def flush(self) -> None:
        """Keeps in the store what was added since the last time; where the store cannot be written,
        the run goes on without it."""
        if self._pending and self._store is not None and self._keys is not None:
            at = np.concatenate(self._pending)
            try:
                self._store.write(self._keys[at], self._vectors[at])
            except StoreUnusable as error:
                self._store = None
                self._notes.append(str(error))
        self._pending.clear()

    def collect(self, unreadable: dict[str, str], failed: dict[str, str]) -> Embeddings:
        """Returns all that is there, and what is not, with the reasons."""
        rows, vectors, keys = self._rows, self._vectors, self._keys
        if not self._done.all():
            rows, vectors = rows[self._done], vectors[self._done]
            keys = None if keys is None else keys[self._done]
        return Embeddings(rows, vectors, unreadable, failed, self._reused, keys, self._notes)


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


def _embed_within_memory(backbone: Backbone, inputs: list[Any]) -> NDArray[np.float32]:
    """Embeds a batch; where the GPU's memory does not hold it, in halves."""
    try:
        return backbone.embed(inputs)
    except torch.cuda.OutOfMemoryError:
        if len(inputs) == 1:
            raise
    # not in the handler: the error's frames hold what the batch has allocated
    torch.cuda.empty_cache()
    half = len(inputs) // 2
    return np.concatenate(
        [
            _embed_within_memory(backbone, inputs[:half]),
            _embed_within_memory(backbone, inputs[half:]),
        ]
    )
