"""Which labels are of one thing that was followed: by FiftyOne's instances, or by the index that
labels have in the frames of a video; and the labels of videos, to be followed.

FiftyOne's internals that this module uses are how an instance is stored, and that a frame, and a
sample that was made of one, names its video in ``_sample_id``. Tried with fiftyone 1.22.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np
from bson import ObjectId
from numpy.typing import NDArray

from .expressions import Expression, each, keep, label_list
from .label_fields import LabelField
from .label_types import mean_confidence
from .patches import PatchTable, label_path, list_patches_fields
from .storage import Storage, locate

# samples that were made of frames may stand beside others
_OF_VIDEOS = {"_sample_id": {"$type": "objectId"}, "frame_number": {"$type": "number"}}
# a query holds 16 MB
_IDS_AT_ONCE = 100_000
# a step between frames that is more than so many usual ones leaves frames out
_STEPS = 2


def read_tracks(dataset: Any, table: PatchTable) -> NDArray[np.int64] | None:
    """Reads which labels are of one track.

    Trackers may number the things of each class from 1 on. So where two labels of one frame have
    the same index, it is one of each class.

    Args:
        dataset: the dataset
        table: n labels of it, as :func:`~labelvet.dataset.patches.read_stored` reads them

    Returns:
        (n,) the number of each one's track, -1 for none; None where no label has one
    """
    storage = locate(dataset, table.patches_field)
    number_of: dict[Any, int] = {}
    by_pair = {
        pair: number_of.setdefault(key, len(number_of))
        for pair, key in _keys(storage, storage.local(str(table.patches_field)))
    }
    if not by_pair:
        return None
    tracks = np.array([by_pair.get(pair, -1) for pair in table.pairs.tolist()], dtype=np.int64)
    followed = np.flatnonzero(tracks >= 0)
    places = np.column_stack([tracks[followed], table.media[followed]])
    twice, counts = np.unique(places, axis=0, return_counts=True)
    by_class = np.isin(tracks, twice[counts > 1, 0])
    split = len(number_of) + tracks * (len(table.classes) + 1) + table.codes + 1
    return np.where(by_class, split, tracks)


def read_moments(dataset: Any, table: PatchTable) -> NDArray[np.int64] | None:
    """Reads which frame each label is in.

    Args:
        dataset: the dataset
        table: n labels of it, as :func:`~labelvet.dataset.patches.read_stored` reads them

    Returns:
        (n,) the place of its frame among those of all videos, one video after the other and two
        places between them; 0 for what is in no video. None where none is
    """
    storage = locate(dataset, table.patches_field)
    if not is_of_videos(storage):
        return None
    told = {"_sample_id": 1, "frame_number": 1}
    frames = [
        (str(found["_sample_id"]), found["frame_number"], str(found["_id"]))
        for found in storage.documents.find(_OF_VIDEOS, told)
    ]
    moment_of: dict[str, int] = {}
    moment, before = 0, ("", 0)
    for video, number, id_ in sorted(frames):
        if (video, number) != before:  # of patches of frames, several are of one frame
            moment += 1 if video == before[0] else 2
        moment_of[id_], before = moment, (video, number)
    return np.array([moment_of.get(id_, 0) for id_ in table.sample_ids.tolist()], dtype=np.int64)


def is_of_videos(storage: Storage) -> bool:
    """Whether the documents are frames, or samples that were made of frames."""
    names = "sample_id", "frame_number"
    return storage.frames or all(storage.get_field(name) is not None for name in names)


def find_videos(storage: Storage, ids: Sequence[str]) -> list[ObjectId]:
    """Returns the videos, in order, that some documents are frames of."""
    videos: set[ObjectId] = set()
    for start in range(0, len(ids), _IDS_AT_ONCE):
        some = [ObjectId(id_) for id_ in ids[start : start + _IDS_AT_ONCE]]
        which = {"_id": {"$in": some}, **_OF_VIDEOS}
        videos.update(storage.documents.distinct("_sample_id", which))
    return sorted(videos)


@dataclass(frozen=True, eq=False)
class VideoLabels:
    """n labels of one field in frames of a video, frame after frame.

    Attributes:
        video: its id
        frames: how many frames were read
        documents, ids: the frame of each label, and its id
        moments: (n,) int64 the moment of each one's frame: from each frame to the next one it is 1,
            and more where frames between them were left out
        boxes: (n, 4) float64 ``[x, y, width, height]`` in units of the image's size, NaN for none
        confidences: (n,) float32, NaN for none
        indexes: (n,) int64 their ``index``, -1 for none
    """

    video: ObjectId
    frames: int
    documents: list[ObjectId]
    ids: list[ObjectId]
    moments: NDArray[np.int64]
    boxes: NDArray[np.float64]
    confidences: NDArray[np.float32]
    indexes: NDArray[np.int64]


def read_videos(
    storage: Storage,
    of: LabelField,
    videos: Sequence[ObjectId],
    which: dict[str, Any],
    condition: Expression,
) -> Iterator[VideoLabels]:
    """Reads labels of videos, one video after the other, in one query.

    Args:
        storage: the frames
        of: the field of the labels, as the frames call it
        videos: the videos
        which: the filter of the frames that are read
        condition: which labels ``$$l`` are read
    """
    told = {"_id": 1, of.type.geometry: 1, "confidence": 1, "index": 1}
    labels = each(keep(of.labels(), condition), {name: f"$$l.{name}" for name in told})
    stages: list[dict[str, Any]] = [
        {"$match": {**_OF_VIDEOS, "_sample_id": {"$in": list(videos)}, **which}},
        {"$sort": {"_sample_id": 1, "frame_number": 1}},
        {"$project": {"_sample_id": 1, "frame_number": 1, "labels": labels}},
    ]
    found = storage.documents.aggregate(stages, allowDiskUse=True)
    for video, frames in groupby(found, itemgetter("_sample_id")):
        yield _labels_of(video, list(frames), of)


def _labels_of(video: ObjectId, frames: list[dict[str, Any]], of: LabelField) -> VideoLabels:
    counts = [len(frame["labels"]) for frame in frames]
    numbers = np.array([frame["frame_number"] for frame in frames], dtype=np.int64)
    labels = [label for frame in frames for label in frame["labels"]]
    indexes = [label.get("index") for label in labels]
    return VideoLabels(
        video=video,
        frames=len(frames),
        documents=[frame["_id"] for frame in frames for _ in frame["labels"]],
        ids=[label["_id"] for label in labels],
        moments=np.repeat(_moments(numbers), counts),
        boxes=of.type.boxes([label.get(of.type.geometry) for label in labels]),
        confidences=np.array(
            [mean_confidence(label.get("confidence")) for label in labels], dtype=np.float32
        ),
        indexes=np.array([-1 if index is None else index for index in indexes], dtype=np.int64),
    )


def _moments(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Returns the moments of frames by their numbers, ascending: videos may have been sampled."""
    steps = np.diff(numbers)
    # of patches of frames, several are of one frame
    usual = np.median(steps[steps > 0]) if steps.any() else 1
    passed = np.where(steps > _STEPS * usual, steps // usual, np.minimum(steps, 1))
    return np.append(0, np.cumsum(passed)).astype(np.int64)


def largest_indexes(storage: Storage, videos: Sequence[ObjectId]) -> dict[ObjectId, int]:
    """Returns the largest ``index`` that a label of each video has, in whatever field, those of
    removed labels among them."""
    roots = [storage.label_root(name) for name in list_patches_fields(storage)]
    largest = [{"$max": each(label_list(*root), "$$l.index")} for root in roots]
    stages: list[dict[str, Any]] = [
        {"$match": {"_sample_id": {"$in": list(videos)}}},
        {"$group": {"_id": "$_sample_id", "largest": {"$max": {"$max": largest}}}},
    ]
    found = storage.documents.aggregate(stages)
    return {video["_id"]: video["largest"] or 0 for video in found}


def _keys(storage: Storage, field: str) -> Iterator[tuple[str, Any]]:
    """Yields the pair of each label that has a track, and what its track is told by."""
    root = label_path(storage, field)
    of_videos = is_of_videos(storage)
    index, instance = f"{root}.index", f"{root}.instance._id"
    which = [{instance: {"$type": "objectId"}}]
    if of_videos:
        which.append({index: {"$type": "number"}})
    wanted = {f"{root}._id": 1, index: 1, instance: 1, "_sample_id": 1}
    for document in storage.documents.find({"$or": which}, wanted):
        labels: Any = document
        for name in root.split("."):
            labels = labels[name]
        video = document.get("_sample_id")
        for label in labels if root != field else [labels]:
            pair = f"{document['_id']}{label['_id']}"
            if label.get("instance") is not None:
                yield pair, label["instance"]["_id"]
            elif video is not None and label.get("index") is not None:
                yield pair, (video, label["index"])
