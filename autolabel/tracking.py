"""The tracks of a run of auto labeling: its labels that show one object get one ``index``.

All is made of what is stored, video by video, once all images are labeled: so wherever a run was
cut off, it is done again, and comes to the same. A track keeps the index that most of its labels
have, and a new index is larger than any of the video, in whatever field, those of removed labels
too. So what was approved before, or comes back, is not taken for another object.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import fiftyone as fo
import numpy as np
from bson import ObjectId
from numpy.typing import NDArray
from pymongo import UpdateOne

from ..core.errors import InvalidParameter
from ..core.progress import Progress
from ..dataset.checked_writes import write_checked
from ..dataset.documents import now, reload_samples
from ..dataset.expressions import each
from ..dataset.label_fields import LabelField
from ..dataset.open_patches import WrittenLabel, write_attributes
from ..dataset.schema import Attribute
from ..dataset.storage import Storage, locate
from ..dataset.tracks import find_videos, is_of_videos, largest_indexes, read_videos
from .bytetrack import check_installed, follow_objects
from .replacing import MARK, of_run
from .runs import AutoLabelRun, check_ours

INDEX = "index"
INDEX_ATTRIBUTE = {INDEX: Attribute(fo.IntField, "The track that it is of, in its video")}

_FRAMES_PER_WRITE = 2000
_KEEP = "the labels stay, some of them without their index"

# per frame, what each of some labels gets
_Changes = dict[ObjectId, dict[ObjectId, int | None]]


@dataclass(frozen=True)
class Tracked:
    """What :func:`track_labels` did.

    Attributes:
        tracks: how many tracks its videos have of the run
        videos: how many videos these are
    """

    tracks: int
    videos: int


def check_trackable(dataset: fo.Dataset | Storage) -> None:
    """Checks that objects in the images of a dataset can be followed, before any work.

    Args:
        dataset: the dataset, or the storage of its frames

    Raises:
        InvalidParameter: if they are no frames of videos
        ModelUnavailable: if a package is missing
    """
    if not is_of_videos(locate(dataset, None)):
        raise InvalidParameter(
            "Objects can only be followed in frames of videos: choose a view of frames, made with "
            "to_frames(sample_frames=True), or leave the tracks out."
        )
    check_installed()


def track_labels(
    dataset: fo.Dataset | Storage,
    of: LabelField,
    run: AutoLabelRun,
    ids: list[str],
    progress: Progress,
    *,
    share: float,
) -> Tracked:
    """Gives labels of a run that show one object one index, in each video that some images are of,
    in all of its frames that the run went through; labels of no track lose theirs.

    Args:
        dataset: the dataset, or the storage of its frames
        of: the field of the labels
        run: the run
        ids: the images
        progress: of the run
        share: the part of the run that this is

    Raises:
        InvalidParameter: if another process replaced the run meanwhile
        FieldGone: if the field was renamed or deleted meanwhile
        Cancelled: if the run was cancelled; some labels have their index then
    """
    storage = locate(dataset, None)
    videos = find_videos(storage, ids)
    marked = {f"{of.name}.{MARK}": run.name}
    frames = storage.documents.count_documents({"_sample_id": {"$in": videos}, **marked})
    largest = largest_indexes(storage, videos)
    seen, tracks, changes = 0, 0, _Changes()
    with progress.stage("Following objects", share, frames, "frames") as stage:
        for labels in read_videos(storage, of, videos, marked, of_run("$$l", run.name)):
            followed = follow_objects(
                labels.moments, labels.boxes, labels.confidences, stage.advance
            )
            seen += labels.frames
            stage.set(seen)
            indexes = number_tracks(followed, labels.indexes, largest[labels.video] + 1)
            tracks += len(set(indexes[indexes >= 0].tolist()))
            for row in np.flatnonzero(indexes != labels.indexes).tolist():
                index = None if indexes[row] < 0 else int(indexes[row])
                changes.setdefault(labels.documents[row], {})[labels.ids[row]] = index
            if len(changes) >= _FRAMES_PER_WRITE:
                _write(storage, of, run, changes)
                changes = {}
        _write(storage, of, run, changes)
    return Tracked(tracks, len(videos))


def number_tracks(
    tracks: NDArray[np.int64], before: NDArray[np.int64], first: int
) -> NDArray[np.int64]:
    """Numbers the tracks of a video.

    Args:
        tracks: (n,) the track of each label, -1 for none
        before: (n,) the index of each label, -1 for none
        first: the first index that is free, and all larger ones

    Returns:
        (n,) the index of each label: that which most of its track have, of several tracks with the
        same the longest; else a free one, in the order of the labels; -1 for none
    """
    both = np.flatnonzero((tracks >= 0) & (before >= 0))
    pairs, counts = np.unique(
        np.column_stack([tracks[both], before[both]]), axis=0, return_counts=True
    )
    index_of: dict[int, int] = {-1: -1}
    taken: set[int] = set()
    for track, index in pairs[np.argsort(-counts, kind="stable")].tolist():
        if track not in index_of and index not in taken:
            index_of[track] = index
            taken.add(index)
    free = first
    for track in dict.fromkeys(tracks.tolist()):
        if track not in index_of:
            index_of[track], free = free, free + 1
    return np.array([index_of[track] for track in tracks.tolist()], dtype=np.int64)


def _write(storage: Storage, of: LabelField, run: AutoLabelRun, changes: _Changes) -> None:
    """Writes indexes into labels, wherever these are in the lists of their frames by now."""
    frames = list(changes)
    for start in range(0, len(frames), _FRAMES_PER_WRITE):
        some = {frame: changes[frame] for frame in frames[start : start + _FRAMES_PER_WRITE]}

        def write(there: dict[str, Any], some: _Changes = some) -> None:
            which = {f"{of.name}.{MARK}": run.name, **there}
            bulk = [
                UpdateOne({"_id": frame, **which}, _indexing(of, indexes))
                for frame, indexes in some.items()
            ]
            storage.documents.bulk_write(bulk, ordered=False)

        check_ours(storage, run)
        write_checked(storage, [of.name], {"_id": {"$in": list(some)}}, write, before=_KEEP)
        written = [
            WrittenLabel(frame, label, {INDEX: index}, [])
            for frame, indexes in some.items()
            for label, index in indexes.items()
        ]
        write_attributes(storage, of.name, written)
        reload_samples(storage, [str(frame) for frame in some])


def _indexing(of: LabelField, indexes: dict[ObjectId, int | None]) -> list[dict[str, Any]]:
    """The update that gives labels of a frame their indexes, and touches no other."""
    place = {"$indexOfArray": [list(indexes), "$$l._id"]}
    index = {"$arrayElemAt": [list(indexes.values()), place]}
    given = {"$mergeObjects": ["$$l", {INDEX: index}]}
    labels = each(of.labels(), {"$cond": [{"$lt": [place, 0]}, "$$l", given]})
    return [{"$set": {of.name: of.with_labels(labels), "last_modified_at": now()}}]
