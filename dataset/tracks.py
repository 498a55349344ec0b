"""Which labels are of one thing that was followed: by FiftyOne's instances, or by the index that
labels have in the frames of a video.

FiftyOne's internals that this module uses are how an instance is stored, and that a frame, and a
sample that was made of one, names its video in ``_sample_id``. Tried with fiftyone 1.22.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .patches import PatchTable, label_path
from .storage import Storage, locate


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
    if not _is_of_videos(storage):
        return None
    told = {"_sample_id": 1, "frame_number": 1}
    which = {"_sample_id": {"$type": "objectId"}, "frame_number": {"$type": "number"}}
    frames = [
        (str(found["_sample_id"]), found["frame_number"], str(found["_id"]))
        for found in storage.documents.find(which, told)
    ]
    moment_of: dict[str, int] = {}
    moment, before = 0, ("", 0)
    for video, number, id_ in sorted(frames):
        if (video, number) != before:  # of patches of frames, several are of one frame
            moment += 1 if video == before[0] else 2
        moment_of[id_], before = moment, (video, number)
    return np.array([moment_of.get(id_, 0) for id_ in table.sample_ids.tolist()], dtype=np.int64)


def _is_of_videos(storage: Storage) -> bool:
    """Whether the documents are frames, or samples that were made of frames."""
    names = "sample_id", "frame_number"
    return storage.frames or all(storage.get_field(name) is not None for name in names)


def _keys(storage: Storage, field: str) -> Iterator[tuple[str, Any]]:
    """Yields the pair of each label that has a track, and what its track is told by."""
    root = label_path(storage, field)
    of_videos = _is_of_videos(storage)
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
