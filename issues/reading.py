"""What labels are judged by, read from a dataset: a run as it is now, other fields, tracks."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import fiftyone as fo
import numpy as np
from numpy.typing import NDArray

from ..core.errors import InvalidParameter, NoPatches, StaleRun
from ..core.table import pair_ids
from ..dataset.brain_runs import (
    find_run,
    load_neighbor_graph,
    load_visualization,
    run_field,
    visualization_results,
)
from ..dataset.patches import (
    PatchTable,
    match_ids,
    read_stored,
    read_tags,
    sample_id_path,
    whole_groups,
)
from ..dataset.states import REJECTED_TAG
from ..dataset.storage import locate
from ..dataset.stored_embeddings import load_embeddings
from ..dataset.tracks import read_moments, read_tracks
from ..embeddings.neighbors import NeighborGraph
from .confidences import as_shares
from .missed import ACCEPTED_CONFIDENCE
from .opinions import align
from .tracks import link_frames


def read_labels_of(dataset: fo.Dataset, field: str, notes: list[str]) -> PatchTable:
    """Reads all labels of a field, with confidences in [0, 1]; see :func:`~.confidences.as_shares`.

    Raises:
        NoPatches: if there are none
    """
    return as_shares(read_stored(locate(dataset, field), field), notes)


def read_run(
    dataset: fo.Dataset, brain_key: str, notes: list[str]
) -> tuple[PatchTable, NDArray[np.float32], NeighborGraph | None, int, PatchTable]:
    """Reads the labels of a run as they are now, and their embeddings.

    Args:
        dataset: the dataset
        brain_key: the run
        notes: gets sentences on their confidences

    Returns:
        a tuple of the table of n labels, (n, d) embeddings, their neighbor graph where the run has
        one of all of them, how many of the run are left out, as they were deleted, their
        embeddings were, or their boxes cannot be compared, and the table of all labels of the field

    Raises:
        InvalidParameter: if there is no such visualization, or it shows whole images
        UnknownField: if the field of its labels, or what its embeddings were taken from, is gone
        NoPatches: if its embeddings are not on this machine
        StaleRun: if it is replaced at this moment
    """
    dataset.reload()
    seen = find_run(dataset, brain_key)
    results = visualization_results(dataset, brain_key)
    field = run_field(dataset, brain_key)
    if field is None:
        raise InvalidParameter(
            f"'{brain_key}' shows whole images, which have no labels to check: choose a "
            "visualization of a patches field."
        )
    embeddings = load_embeddings(dataset, brain_key)
    if embeddings is None:
        raise NoPatches(
            f"The embeddings of '{brain_key}' are not on this machine: compute the visualization "
            "again, then its labels can be checked."
        )
    wanted = pair_ids(results.sample_ids, results.label_ids)[embeddings.rows]
    every = read_labels_of(dataset, field, notes)
    # a single box that is no number would make all that is said of the others none
    table = every.take(every.usable())
    rows, vectors = match_ids(table.pairs, wanted)
    if not len(rows):
        raise NoPatches(
            f"None of the labels of '{brain_key}' still exist with a box: compute it again."
        )
    missing = len(results.label_ids) - len(rows)
    graph = None if missing else load_neighbor_graph(dataset, brain_key)
    if graph is not None and (len(graph.indices) != len(rows) or (graph.indices < 0).any()):
        graph = None
    if graph is not None:
        graph = graph.take(embeddings.rows[vectors])
    if find_run(dataset, brain_key) != seen:  # what was read may be of two
        raise StaleRun(
            f"The visualization '{brain_key}' was computed, updated or deleted in the meantime: "
            "try again."
        )
    return table.take(rows), embeddings.vectors[vectors], graph, missing, every


def read_second(dataset: fo.Dataset, name: str, table: PatchTable, notes: list[str]) -> PatchTable:
    """Reads the labels of another field that can be compared with those of a table; none where it
    has none. ``notes`` gets sentences on their confidences."""
    try:
        second = read_labels_of(dataset, name, notes)
        return second.take(second.usable())
    except NoPatches:
        return replace(table.take(np.zeros(0, dtype=np.int64)), patches_field=name)


def read_rejected(dataset: fo.Dataset, table: PatchTable) -> NDArray[np.bool_]:
    """Returns which labels of a table were rejected, (n,)."""
    storage = locate(dataset, table.patches_field)
    tags = read_tags(storage, storage.local(str(table.patches_field)))
    return np.array([REJECTED_TAG in tags.get(pair, ()) for pair in table.pairs.tolist()], bool)


def find_accepted(
    dataset: fo.Dataset,
    brain_key: str,
    every: PatchTable,
    judged: PatchTable,
    seconds: list[PatchTable],
) -> tuple[PatchTable, list[PatchTable]]:
    """Finds what may cover the labels of other fields: the accepted labels of a run's field.

    They are those that the run does not have, too, as they were added since.

    Args:
        dataset: the dataset
        brain_key: the run
        every: all labels of its field
        judged: those of them that are judged
        seconds: the labels of the other fields

    Returns:
        the accepted labels, and those of ``seconds`` that are in images of the run, whether these
        have a label of its field or none; see :func:`~.opinions.align`
    """
    every = every.take(every.usable())
    images = set(judged.sample_ids.tolist())
    if any(not images.issuperset(second.sample_ids.tolist()) for second in seconds):
        with suppress(InvalidParameter):  # a view that cannot be made again, as a field is gone
            view = whole_groups(load_visualization(dataset, brain_key)[0])
            images.update(view.values(sample_id_path(view)))
    accepted = np.isin(every.sample_ids, list(images)) & ~read_rejected(dataset, every)
    accepted &= ~(every.confidences < ACCEPTED_CONFIDENCE)
    return align(every.take(np.flatnonzero(accepted)), seconds, sorted(images))


def follow_labels(
    dataset: fo.Dataset, table: PatchTable, vectors: NDArray[np.float32]
) -> NDArray[np.int64] | None:
    """Returns the number of each label's track, None where no track has several labels.

    Labels of whole frames are not followed: a class that changes in a video is no fault.
    """
    tracks = read_tracks(dataset, table)
    moments = None if table.of_whole_images else read_moments(dataset, table)
    if moments is not None:
        known = tracks if tracks is not None else np.full(len(table), -1, dtype=np.int64)
        tracks = link_frames(moments, table.boxes, vectors, known)
    if tracks is None:
        return None
    followed = tracks[tracks >= 0]
    return tracks if len(np.unique(followed)) < len(followed) else None


def read_image_sizes(dataset: fo.Dataset, table: PatchTable) -> NDArray[np.float64]:
    """Returns width and height of each label's image in pixels, (n, 2), NaN where the dataset does
    not say."""
    storage = locate(dataset, table.patches_field)
    if storage.get_field("metadata.width") is None:  # frames have none
        return np.full((len(table), 2), np.nan)
    ids, *sides = storage.values(["id", "metadata.width", "metadata.height"])
    size_of = dict(zip(ids, zip(*sides, strict=True), strict=True))
    samples, place = np.unique(table.sample_ids, return_inverse=True)
    sizes = np.array([size_of[id_] for id_ in samples.tolist()], dtype=np.float64)
    return np.asarray(sizes.reshape(-1, 2)[place])
