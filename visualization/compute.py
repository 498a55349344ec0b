"""The entry point of the engine: from labels to a brain run that the Embeddings panel draws."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

import fiftyone as fo
import fiftyone.brain as fob
import fiftyone.brain.visualization as fbv
import fiftyone.core.media as fom
import numpy as np
from numpy.typing import NDArray

from ..core.errors import InvalidParameter, NoPatches
from ..core.progress import SAVING, Progress, Report
from ..core.sentences import agree, count, listed
from ..dataset.documents import parse_ids, slices_of
from ..dataset.other_fields import FieldPoints
from ..dataset.patches import PatchTable, as_images, check_ids, read_patches
from ..dataset.records import RunRecord
from ..dataset.reporting import raising_if_deleted, reporting, saved_before
from ..dataset.saving_runs import (
    check_brain_key,
    make_config,
    other_points,
    save_similarity_index,
    save_visualization,
)
from ..dataset.storage import storage_of
from ..embeddings.catalog import DEFAULT_BACKBONE
from ..embeddings.crops import KEPT, CropSettings
from ..embeddings.hardware import Hardware
from ..embeddings.neighbors import NeighborGraph, build_neighbor_graph
from ..embeddings.projection import UMAP, Method, make_method, neighbors_needed, project
from ..embeddings.store import shrink_store
from ..embeddings.vectors import Embeddings
from .sources import EmbeddingSource, FromArray, FromBackbone, FromField, FromIndex

# What each stage takes of the whole, as measured on a CPU with the default backbone; they only
# place the progress bar.
_SHARE_READ = 0.02
_SHARE_EMBED = 0.73
_SHARE_NEIGHBORS = 0.05
_SHARE_PROJECT = 0.17
_SHARE_SAVE = 0.03


@dataclass(frozen=True)
class Visualization:
    """What :func:`compute_visualization` did.

    Attributes:
        brain_key: the key of the run, None if it was not saved
        results: FiftyOne's results: points, sample ids and label ids; of several fields, those of
            the first
        others: the points and ids of the further fields
        unreadable: ``{filepath: reason}`` of the images that were skipped
        skipped: ``{id: reason}`` of the patches that were skipped for another reason; ids of labels
            of further fields are followed by ``/`` and their field
        reused: how many embeddings an earlier run had left in the store
        notes: sentences on what was done otherwise than asked
        seconds: ``{stage: seconds}``
    """

    brain_key: str | None
    results: fbv.VisualizationResults
    others: list[FieldPoints] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    reused: int = 0
    notes: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def num_points(self) -> int:
        """The number of points of the run."""
        return len(self.results.points) + sum(map(len, self.others))

    def summary(self) -> str:
        """Returns a few sentences that tell how the run went."""
        under = f" under '{self.brain_key}'" if self.brain_key else ""
        sentences = [
            f"{count(self.num_points, 'point')}{under} in {sum(self.seconds.values()):.0f} s."
        ]
        if self.reused:
            sentences.append(f"{count(self.reused, 'embedding')} had been computed before.")
        if self.unreadable:
            sentences.append(
                f"{count(len(self.unreadable), 'image')} could not be read and "
                f"{agree(len(self.unreadable), 'was', 'were')} skipped."
            )
        if self.skipped:
            sentences.append(
                f"{count(len(self.skipped), 'patch', 'patches')} could not be embedded and "
                f"{agree(len(self.skipped), 'was', 'were')} skipped."
            )
        return " ".join(sentences + self.notes)


def compute_visualization(
    samples: fo.core.collections.SampleCollection,
    patches_field: str | Sequence[str] | None = None,
    brain_key: str | None = None,
    *,
    model: str | Any = DEFAULT_BACKBONE,
    weights: str | Path | None = None,
    embeddings: str | NDArray[np.floating] | None = None,
    similarity_index: str | None = None,
    method: str = "umap",
    alpha: float | None = None,
    force_square: bool = False,
    background: str = KEPT,
    upright: bool = False,
    device: str | None = None,
    precision: str = "auto",
    batch_size: int | None = None,
    num_workers: int | None = None,
    points_field: str | None = None,
    similarity_key: str | None = None,
    similarity_backend: str | None = None,
    overwrite: bool = False,
    overwrite_similarity: bool = False,
    progress: bool | Report | None = None,
    use_store: bool = True,
    cancelled: Event | None = None,
    **parameters: Any,
) -> Visualization:
    """Embeds patches (or whole images), projects them, and saves a FiftyOne brain run.

    Example::

        import fiftyone as fo
        import labelvet

        dataset = fo.load_dataset("my-dataset")
        run = labelvet.compute_visualization(
            dataset, patches_field="predictions", brain_key="patches"
        )
        print(run.summary())

    Args:
        samples: a dataset or a view of images; filters of the view are respected, and a patches
            view or a view of a grouped dataset with an image slice will do
        patches_field: a field of labels: Detections, Polylines, Keypoints, Classifications, or a
            single one of these; None for whole images. Of several fields, all labels come on one
            map, that of FiftyOne's own panel shows those of the first alone
        brain_key: the key to save the run under; None saves nothing
        model: a backbone name, see :mod:`labelvet.embeddings.backbones`, or a loaded FiftyOne model
        weights: a checkpoint file for the default or a torchvision backbone
        embeddings: the name of a label attribute (or sample field) that holds embeddings, or an
            array with one row per patch, field after field; then no model runs
        similarity_index: the brain key of a similarity index to take the embeddings from instead
        method: "umap", "tsne" or "pca"
        alpha: grows each box by ``100 * alpha`` percent before it is cropped
        force_square: whether to make crops square
        background: "kept", "dimmed" or "removed": what becomes of a crop's pixels that the label's
            mask, or the area of its polyline, leaves out; labels without either are not changed
        upright: whether rotated boxes, closed polylines of four corners, are cropped upright
        device: a torch device; by default a GPU where there is one
        precision: "auto", "fp32", "bf16" or "fp16"
        batch_size: patches per forward pass
        num_workers: threads that decode images
        points_field: a field to store the points in, as a spatial index; needs ``num_dims=2``
        similarity_key: also save a similarity index of the embeddings under this brain key
        similarity_backend: FiftyOne's similarity backend for it, "sklearn" by default
        overwrite: whether a run that has ``brain_key`` may be replaced
        overwrite_similarity: whether an index that has ``similarity_key`` may be replaced
        progress: whether to draw a progress line in the terminal, or a function that takes a
            fraction and a line; None follows ``fiftyone.config.show_progress_bars``
        use_store: whether to read and keep embeddings on disk, so that no patch is embedded twice;
            see :mod:`labelvet.embeddings.store`
        cancelled: an event that, once set, stops the run with no brain run written; what was
            embedded is kept in the store
        **parameters: ``num_dims``, ``seed`` and the other attributes of
            :class:`~labelvet.embeddings.projection.UMAP`,
            :class:`~labelvet.embeddings.projection.TSNE` or
            :class:`~labelvet.embeddings.projection.PCA`

    Returns:
        a :class:`Visualization`

    Raises:
        LabelvetError: see :mod:`labelvet.core.errors`; nothing was written then
    """
    projection = make_method(method, **parameters)
    crops = CropSettings(alpha, force_square, background, upright)
    hardware = Hardware(device, precision, batch_size, num_workers)
    backbone = FromBackbone(model, weights, crops, hardware, use_store)
    source = _source(embeddings, similarity_index, backbone)
    fields = _fields(patches_field)
    if len(fields) > 1:
        _check_several(points_field, similarity_key, similarity_index)
    if points_field is not None and projection.num_dims != 2:
        raise InvalidParameter("A spatial index needs two dimensions.")
    known = fob.brain_config.similarity_backends
    if similarity_backend is not None and similarity_backend not in known:
        raise InvalidParameter(
            f"There is no similarity backend '{similarity_backend}': choose one of "
            f"{', '.join(sorted(known))}."
        )
    seen = index_seen = None
    if brain_key is not None:
        seen = check_brain_key(samples, brain_key, overwrite=overwrite)
    if similarity_key is not None:
        if similarity_key == brain_key:
            raise InvalidParameter("The similarity index needs a brain key of its own.")
        index_seen = check_brain_key(
            samples, similarity_key, run_type="similarity", overwrite=overwrite_similarity
        )

    seconds: dict[str, float] = {}
    with reporting(progress, cancelled) as tracker, raising_if_deleted(samples):
        with tracker.stage("Reading labels", _SHARE_READ), _timed(seconds, "read"):
            samples = as_images(samples, "Patches can only be cropped from")
            _check_frames(samples, points_field, similarity_key)
            table = read_patches(samples, fields or None, outlines=crops.needs_outlines)
            check_active_slice(samples, points_field, table.sample_ids)
            check_ids(table)
            outlined = _check_outlines(table, crops)
        with _timed(seconds, "embed"):
            embedded, config = source.embed(samples, table, tracker, _SHARE_EMBED)
        if not len(embedded.rows):
            raise NoPatches(_nothing_embedded(embedded))
        vectors, table = embedded.vectors, table.take(embedded.rows)
        check_each_field(table)

        graph, points, notes = _project(vectors, projection, tracker, seconds)

        with tracker.stage(SAVING, _SHARE_SAVE), _timed(seconds, "save"):
            results = save_visualization(
                samples,
                brain_key,
                make_config(projection, table.patches_field, **config),
                table,
                points,
                record=RunRecord(graph, table.boxes, embedded.keys),
                seen=seen,
            )
            if points_field is not None:
                with saved_before(samples, brain_key, "The spatial index"):
                    results.index_points(points_field=points_field, progress=False)
            if similarity_key is not None:
                with saved_before(samples, brain_key, "The similarity index"):
                    save_similarity_index(
                        samples, similarity_key, table, vectors, model=config["model"],
                        backend=similarity_backend, seen=index_seen,
                    )  # fmt: skip
    shrink_store()
    return Visualization(
        brain_key,
        results,
        other_points(table, points),
        embedded.unreadable,
        embedded.failed,
        embedded.reused,
        [*outlined, *embedded.notes, *notes],
        seconds,
    )


def _fields(patches_field: str | Sequence[str] | None) -> tuple[str, ...]:
    """Returns the label fields, each once; none for whole images."""
    if patches_field is None:
        return ()
    given = [patches_field] if isinstance(patches_field, str) else list(patches_field)
    if not given or not all(isinstance(name, str) for name in given):
        raise InvalidParameter(
            "A patches field is the name of a label field, or a list of such names: leave "
            "'patches_field' out for whole images."
        )
    return tuple(dict.fromkeys(given))


def _check_several(
    points_field: str | None, similarity_key: str | None, similarity_index: str | None
) -> None:
    """Refuses what FiftyOne has of one field alone."""
    for argument, value, what in (
        ("points_field", points_field, "spatial index"),
        ("similarity_key", similarity_key, "similarity index"),
        ("similarity_index", similarity_index, "similarity index"),
    ):
        if value is not None:
            raise InvalidParameter(
                f"FiftyOne has no {what} of several fields: leave '{argument}' out, or choose one "
                "patches field."
            )


def check_each_field(table: PatchTable) -> None:
    """Checks that each field of a table of several has labels.

    Raises:
        NoPatches: if one has none
    """
    for part, _ in table.parts():
        if not len(part):
            raise NoPatches(
                f"None of the labels of '{part.patches_field}' can be embedded, so nothing was "
                "written: leave that field out."
            )


def _check_outlines(table: PatchTable, crops: CropSettings) -> list[str]:
    """Returns a sentence on the labels without an outline, where one was asked for.

    Raises:
        InvalidParameter: if none has one
    """
    if not crops.needs_outlines:
        return []
    outlines = [None] * len(table) if table.outlines is None else table.outlines.tolist()
    names = listed([f"'{field}'" for field in table.fields])
    which = f"the labels of {names}" if names else "images"
    if crops.upright and not any(
        isinstance(outline, list) and [len(shape) for shape in outline] == [4]
        for outline in outlines
    ):
        raise InvalidParameter(
            f"There are no rotated boxes among {which}, which are closed polylines of four "
            "corners: leave 'upright' out."
        )
    without = outlines.count(None)
    if crops.background == KEPT or not without:
        return []
    if without == len(table):
        raise InvalidParameter(
            f"There are no masks or areas among {which}, so all of a crop is background: keep it."
        )
    has = agree(without, "has", "have")
    return [f"{count(without, 'label')} {has} no mask or area: the background of each is kept."]


def _check_frames(samples: Any, points_field: str | None, similarity_key: str | None) -> None:
    """Refuses what FiftyOne keeps with samples alone."""
    for asked, what in ((points_field, "spatial index"), (similarity_key, "similarity index")):
        if asked is not None and storage_of(samples).frames:
            raise InvalidParameter(
                f"FiftyOne has no {what} of a view of frames: leave '{asked}' out, or make a "
                "dataset of the frames, with clone(), and compute it there."
            )


def check_active_slice(samples: Any, points_field: str | None, sample_ids: Any) -> None:
    """Refuses a spatial index of samples in other slices, to which FiftyOne writes none.

    Args:
        samples: a collection
        points_field: where the index is to be, None for none
        sample_ids: the samples

    Raises:
        InvalidParameter: if any is in another slice than the active one
    """
    dataset = samples._root_dataset
    if points_field is None or dataset.media_type != fom.GROUP:
        return
    slices = slices_of(dataset, parse_ids(np.unique(sample_ids)))
    if slices != [dataset.group_slice]:
        if len(slices) == 1:
            advice = f"make '{slices[0]}' the active one (dataset.group_slice)"
        else:
            advice = "compute it without the index"
        raise InvalidParameter(
            f"FiftyOne keeps a spatial index of the active slice '{dataset.group_slice}' alone, "
            f"and these images are in {', '.join(slices)}: {advice}."
        )


def _source(
    embeddings: str | NDArray[np.floating] | None,
    similarity_index: str | None,
    backbone: FromBackbone,
) -> EmbeddingSource:
    """Returns where the embeddings come from, which is a backbone unless they exist already."""
    if embeddings is not None and similarity_index is not None:
        raise InvalidParameter("Give embeddings or a similarity index, not both.")
    if similarity_index is not None:
        return FromIndex(similarity_index)
    if embeddings is None:
        return backbone
    return FromField(embeddings) if isinstance(embeddings, str) else FromArray(embeddings)


def _project(
    vectors: NDArray[np.float32], method: Method, tracker: Progress, seconds: dict[str, float]
) -> tuple[NeighborGraph, NDArray[np.float32], list[str]]:
    with (
        tracker.stage("Finding neighbors", _SHARE_NEIGHBORS) as stage,
        _timed(seconds, "neighbors"),
    ):
        k = neighbors_needed(method, len(vectors))
        metric = getattr(method, "metric", "euclidean")
        graph = build_neighbor_graph(vectors, k, metric, method.seed, progress=stage.set)
    with (
        tracker.stage(f"Projecting with {method.title}", _SHARE_PROJECT, unit="epochs") as stage,
        _timed(seconds, "project"),
    ):
        if isinstance(method, UMAP) and "umap" not in sys.modules:
            stage.set(0, detail="compiling, once per process")
        points, notes = project(vectors, method, graph, lambda done, total: stage.set(done, total))
    return graph, points, notes


@contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    seconds[stage] = round(time.perf_counter() - start, 3)


def _nothing_embedded(embedded: Embeddings) -> str:
    reasons = {**embedded.unreadable, **embedded.failed}
    what, reason = next(iter(reasons.items()))
    others = f", and {len(reasons) - 1} more" if len(reasons) > 1 else ""
    return (
        f"No patch could be embedded, so nothing was written. '{what}': {reason}{others}. Check "
        "that this machine can read the media files."
    )
