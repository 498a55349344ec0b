"""Where labels are in the database: with the samples of a dataset, or the frames of its videos.

A field of frames has FiftyOne's own name for it, ``frames.detections``; a view of frames calls it
``detections``. All slices of a grouped dataset are in one collection.

FiftyOne copies what a view of patches or of frames shows into a collection of its own, and writes
an edit of the copy back over what it is a copy of. So whoever writes labels writes their copies.
FiftyOne's internals are used in this module alone: the collections of samples, of frames and of
copies, and how they name each other. Tried with fiftyone 1.22.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import fiftyone as fo
import fiftyone.core.odm as foo
from bson import ObjectId

FRAMES = "frames."

# of a copy's collection: how its name begins → what of its documents names the one copied
_OF_SAMPLES = {"patches.": "_sample_id"}
_OF_FRAMES = {"frames.": "_id", "patches.frames.": "_frame_id"}


@dataclass(frozen=True)
class Storage:
    """A collection of documents that have labels.

    Attributes:
        dataset: whose they are
        frames: whether they are the frames of its videos, not its samples
    """

    dataset: fo.Dataset
    frames: bool = False

    @property
    def name(self) -> str:
        """The name of the MongoDB collection."""
        dataset = self.dataset
        return str(
            dataset._frame_collection_name if self.frames else dataset._sample_collection_name
        )

    @property
    def documents(self) -> Any:
        """The MongoDB collection."""
        return foo.get_db_conn()[self.name]

    def local(self, field: str) -> str:
        """Returns what a field of the dataset is called in the documents."""
        return field.removeprefix(FRAMES) if self.frames else field

    def reload(self, ids: list[str]) -> None:
        """Makes what is in this process's memory show what the database holds."""
        if self.frames:
            fo.Frame._reload_docs(self.name, frame_ids=ids)
        else:
            fo.Sample._reload_docs(self.name, sample_ids=ids)

    def copies(self, field: str | None, ids: list[ObjectId]) -> Iterator[Copy]:
        """Yields the copies of some documents that views hold, those of this dataset alone.

        Ids are unique in a dataset, and not in a database: a clone, or an import that keeps ids,
        has the same ones. It has them since another moment, though, and copies keep that.

        Args:
            field: only copies that have this field; None for all
            ids: the documents
        """
        keys, database = _OF_FRAMES if self.frames else _OF_SAMPLES, foo.get_db_conn()
        begins = "|".join(map(re.escape, keys))
        matching: dict[str, Any] = {"sample_collection_name": {"$regex": f"^({begins})[0-9a-f]+$"}}
        if field is not None:
            matching["sample_fields.name"] = field.partition(".")[0]
        wanted = {"name": 1, "sample_collection_name": 1}
        for document in database.datasets.find(matching, wanted):
            name = document["sample_collection_name"]
            key = keys[name.rpartition(".")[0] + "."]
            if not self._has_copy_in(database[name], key, ids):
                continue
            try:
                dataset = fo.load_dataset(document["name"])
            except ValueError:
                continue  # deleted since
            if field is None or dataset.get_field(field) is not None:
                yield Copy(dataset, key)

    def _has_copy_in(self, copies: Any, key: str, ids: list[ObjectId]) -> bool:
        copy = copies.find_one({key: {"$in": ids}}, {key: 1, "created_at": 1})
        if copy is None:
            return False
        copied = {"_id": copy[key], "created_at": copy.get("created_at")}
        return self.documents.find_one(copied, {"_id": 1}) is not None


@dataclass(frozen=True)
class Copy:
    """The documents that a view of patches or of frames holds.

    Attributes:
        dataset: the dataset that FiftyOne generated for the view
        key: what of its documents is the id of the document that was copied
    """

    dataset: fo.Dataset
    key: str

    @property
    def documents(self) -> Any:
        """The MongoDB collection."""
        return foo.get_db_conn()[self.dataset._sample_collection_name]

    @property
    def is_whole(self) -> bool:
        """Whether a document is copied as it is, not as patches of it."""
        return self.key == "_id"

    def reload(self, ids: list[str]) -> None:
        """Makes what is in this process's memory show what the database holds."""
        fo.Sample._reload_docs(self.dataset._sample_collection_name, sample_ids=ids)


def locate(dataset: fo.Dataset, field: str | None) -> Storage:
    """Returns where the labels of a field are.

    Args:
        dataset: the dataset
        field: a field of its samples, or ``frames.detections``; None for its samples themselves
    """
    return Storage(dataset, field is not None and is_of_frames(dataset, field))


def is_of_frames(dataset: fo.Dataset, field: str) -> bool:
    """Whether a field is one of the frames of videos."""
    return field.startswith(FRAMES) and bool(dataset._has_frame_fields())
