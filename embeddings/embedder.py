"""Embeds a patch table: images decoded once, in threads, and batches that cross image borders."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from .backbones import Backbone
from .crops import CropSettings, UnreadableImage, cut_crops, read_image
from .errors import InvalidParameter
from .patches import PatchTable
from .progress import Progress, Stage

_BATCH_SIZE_CPU = 32
_BATCH_SIZE_GPU = 256
_MAX_DEFAULT_WORKERS = 8
# A crowded image is cut in portions, so that its crops never fill the memory.
_CROPS_PER_TASK = 512


@dataclass(frozen=True, eq=False)
class Embeddings:
    """The embeddings of some rows of a patch table.

    Attributes:
        rows: (m,) int64, the embedded rows of the table, ascending
        vectors: (m, d) float32
        unreadable: ``{filepath: reason}`` of the images that could not be decoded
        failed: ``{id: reason}`` of the patches that could not be embedded for another reason
    """

    rows: NDArray[np.int64]
    vectors: NDArray[np.float32]
    unreadable: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


def embed_patches(
    table: PatchTable,
    backbone: Backbone,
    settings: CropSettings | None = None,
    *,
    batch_size: int | None = None,
    num_workers: int | None = None,
    progress: Progress | None = None,
    share: float = 1.0,
) -> Embeddings:
    """Embeds every patch of a table whose box can be cropped.

    Args:
        table: the patches
        backbone: the model, see :func:`labelvet.embeddings.backbones.load_backbone`
        settings: how boxes become crops
        batch_size: patches per forward pass, across images; by default 32 on a CPU, 256 on a GPU
        num_workers: threads that decode and crop; by default one per core, 8 at most
        progress: where to report, as one stage that takes ``share`` of the whole
        share: see ``progress``

    Returns:
        the :class:`Embeddings`, in the order of the table; what could not be read is listed there

    Raises:
        InvalidParameter: if ``batch_size`` or ``num_workers`` is below 1
        Cancelled: if the progress was cancelled
    """
    settings = settings or CropSettings()
    progress = progress or Progress()
    if batch_size is None:
        batch_size = _BATCH_SIZE_CPU if backbone.device == "cpu" else _BATCH_SIZE_GPU
    if num_workers is None:
        num_workers = min(os.cpu_count() or 1, _MAX_DEFAULT_WORKERS)
    for name, value in (("Batch size", batch_size), ("The number of workers", num_workers)):
        if value < 1:
            raise InvalidParameter(f"{name} must be at least 1, not {value}.")

    failed = table.box_problems()
    croppable = ~np.isin(table.ids, list(failed)) if failed else np.ones(len(table), dtype=bool)
    unreadable: dict[str, str] = {}
    vectors: NDArray[np.float32] | None = None
    done = np.zeros(len(table), dtype=bool)
    with progress.stage("Embedding patches", share, int(croppable.sum()), "patches") as stage:
        for rows, inputs in _batches(
            _crop_images(table, croppable, backbone, settings, num_workers, unreadable, stage),
            batch_size,
        ):
            batch = _embed_within_memory(backbone, inputs)
            if vectors is None:
                vectors = np.empty((len(table), batch.shape[1]), dtype=np.float32)
            vectors[rows] = batch
            done[rows] = True
            stage.advance(len(rows))

    if vectors is None:
        vectors = np.empty((len(table), 0), dtype=np.float32)
    finite = np.isfinite(vectors).all(axis=1)
    for id_ in table.ids[done & ~finite]:
        failed[str(id_)] = "the backbone gave an embedding that is not a number"
    rows = np.flatnonzero(done & finite)
    return Embeddings(
        rows, vectors if len(rows) == len(table) else vectors[rows], unreadable, failed
    )


def _crop_images(
    table: PatchTable,
    croppable: NDArray[np.bool_],
    backbone: Backbone,
    settings: CropSettings,
    num_workers: int,
    unreadable: dict[str, str],
    stage: Stage,
) -> Iterator[tuple[NDArray[np.int64], list[Any]]]:
    """Yields ``(rows, inputs)`` image by image, decoded ahead by a few images in threads."""

    def crop(path: str, rows: NDArray[np.int64]) -> list[Any]:
        crops = cut_crops(read_image(path), table.boxes[rows], settings)
        return [backbone.prepare(crop) for crop in crops]

    pending: deque[tuple[str, NDArray[np.int64], Future[list[Any]]]] = deque()
    with ThreadPoolExecutor(num_workers, thread_name_prefix="labelvet-crop") as pool:
        try:
            for path, rows in _rows_by_image(table, croppable):
                if path in unreadable:
                    stage.advance(len(rows))
                    continue
                pending.append((path, rows, pool.submit(crop, path, rows)))
                if len(pending) > 2 * num_workers:
                    yield from _finish(pending, unreadable, stage)
            while pending:
                yield from _finish(pending, unreadable, stage)
        finally:
            # a cancelled run does not decode what is still queued
            for _, _, future in pending:
                future.cancel()


def _finish(
    pending: deque[tuple[str, NDArray[np.int64], Future[list[Any]]]],
    unreadable: dict[str, str],
    stage: Stage,
) -> Iterator[tuple[NDArray[np.int64], list[Any]]]:
    path, rows, future = pending.popleft()
    try:
        yield rows, future.result()
    except UnreadableImage as reason:
        unreadable[path] = str(reason)
        stage.advance(len(rows))


def _rows_by_image(
    table: PatchTable, croppable: NDArray[np.bool_]
) -> Iterator[tuple[str, NDArray[np.int64]]]:
    rows = np.flatnonzero(croppable)
    rows = rows[np.argsort(table.media[rows], kind="stable")]
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
