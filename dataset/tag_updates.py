"""Tags in documents: which labels have one, and one update that gives it to many or takes it.

FiftyOne's ``tag_labels`` writes one update per sample; here one ``update_many`` tags all labels of
a batch, atomic for each sample.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import fiftyone as fo
import numpy as np
from bson import ObjectId
from numpy.typing import NDArray
from pymongo.errors import WriteError

from .documents import Ids, byte_keys, now, object_ids, pack_ids
from .expressions import Expression, each, keep
from .patches import label_root
from .states import TAKES_AWAY
from .storage import Patches, Storage, locate


@dataclass(frozen=True)
class Target:
    """Where tags are: of samples, or of labels in a list or alone."""

    dataset: fo.Dataset
    field: str | None

    @property
    def storage(self) -> Storage:
        return locate(self.dataset, self.field)

    @property
    def name(self) -> str | None:
        return None if self.field is None else self.storage.local(self.field)

    @property
    def root(self) -> str | None:
        return None if self.name is None else self.storage.label_root(self.name)[0]

    @property
    def tags(self) -> str:
        return "tags" if self.root is None else f"{self.root}.tags"

    def beside(self, tag: str, remove: bool) -> tuple[str, ...]:
        """The tags that decide what undo does: those that a label loses when it gets a tag, or of
        one that is removed those of later words, which would have taken it away."""
        if self.field is None:
            return ()
        later = tuple(word for word, goes in TAKES_AWAY.items() if tag in goes)
        return later if remove else TAKES_AWAY.get(tag, ())


@dataclass(frozen=True)
class Edit:
    """A tag that is added to labels, or removed; ``unless`` they have one of some other tags. A
    document that it changes says so, where there is a moment."""

    tag: str
    remove: bool
    unless: tuple[str, ...] = ()
    moment: datetime | None = None

    def of(self, path: str) -> dict[str, Any]:
        """The update of the tags of a path."""
        change: dict[str, Any] = {"$pull" if self.remove else "$addToSet": {path: self.tag}}
        if self.moment is not None:
            change["$set"] = {"last_modified_at": self.moment}
        return change

    def among(self, path: str) -> dict[str, Any]:
        """The filter of the tags of a path that it changes."""
        return {path: {"$nin": list(self.unless)}} if self.unless else {}


def find_tags(
    target: Target, sample_ids: Ids, ids: Ids, tags: tuple[str, ...]
) -> tuple[Ids, Ids, NDArray[np.uint8]]:
    """Returns samples, ids and tags of the labels, or samples, that exist; a bit for each tag."""
    collection, root = target.storage.documents, target.root
    match: dict[str, Any] = {"$match": {"_id": {"$in": _unique(sample_ids)}}}
    if root is None:
        found = list(collection.aggregate([match, {"$project": {"h": _bits("$tags", tags)}}]))
        packed = pack_ids([document["_id"] for document in found])
        return packed, packed, np.array([document["h"] for document in found], np.uint8)

    of_label = {"i": "$$l._id", "h": _bits("$$l.tags", tags)}
    project: dict[str, Any] = {"l": each(_picked(target, object_ids(ids)), of_label)}
    samples: list[Any] = []
    labels_found: list[Any] = []
    had: list[int] = []
    for document in collection.aggregate([match, {"$project": project}]):
        for label in document["l"]:
            samples.append(document["_id"])
            labels_found.append(label["i"])
            had.append(label["h"])
    return pack_ids(samples), pack_ids(labels_found), np.array(had, np.uint8)


def _bits(path: str, tags: tuple[str, ...]) -> dict[str, Any]:
    return {"$add": [{"$cond": [_has(path, tag), 1 << bit, 0]} for bit, tag in enumerate(tags)]}


def _has(tags: str, tag: str) -> dict[str, Any]:
    # a tag that begins with a dollar is not a field
    return {"$in": [{"$literal": tag}, {"$ifNull": [tags, []]}]}


def edit_tags(target: Target, sample_ids: Ids, ids: Ids, edit: Edit) -> int:
    """Changes the tags of labels, or samples; returns of how many."""
    changed, storage, root = 0, target.storage, target.root
    dated = replace(edit, moment=now())
    for part in _parts(target, sample_ids, ids, edit):
        samples, labels = part.samples, part.labels
        of_samples: dict[str, Any] = {"_id": {"$in": samples}}
        if root is None:
            _push(storage.documents, of_samples, target.tags, dated)
        elif root == target.name:
            of_samples[f"{root}._id"] = {"$in": labels}
            _push(storage.documents, of_samples, target.tags, dated)
        else:
            _push_into_list(storage.documents, of_samples, root, labels, dated)
        for patches in storage.patches(target.name, samples):
            _write_patches(patches, target.name, samples, labels, edit)
        storage.refresh([str(id_) for id_ in samples])
        changed += part.changes
    return changed


@dataclass(frozen=True)
class _Part:
    """Labels, or samples, that two lists of ids name: no sample has a label of another.

    Attributes:
        samples, labels: the ids
        changes: how many of the labels exist, and are changed
    """

    samples: list[ObjectId]
    labels: list[ObjectId]
    changes: int


def _parts(target: Target, sample_ids: Ids, ids: Ids, edit: Edit) -> Iterator[_Part]:
    """Yields pairs of samples and labels in as few parts as may be: in one, but where samples have
    labels of the same id, as an import may leave them."""
    if not len(ids):
        return
    keys = byte_keys(sample_ids)
    asked = Counter(keys)
    samples, labels = [ObjectId(key) for key in asked], object_ids(ids)
    numbers = _numbers(target, samples, labels, edit)
    mixed = {key for key, (there, _) in numbers.items() if there > asked[key]}
    if len(mixed) == len(asked):  # each half has fewer
        mixed = set(list(asked)[len(asked) // 2 :])
    # of one sample, the labels that have more than an id each are those that share one
    if mixed and len(asked) > 1:
        apart = np.array([key in mixed for key in keys])
        yield from _parts(target, sample_ids[apart], ids[apart], edit)
        yield from _parts(target, sample_ids[~apart], ids[~apart], edit)
        return
    yield _Part(samples, labels, sum(changes for _, changes in numbers.values()))


def _numbers(
    target: Target, samples: list[ObjectId], labels: list[ObjectId], edit: Edit
) -> dict[bytes, tuple[int, int]]:
    """Returns of each sample, by the bytes of its id, how many of the labels it has, and how many
    of those are changed; of samples themselves, whether they are."""
    root, match = target.root, {"$match": {"_id": {"$in": samples}}}

    def changes(path: str) -> Expression:
        if edit.remove:
            return _has(path, edit.tag)
        return {"$not": [{"$or": [_has(path, tag) for tag in (edit.tag, *edit.unless)]}]}

    if root is None:
        stages: list[Any] = [
            {"$project": {"n": {"$literal": 1}, "t": {"$cond": [changes("$tags"), 1, 0]}}}
        ]
    else:
        stages = [
            {"$project": {"l": _picked(target, labels)}},
            {"$project": {"n": {"$size": "$l"}, "t": {"$size": keep("$l", changes("$$l.tags"))}}},
        ]
    found = target.storage.documents.aggregate([match, *stages])
    return {document["_id"].binary: (document["n"], document["t"]) for document in found}


def _picked(target: Target, labels: list[ObjectId]) -> Expression:
    """Those of some labels that a document has."""
    root = target.root
    single = root == target.name
    there: Any = {"$ifNull": [f"${root}", [] if not single else {}]}
    # $setIsSubset looks ids up in a constant; $in would compare them one by one
    picked = {"$setIsSubset": [["$$l._id"], labels]}
    return keep([there] if single else there, picked)


def _write_patches(
    patches: Patches, name: str | None, samples: Any, labels: Any, edit: Edit
) -> None:
    """Changes the patches that a view holds, as FiftyOne does of the view it tags in.

    Their ``last_modified_at``, which nobody reads, stays: its index takes as long as all the rest.
    """
    collection, of_samples = patches.documents, {patches.key: {"$in": samples}}
    if name is None:
        _push(collection, of_samples, "tags", edit)
    else:
        root, listed = label_root(patches.dataset, name)
        if listed:
            _push_into_list(collection, of_samples, root, labels, edit)
        else:  # a patch has the id of its label
            of_samples["_id"] = {"$in": labels}
            _push(collection, of_samples, f"{root}.tags", edit)
    patches.refresh([str(id_) for id_ in labels])


def _push(collection: Any, which: dict[str, Any], path: str, edit: Edit) -> None:
    change = edit.of(path)
    which = {**which, path: edit.tag} if edit.remove else {**which, **edit.among(path)}
    try:
        collection.update_many(which, change)
    except WriteError:  # a set cannot be added to null, which few labels have: they come first then
        collection.update_many({**which, path: None}, {"$set": {path: []}})
        collection.update_many(which, change)


def _push_into_list(
    collection: Any, which: dict[str, Any], root: str, labels: Any, edit: Edit
) -> None:
    path, ours = f"{root}.$[l].tags", {"l._id": {"$in": labels}}
    change, picked = edit.of(path), [{**ours, **edit.among("l.tags")}]
    # a list that is not there, as of an object that a prediction missed, or that was deleted
    # meanwhile, is not made
    which = {**which, root: {"$type": "array"}}
    if edit.remove:
        which = {**which, f"{root}.tags": edit.tag}
    try:
        collection.update_many(which, change, array_filters=picked)
    except WriteError:
        collection.update_many(
            {**which, root: {"$elemMatch": {"tags": None}}},
            {"$set": {path: []}},
            array_filters=[{**ours, "l.tags": None}],
        )
        collection.update_many(which, change, array_filters=picked)


def _unique(ids: Ids) -> list[Any]:
    return list(dict.fromkeys(object_ids(ids)))
