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
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, NamedTuple

import fiftyone as fo
import fiftyone.core.media as fom
import fiftyone.core.odm as foo
from bson import ObjectId
from pymongo import UpdateMany, UpdateOne
from pymongo.write_concern import WriteConcern

from ..core.errors import UnknownField

FRAMES = "frames."

# how the names of collections of patches begin, and what of a patch names what it is a patch of
_PATCHES, _PATCHES_OF_FRAMES = ("patches.", "_sample_id"), ("patches.frames.", "_frame_id")

# of the copies that a view holds, as many are looked for first, and each time ten times as many
# where all of these were deleted since
_SOME = 100


def collection_named(name: str) -> Any:
    """Returns a MongoDB collection by its name.

    What is written to it is told to be written once it is in the journal: a server that dies takes
    back the last tenth of a second else, which its client, who goes on once it is up again, counts
    on, as where labels came back and the record of their removal is closed.
    """
    collection = foo.get_db_conn()[name]
    concern = {"w": "majority", **collection.write_concern.document, "j": True}
    return collection.with_options(write_concern=WriteConcern(**concern))


class LabelRoot(NamedTuple):
    """Where the labels of a field are in documents.

    Attributes:
        root: the path of the labels, or of the one label
        listed: whether they are in a list there
    """

    root: str
    listed: bool


@dataclass(frozen=True)
class Storage:
    """A collection of documents that have labels, which is spoken to as a dataset is.

    So what writes labels writes those of frames as those of samples. What is not of the documents
    is the dataset's: its name, its runs.

    Attributes:
        dataset: whose they are
        frames: whether they are the frames of its videos, not its samples
    """

    dataset: fo.Dataset
    frames: bool = False

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in ("dataset", "frames"):
            raise AttributeError(name)
        return getattr(self.dataset, name)

    @property
    def collection(self) -> str:
        """The name of the MongoDB collection."""
        dataset = self.dataset
        name = dataset._frame_collection_name if self.frames else dataset._sample_collection_name
        return str(name)

    @property
    def documents(self) -> Any:
        """The MongoDB collection. What is written to frames is written to their copies, too."""
        documents = collection_named(self.collection)
        return _CopiedDocuments(documents, self) if self.frames else documents

    @property
    def have_files(self) -> bool:
        """Whether any of the documents has a file of its own: frames that were not sampled have
        none, and are seen in their videos alone."""
        return self.documents.find_one({"filepath": {"$ne": None}}, {"_id": 1}) is not None

    def view(self, ids: list[str] | None = None) -> Any:
        """Returns all of it as FiftyOne's collection, of a grouped dataset the images of every
        slice; with ids, those documents alone. Frames come with their videos."""
        view: Any = self.dataset
        if self.frames:
            if view.media_type == fom.GROUP:
                view = view.select_group_slices(media_type=fom.VIDEO)
            return view if ids is None else view.select_frames(ids)
        if view.media_type == fom.GROUP:
            view = view.select_group_slices(media_type=fom.IMAGE)
        return view if ids is None else view.select(ids, ordered=False)

    def values(
        self, paths: list[str], ids: list[str] | None = None, **kwargs: Any
    ) -> list[list[Any]]:
        """Reads fields of all documents, or of those with the ids; a list for each path. Further
        arguments are FiftyOne's."""
        paths = [self.path(path) for path in paths]
        columns: list[list[Any]] = self.view(ids).values(paths, **kwargs)
        if not self.frames:
            return columns
        return [list(chain.from_iterable(column)) for column in columns]

    def path(self, path: str) -> str:
        """Returns what a path of the documents is called in the dataset."""
        return FRAMES + path if self.frames and not path.startswith(FRAMES) else path

    def get_field(self, path: str) -> fo.Field | None:
        """Returns a field of the documents, None where there is none."""
        return self.dataset.get_field(self.path(path))

    def get_field_schema(self, **kwargs: Any) -> dict[str, fo.Field]:
        """Returns the fields of the documents; arguments are those of FiftyOne."""
        dataset = self.dataset
        schema = dataset.get_frame_field_schema if self.frames else dataset.get_field_schema
        return dict(schema(**kwargs) or {})

    def label_root(self, field: str) -> LabelRoot:
        """Returns where a field's labels are in the documents.

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
            raise UnknownField(f"There is no label field '{field}': {advice}.")
        root, is_list = self.dataset._get_label_field_root(self.path(field))
        return LabelRoot(self.local(root), bool(is_list))

    def add_sample_field(self, path: str, ftype: type[fo.Field], **kwargs: Any) -> None:
        """Adds a field to the documents; arguments are FiftyOne's."""
        if not self.frames:
            self.dataset.add_sample_field(path, ftype, **kwargs)
            return
        self.dataset.add_frame_field(path, ftype, **kwargs)
        for name, _ in self._copies_of_frames():
            copy = fo.load_dataset(name)
            if copy.get_field(path) is None:
                copy.add_sample_field(path, ftype, **kwargs)

    def add_sample_fields(self, fields: Mapping[str, Mapping[str, Any]]) -> None:
        """Adds fields to the documents in one step.

        Args:
            fields: the arguments of FiftyOne's ``add_sample_field`` by path
        """
        of = self.dataset._frame_doc_cls if self.frames else self.dataset._sample_doc_cls
        made = {path: of._create_field(path, **options) for path, options in fields.items()}
        if of.merge_field_schema(made):
            self.dataset._reload()
        if self.frames:
            for name, _ in self._copies_of_frames():
                copy = fo.load_dataset(name)
                Storage(copy).add_sample_fields(
                    {path: one for path, one in fields.items() if copy.get_field(path) is None}
                )

    def delete_sample_field(self, path: str, error_level: int = 0) -> None:
        """Deletes a field of the documents."""
        self.delete_sample_fields([path], error_level)

    def delete_sample_fields(self, paths: list[str], error_level: int = 0) -> None:
        """Deletes fields of the documents."""
        if not self.frames:
            self.dataset.delete_sample_fields(paths, error_level=error_level)
            return
        self.dataset.delete_frame_fields(paths, error_level=error_level)
        for name, _ in self._copies_of_frames():
            copy = fo.load_dataset(name)
            copy.delete_sample_fields([path for path in paths if copy.get_field(path) is not None])

    def local(self, field: str) -> str:
        """Returns what a field of the dataset is called in the documents."""
        return field.removeprefix(FRAMES) if self.frames else field

    def fill(self, name: str, which: dict[str, Any]) -> None:
        """Gives null to a field of some documents, and of the copies that views of frames hold."""
        for documents in self._documents_with(name):
            documents.update_many(which, {"$set": {name: None}})

    def unfill(self, name: str, which: dict[str, Any]) -> None:
        """Takes a field from some documents, and from the copies that views of frames hold."""
        for documents in self._documents_with(name):
            documents.update_many(which, {"$unset": {name: ""}})

    def refresh(self, ids: list[str]) -> None:
        """Makes what is in this process's memory show what the database holds."""
        if not self.frames:
            fo.Sample._reload_docs(self.collection, sample_ids=ids)
            return
        fo.Frame._reload_docs(self.collection, frame_ids=ids)
        for _, copies in self._copies_of_frames():
            fo.Sample._reload_docs(copies.name, sample_ids=ids)

    def patches(self, field: str | None, ids: list[ObjectId] | None) -> Iterator[Patches]:
        """Yields the patches that views hold of some documents, those of this dataset alone.

        Ids are unique in a dataset, and not in a database: a clone, or an import that keeps ids,
        has the same ones. It has them since another moment, though, and copies keep that.

        Args:
            field: only patches that have this field of the documents; None for all
            ids: the documents; None for all
        """
        prefix, key = _PATCHES_OF_FRAMES if self.frames else _PATCHES
        which = {} if ids is None else {key: {"$in": ids}}
        for name, copies in self._generated(prefix, field):
            if not self._has_any(copies, which, key):
                continue
            try:
                dataset = fo.load_dataset(name)
            except ValueError:
                continue  # deleted since
            if field is None or dataset.get_field(field) is not None:
                yield Patches(dataset, key)

    def _documents_with(self, name: str) -> Iterator[Any]:
        yield foo.get_db_conn()[self.collection]
        for copy, copies in self._copies_of_frames() if self.frames else ():
            if name in _fields_of(copy):
                yield copies

    def _copies_of_frames(self) -> Iterator[tuple[str, Any]]:
        """Yields the datasets, by name, and collections that views of frames hold."""
        videos = foo.get_db_conn()[self.dataset._sample_collection_name]
        for name, copies in self._generated(FRAMES, None):
            # those of other datasets, and of videos that are gone, are told by few ids
            of_videos = {"_id": {"$in": copies.distinct("_sample_id")}}
            there = {"_sample_id": {"$in": videos.distinct("_id", of_videos)}}
            if self._has_any(copies, there, "_id"):
                yield name, copies

    def _generated(self, prefix: str, field: str | None) -> Iterator[tuple[str, Any]]:
        database = foo.get_db_conn()
        pattern = f"^{re.escape(prefix)}[0-9a-f]+$"
        matching: dict[str, Any] = {"sample_collection_name": {"$regex": pattern}}
        if field is not None:
            matching["sample_fields.name"] = field.partition(".")[0]
        for found in database.datasets.find(matching, {"name": 1, "sample_collection_name": 1}):
            yield found["name"], database[found["sample_collection_name"]]

    def _has_any(self, copies: Any, which: dict[str, Any], key: str) -> bool:
        """Whether any of the copies of a filter is one of a document here."""
        documents, number = foo.get_db_conn()[self.collection], _SOME
        rest = copies.find(which, {key: 1, "created_at": 1})
        while some := {copy[key]: copy.get("created_at") for copy in islice(rest, number)}:
            found = list(documents.find({"_id": {"$in": list(some)}}, {"created_at": 1}))
            if found:
                return any(one.get("created_at") == some[one["_id"]] for one in found)
            number *= 10
        return False


class _CopiedDocuments:
    """The documents of frames: what is written to them is written to those that views hold.

    A view of frames holds them under their ids and with their fields, perhaps without some labels,
    and without the fields that were added or chosen since.
    """

    def __init__(self, documents: Any, storage: Storage) -> None:
        self._documents, self._storage = documents, storage

    def __getattr__(self, name: str) -> Any:
        return getattr(self._documents, name)

    def update_one(self, which: Any, update: Any, **kwargs: Any) -> Any:
        return self._update("update_one", which, update, **kwargs)

    def update_many(self, which: Any, update: Any, **kwargs: Any) -> Any:
        return self._update("update_many", which, update, **kwargs)

    def bulk_write(self, updates: list[UpdateOne | UpdateMany], **kwargs: Any) -> Any:
        done = self._documents.bulk_write(updates, **kwargs)
        if done.matched_count:
            for name, copies in self._storage._copies_of_frames():
                known = _fields_of(name)
                copied = [copy for one in updates if (copy := _of_copies(one, known))]
                if copied:
                    copies.bulk_write(copied, **kwargs)
        return done

    def _update(self, how: str, which: Any, update: Any, **kwargs: Any) -> Any:
        done = getattr(self._documents, how)(which, update, **kwargs)
        if done.matched_count:
            for name, copies in self._storage._copies_of_frames():
                known = _fields_of(name)
                if copied := _of_fields(update, known):
                    filters = _filters_of(copied, kwargs.get("array_filters"))
                    asked = {**kwargs, "array_filters": filters}
                    getattr(copies, how)(_asked_of(which, known), copied, **asked)
        return done


def _of_copies(one: UpdateOne | UpdateMany, known: set[str]) -> UpdateOne | UpdateMany | None:
    """Returns what an update is to documents that have some fields, None for none."""
    update = _of_fields(one._doc, known)
    if not update:
        return None
    filters = _filters_of(update, one._array_filters)
    return type(one)(_asked_of(one._filter, known), update, array_filters=filters)


def _filters_of(update: Any, filters: list[Any] | None) -> list[Any] | None:
    """Returns the filters of lists of an update, if it is of lists yet: MongoDB takes no others."""
    return filters if filters and "$[" in str(update) else None


def _fields_of(name: str) -> set[str]:
    """The fields that a dataset has, as the database says."""
    found = foo.get_db_conn().datasets.find_one({"name": name}, {"sample_fields": 1}) or {}
    return {field["db_field"] or field["name"] for field in found.get("sample_fields", ())}


def _asked_of(which: Mapping[str, Any], known: set[str]) -> dict[str, Any]:
    """Returns a filter that does not ask for fields which are not known."""
    return {
        path: [_asked_of(one, known) for one in asked] if path == "$and" else asked
        for path, asked in which.items()
        if asked != {"$exists": True} or path.partition(".")[0] in known
    }


def _of_fields(update: Any, known: set[str]) -> Any:
    """Returns an update, or its stages, without what it does to fields that are not known."""
    if isinstance(update, list):
        return [stage for stage in (_of_fields(stage, known) for stage in update) if stage]
    kept = {
        how: {path: value for path, value in fields.items() if path.partition(".")[0] in known}
        for how, fields in update.items()
    }
    return {how: fields for how, fields in kept.items() if fields}


@dataclass(frozen=True)
class Patches:
    """The documents that a view of patches holds.

    Attributes:
        dataset: the dataset that FiftyOne generated for the view
        key: what of them is the id of the sample or frame
    """

    dataset: fo.Dataset
    key: str

    @property
    def documents(self) -> Any:
        """The MongoDB collection."""
        return foo.get_db_conn()[self.dataset._sample_collection_name]

    def refresh(self, ids: list[str]) -> None:
        """Makes what is in this process's memory show what the database holds."""
        fo.Sample._reload_docs(self.dataset._sample_collection_name, sample_ids=ids)


def locate(dataset: fo.Dataset | Storage, field: str | None) -> Storage:
    """Returns where the labels of a field are.

    Args:
        dataset: the dataset
        field: a field of its samples or frames, which may have a name of their own; None for its
            samples themselves
    """
    if isinstance(dataset, Storage):
        return dataset
    if field is None or is_of_frames(dataset, field) or not dataset._has_frame_fields():
        return Storage(dataset, field is not None and is_of_frames(dataset, field))
    of_samples = dataset.get_field(field) is not None
    return Storage(dataset, not of_samples and dataset.get_field(FRAMES + field) is not None)


def is_of_frames(dataset: fo.Dataset, field: str) -> bool:
    """Whether a field is one of the frames of videos."""
    return bool(field.startswith(FRAMES) and dataset._has_frame_fields())


def storage_of(samples: Any) -> Storage:
    """Returns where the samples of a collection are, those that its patches show for patches."""
    return Storage(samples._root_dataset, bool(samples._dataset._is_frames))


def home_of(samples: Any) -> Any:
    """Returns the dataset of a collection, or the storage of its frames: what to write to."""
    storage = storage_of(samples)
    return storage if storage.frames else storage.dataset


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
