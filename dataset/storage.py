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
from itertools import chain
from typing import Any

import fiftyone as fo
import fiftyone.core.media as fom
import fiftyone.core.odm as foo
from bson import ObjectId

from ..core.errors import UnknownField

FRAMES = "frames."

# documents that are looked for in a copy, of which it may have but a few
_SOME = 100_000

# of a copy's collection: how its name begins → what of its documents names the one copied
_OF_SAMPLES = {"patches.": "_sample_id"}
_OF_FRAMES = {"frames.": "_id", "patches.frames.": "_frame_id"}


@dataclass(frozen=True)
class Storage:
    """A collection of documents that have labels; its schema is asked and changed as a dataset's.

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

    def view(self, ids: list[str] | None = None) -> Any:
        """Returns all of it as FiftyOne's collection, of a grouped dataset the images of every
        slice; with ids, those documents alone. Frames come with their videos."""
        view: Any = self.dataset
        if self.frames:
            return view if ids is None else view.select_frames(ids)
        if view.media_type == fom.GROUP:
            view = view.select_group_slices(media_type=fom.IMAGE)
        return view if ids is None else view.select(ids, ordered=False)

    def values(self, paths: list[str], ids: list[str] | None = None) -> list[list[Any]]:
        """Reads fields of all documents, or of those with the ids; a list for each path."""
        columns: list[list[Any]] = self.view(ids).values([self.path(path) for path in paths])
        if not self.frames:
            return columns
        return [list(chain.from_iterable(column)) for column in columns]

    def path(self, path: str) -> str:
        """Returns what a path of the documents is called in the dataset."""
        return FRAMES + path if self.frames else path

    def get_field(self, path: str) -> fo.Field | None:
        """Returns a field of the documents, None where there is none."""
        return self.dataset.get_field(self.path(path))

    def get_field_schema(self, **kwargs: Any) -> dict[str, fo.Field]:
        """Returns the fields of the documents; arguments are those of FiftyOne."""
        dataset = self.dataset
        schema = dataset.get_frame_field_schema if self.frames else dataset.get_field_schema
        return dict(schema(**kwargs) or {})

    def label_root(self, field: str) -> tuple[str, bool]:
        """Returns the path of a field's labels in the documents, and whether they are in a list.

        Args:
            field: a field of the documents

        Raises:
            UnknownField: if there is no such field of labels
        """
        known = [
            self.local(name)
            for name in self.dataset._get_label_fields()
            if is_of_frames(self.dataset, name) == self.frames
        ]
        if field not in known:
            advice = f"choose one of {', '.join(known)}" if known else "there is none here"
            raise UnknownField(f"There is no field of labels '{field}': {advice}.")
        root, is_list = self.dataset._get_label_field_root(self.path(field))
        return self.local(root), bool(is_list)

    def add_sample_field(self, path: str, ftype: type[fo.Field], **kwargs: Any) -> None:
        """Adds a field to the documents and their whole copies; arguments are FiftyOne's."""
        if not self.frames:
            self.dataset.add_sample_field(path, ftype, **kwargs)
            return
        self.dataset.add_frame_field(path, ftype, **kwargs)
        for copy in self._whole_copies():
            if copy.get_field(path) is None:
                copy.add_sample_field(path, ftype, **kwargs)

    def delete_sample_fields(self, paths: list[str]) -> None:
        """Deletes fields of the documents and of their whole copies."""
        if not self.frames:
            self.dataset.delete_sample_fields(paths)
            return
        self.dataset.delete_frame_fields(paths)
        for copy in self._whole_copies():
            copy.delete_sample_fields([path for path in paths if copy.get_field(path) is not None])

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

    def _whole_copies(self) -> list[fo.Dataset]:
        some = [document["_id"] for document in self.documents.find({}, {"_id": 1}).limit(_SOME)]
        return [copy.dataset for copy in self.copies(None, some) if copy.is_whole]

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


def storage_of(samples: Any) -> Storage:
    """Returns where the samples of a collection are, those that its patches show for patches."""
    return Storage(samples._root_dataset, bool(samples._dataset._is_frames))


def stored_name(samples: Any, field: str) -> str:
    """Returns what the dataset calls a field of a collection."""
    return storage_of(samples).path(field)


def shown_name(samples: Any, field: str) -> str:
    """Returns what a collection calls a field of its dataset."""
    return storage_of(samples).local(field)


def stages_of(view: Any) -> list[dict[str, Any]]:
    """Returns the stages of a view, without the names of the copies that FiftyOne made for it."""
    return [
        {**stage, "kwargs": [[k, v] for k, v in stage["kwargs"] if k != "_state"]}
        for stage in view._serialize(include_uuids=False)
    ]
