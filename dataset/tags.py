"""Tags of many labels or samples at once, and what takes them back.

FiftyOne's ``tag_labels`` writes one update per sample; here one ``update_many`` tags all labels of
a batch, atomic for each sample. What a change does is written down before it happens.

A tag that says the state of a label takes away those that it contradicts, see
:mod:`labelvet.dataset.states`; undo gives them back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain, repeat
from typing import Any

import fiftyone as fo
import numpy as np
from bson import ObjectId
from numpy.typing import NDArray
from pymongo.errors import WriteError

from ..core.errors import FieldGone, InvalidParameter, UnknownField, UnknownUndo
from ..core.sentences import agree, count
from .changes import Change, begin, find_change, undone_once
from .documents import (
    Ids,
    LabelIds,
    byte_keys,
    now,
    object_ids,
    pack_ids,
    pair_keys,
    parse_ids,
)
from .expressions import Expression, each, keep
from .holds import Hold, check_held, holds_of_thread
from .patches import label_root, read_label_ids, sample_id_path, whole_groups
from .removed import check_not_removed
from .schema import check_labels, check_writable
from .states import TAKES_AWAY
from .storage import Patches, Storage, locate, storage_of, stored_name

# labels per update: the ids of one fit into a command of MongoDB many times over
_BATCH = 20_000

# batches that are undone at once: the database writes one while the ids of another are made
_AT_ONCE = 2

# batches that are undone at once end in any order
_IN_PARTS = "some of it may be undone"

TAGGING = "tags"
_MAX_TAG = 100

NO_FRAME_TAGS = "Frames have no tags of their own: tag their labels, or the videos."


@dataclass(frozen=True)
class Tagged:
    """What a change of tags did.

    Attributes:
        changed: how many labels or samples it changed
        unchanged: how many had the tag already, or did not have the tag that was to go
        token: what :func:`undo` takes; None where nothing changed
    """

    changed: int
    unchanged: int
    token: str | None


@dataclass(frozen=True)
class Undone:
    """What an undo did: how many labels or samples it changed back, and a sentence about it."""

    changed: int
    sentence: str


@dataclass(frozen=True)
class _Target:
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


def check_tag(tag: Any) -> str:
    """Returns a tag that may be written.

    Raises:
        InvalidParameter: if it is not text, empty, too long, or has control characters
    """
    if not isinstance(tag, str) or not tag.strip() or len(tag) > _MAX_TAG or not tag.isprintable():
        raise InvalidParameter(
            f"A tag is a short text of at most {_MAX_TAG} characters: for example 'needs-review'."
        )
    return tag.strip()


def tag_labels(
    dataset: fo.Dataset,
    field: str,
    labels: LabelIds,
    tag: str,
    remove: bool = False,
    *,
    all_differ: bool = False,
    by: str | None = None,
) -> Tagged:
    """Adds a tag to labels, or removes it, in the dataset and in its open patches views.

    Args:
        dataset: the dataset
        field: the field of the labels
        labels: the labels; those that do not exist are passed over
        tag: the tag
        remove: whether to remove it
        all_differ: whether the caller just read that this changes every one of them, so that they
            are not read again
        by: who does it; by default the user of this process

    Raises:
        InvalidParameter: if the tag is not valid, or the field is read-only
        UnknownField: if the field does not exist
        FieldGone: if it is renamed or deleted meanwhile
    """
    return _change([(_Target(dataset, field), *labels)], check_tag(tag), remove, by, all_differ)


def tag_fields(
    dataset: fo.Dataset,
    labels: dict[str, LabelIds],
    tag: str,
    remove: bool = False,
    by: str | None = None,
) -> Tagged:
    """Adds a tag to labels of several fields, or removes it, as one change.

    Args:
        dataset: the dataset
        labels: the labels of each field
        tag, remove, by: see :func:`tag_labels`

    Raises:
        see :func:`tag_labels`
    """
    some = [(_Target(dataset, field), *ids) for field, ids in labels.items()]
    return _change(some, check_tag(tag), remove, by)


def move_tag(dataset: fo.Dataset, field: str, gain: LabelIds, lose: LabelIds, tag: str) -> Tagged:
    """Takes a tag from labels and adds it to others, as one change.

    Args:
        dataset: the dataset
        field: the field of the labels
        gain: labels that the caller just read not to have the tag
        lose: labels that have it
        tag: the tag

    Raises:
        see :func:`tag_labels`
    """
    target = _Target(dataset, field)
    _check_writable(target)
    with begin(
        dataset, TAGGING, f"'{tag}' moved to other labels.", field=field, tag=check_tag(tag),
        remove=None,
    ) as change:  # fmt: skip
        out = _write_batches(change, target, lose, remove=True, all_differ=True)
        into = _write_batches(
            change, target, gain, remove=False, all_differ=True, before=out.changed
        )
        changed = out.changed + into.changed
        if not changed:
            change.drop()
            return Tagged(0, 0, None)
        change.say(
            f"'{tag}' was added to {count(into.changed, 'label')} and removed from {out.changed:,}."
        )
    return Tagged(changed, 0, change.token)


def tag_samples(
    dataset: fo.Dataset, sample_ids: Ids, tag: str, remove: bool = False, by: str | None = None
) -> Tagged:
    """Adds a tag to samples, or removes it; see :func:`tag_labels`."""
    unique = np.unique(sample_ids, axis=0) if len(sample_ids) else sample_ids
    return _change([(_Target(dataset, None), unique, unique)], check_tag(tag), remove, by)


def tag_view(
    view: Any, field: str | None, tag: str, remove: bool = False, by: str | None = None
) -> Tagged:
    """Adds a tag to all labels of a view, or removes it.

    Args:
        view: a dataset or view, a patches view too; of dynamic groups all that they hold
        field: the field of the labels; None for the samples
        tag: the tag
        remove: whether to remove it
        by: who does it; by default the user of this process

    Raises:
        InvalidParameter: if the tag is not valid, or the field is read-only
        UnknownField: if the field does not exist or holds no labels
    """
    dataset, view = view._root_dataset, whole_groups(view)
    if field is None:
        if storage_of(view).frames:
            raise InvalidParameter(NO_FRAME_TAGS)
        return tag_samples(dataset, parse_ids(view.values(sample_id_path(view))), tag, remove, by)
    labels = read_label_ids(view, field)
    return tag_labels(dataset, stored_name(view, field), labels, tag, remove, by=by)


def undo(dataset: fo.Dataset, token: Any) -> Undone:
    """Takes a change of tags back: what it changed, and nothing else.

    Raises:
        UnknownUndo: if the dataset has no such change, or it was taken back before
    """
    return undo_tags(find_change(dataset, token))


@undone_once
def undo_tags(change: Change) -> Undone:
    """Takes a change of tags back.

    Raises:
        UnknownUndo: if it is a change of another kind
        InvalidParameter: if the field is read-only, or the labels were removed since
    """
    if change.kind != TAGGING:
        raise UnknownUndo("This was not a change of tags: undo it where it was made.")
    field, tag, remove = (change.what[name] for name in ("field", "tag", "remove"))
    # of several fields it is written down how many batches each has
    parts = change.what.get("parts") or [[field, None]]
    targets = [_Target(change.dataset, name) for name, _ in parts]
    of_batch = chain.from_iterable(
        repeat(target) if number is None else repeat(target, number)
        for target, (_, number) in zip(targets, parts, strict=True)
    )
    batches = list(zip(change.batches(), of_batch, strict=False))
    holds = holds_of_thread()
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        ended = [
            pool.submit(_undo_batch, target, tag, remove, one, holds) for one, target in batches
        ]
    changed = sum(one.result() for one in ended if one.exception() is None)
    errors = [error for one in ended if (error := one.exception()) is not None]
    for target in targets:
        _check_there(target, changed)
    for error in errors:
        raise error
    for (samples, ids, _), target in batches if not changed else ():
        if target.name is not None:
            check_not_removed(target.storage, target.name, samples, ids)
    change.close()
    what = count(changed, "sample" if field is None else "label")
    if remove is None:
        return Undone(changed, f"'{tag}' is where it was: {what} changed back.")
    verb = agree(changed, "has", "have")
    said = f"{verb} the tag '{tag}' again" if remove else f"no longer {verb} the tag '{tag}'"
    return Undone(changed, f"{what} {said}.")


def _undo_batch(
    target: _Target,
    tag: str,
    remove: bool | None,
    batch: tuple[Ids, Ids, NDArray[np.uint8]],
    holds: Sequence[Hold],
) -> int:
    """Takes a change of tags of one batch back, and returns how many this changed; ``holds`` are
    those of who undoes it."""
    samples, ids, had = batch
    if remove is None:  # a tag that moved went from all of a batch, or came to all of it
        remove = bool(had[0])
    _check_there(target, 0)
    check_held(_IN_PARTS, holds)
    others = target.beside(tag, remove)
    if remove:
        changed = 0
        for tags in np.unique(had):
            alike = had == tags
            # what has another state since has had a later word
            later = tuple(other for number, other in _numbered(others) if not tags & 1 << number)
            changed += _write(target, samples[alike], ids[alike], _Edit(tag, False, later))
        return changed
    if not had.any():  # it changed no other tags
        return _write(target, samples, ids, _Edit(tag, remove=True))
    rows = _rows_with(target, samples, ids, tag)
    samples, ids, had = samples[rows], ids[rows], had[rows]
    for number, other in _numbered(others):
        back = (had & 1 << number) > 0
        _write(target, samples[back], ids[back], _Edit(other, remove=False))
    ours = (had & 1) == 0
    _write(target, samples[ours], ids[ours], _Edit(tag, remove=True))
    return len(ids)


def _numbered(others: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    """Yields tags beside another one with the bits that say whether a label has them."""
    return enumerate(others, start=1)


def describe(tagged: Tagged, tag: str, what: str, remove: bool) -> str:
    """Says what a change of tags did; ``what`` is "label" or "sample"."""
    if not tagged.changed:
        had = "did not have" if remove else "already had"
        return f"Nothing changed: {count(tagged.unchanged, what)} {had} the tag '{tag}'."
    did = f"removed from {count(tagged.changed, what)}" if remove else (
        f"added to {count(tagged.changed, what)}"
    )  # fmt: skip
    rest = ""
    if tagged.unchanged:
        rest = f"; {tagged.unchanged:,} {'did not have it' if remove else 'had it already'}"
    return f"'{tag}' was {did}{rest}."


def _change(
    some: Sequence[tuple[_Target, Ids, Ids]],
    tag: str,
    remove: bool,
    by: str | None,
    all_differ: bool = False,
) -> Tagged:
    """Changes the tags of labels of one or several fields, of which each is given with the samples
    and the labels."""
    for target, _, _ in some:
        _check_writable(target)
    if not any(len(ids) for _, _, ids in some):
        return Tagged(0, 0, None)
    first = some[0][0]
    what = "sample" if first.field is None else "label"
    sentence = f"'{tag}' {'removed from' if remove else 'added to'} {what}s."
    several: dict[str, Any] = {}
    if len(some) > 1:
        several["parts"] = [[one.field, len(list(_batches(len(ids))))] for one, _, ids in some]
    with begin(
        first.dataset, TAGGING, sentence, by, field=first.field, tag=tag, remove=remove, **several
    ) as change:
        changed = unchanged = 0
        for target, samples, ids in some:
            done = _write_batches(
                change, target, (samples, ids), remove=remove, all_differ=all_differ, before=changed
            )
            changed, unchanged = changed + done.changed, unchanged + done.unchanged
        done = Tagged(changed, unchanged, change.token if changed else None)
        if changed:
            change.say(describe(done, tag, what, remove))
        else:
            change.drop()
    return done


def _write_batches(
    change: Change,
    target: _Target,
    labels: LabelIds,
    *,
    remove: bool,
    all_differ: bool,
    before: int = 0,
) -> Tagged:
    """Writes down and does what a change of tags does to some labels; ``before`` says how many it
    changed already."""
    tag, (sample_ids, ids) = change.what["tag"], labels
    changed = unchanged = 0
    others = target.beside(tag, remove)
    for batch in _batches(len(ids)):
        try:
            _check_there(target, before + changed)
        except (FieldGone, InvalidParameter):
            if not before + changed:
                change.drop()
            raise
        check_held(_done(before + changed))
        samples, differing = sample_ids[batch], ids[batch]
        had: NDArray[np.uint8] = np.full(len(differing), remove, np.uint8)
        if not all_differ:
            samples, differing, had, same = _that_differ(
                target, (samples, differing), tag, remove, others
            )
            unchanged += same
        change.add_batch(samples, differing, had)
        new = (had & 1) == remove
        changed += _write(target, samples[new], differing[new], _Edit(tag, remove))
        for number, other in () if remove else _numbered(others):
            goes = (had & 1 << number) > 0
            _write(target, samples[goes], differing[goes], _Edit(other, remove=True))
        changed += int((~new).sum())  # had the tag, and another state beside it
    _check_there(target, before + changed)
    return Tagged(changed, unchanged, change.token if changed else None)


def _that_differ(
    target: _Target, labels: LabelIds, tag: str, remove: bool, others: tuple[str, ...]
) -> tuple[Ids, Ids, NDArray[np.uint8], int]:
    """Reads what a change would change.

    Returns:
        (n, 12) samples, (n, 12) ids and (n,) tags of the labels, or samples, that it would: bit 0
        for the tag, the bits above for ``others``; and how many it would not change
    """
    samples, found, had = _read(target, *labels, (tag, *others))
    asked = set(pair_keys(*labels))
    ours = np.array([pair in asked for pair in pair_keys(samples, found)], bool)
    samples, found, had = samples[ours], found[ours], had[ours]
    differ = (had & 1) == 1 if remove else had != 1
    return samples[differ], found[differ], had[differ], int((~differ).sum())


def _rows_with(target: _Target, sample_ids: Ids, ids: Ids, tag: str) -> Any:
    """Returns the rows of the labels, or samples, that have a tag now."""
    samples, found, had = _read(target, sample_ids, ids, (tag,))
    # an import that keeps ids may have a label in two samples
    row_of = {pair: row for row, pair in enumerate(pair_keys(sample_ids, ids))}
    pairs = pair_keys(samples[had == 1], found[had == 1])
    return [row_of[pair] for pair in pairs if pair in row_of]


def _read(
    target: _Target, sample_ids: Ids, ids: Ids, tags: tuple[str, ...]
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


@dataclass(frozen=True)
class _Edit:
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


def _write(target: _Target, sample_ids: Ids, ids: Ids, edit: _Edit) -> int:
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


def _parts(target: _Target, sample_ids: Ids, ids: Ids, edit: _Edit) -> Iterator[_Part]:
    """Yields pairs of samples and labels in as few parts as may be: in one, but where samples have
    labels of the same id, as an import may leave them."""
    if not len(ids):
        return
    keys = byte_keys(sample_ids)
    asked = Counter(keys)
    samples, labels = [ObjectId(key) for key in asked], object_ids(ids)
    numbers = _numbers(target, samples, labels, edit)
    mixed = {key for key, (there, _) in numbers.items() if there > asked[key]}
    if len(mixed) == len(asked) > 1:  # each half has fewer
        mixed = set(list(asked)[len(asked) // 2 :])
    if mixed:
        apart = np.array([key in mixed for key in keys])
        yield from _parts(target, sample_ids[apart], ids[apart], edit)
        yield from _parts(target, sample_ids[~apart], ids[~apart], edit)
        return
    yield _Part(samples, labels, sum(changes for _, changes in numbers.values()))


def _numbers(
    target: _Target, samples: list[ObjectId], labels: list[ObjectId], edit: _Edit
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


def _picked(target: _Target, labels: list[ObjectId]) -> Expression:
    """Those of some labels that a document has."""
    root = target.root
    single = root == target.name
    there: Any = {"$ifNull": [f"${root}", [] if not single else {}]}
    # $setIsSubset looks ids up in a constant; $in would compare them one by one
    picked = {"$setIsSubset": [["$$l._id"], labels]}
    return keep([there] if single else there, picked)


def _write_patches(
    patches: Patches, name: str | None, samples: Any, labels: Any, edit: _Edit
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


def _push(collection: Any, which: dict[str, Any], path: str, edit: _Edit) -> None:
    change = edit.of(path)
    which = {**which, path: edit.tag} if edit.remove else {**which, **edit.among(path)}
    try:
        collection.update_many(which, change)
    except WriteError:  # a set cannot be added to null, which few labels have: they come first then
        collection.update_many({**which, path: None}, {"$set": {path: []}})
        collection.update_many(which, change)


def _push_into_list(
    collection: Any, which: dict[str, Any], root: str, labels: Any, edit: _Edit
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


def _check_writable(target: _Target) -> None:
    if target.storage.get_field(target.tags) is None:
        raise UnknownField(f"There is no field '{target.tags}' in this dataset.")
    check_writable(target.storage, target.tags)


def _check_there(target: _Target, changed: int) -> None:
    """Checks that the field of the labels is there, and can be written to; see
    :func:`~.schema.check_labels`."""
    if target.name is None:
        check_writable(target.storage, target.tags)
        return
    check_labels(target.storage, target.name, _done(changed), target.tags)


def _done(changed: int) -> str:
    return f"{count(changed, 'label')} had been changed before" if changed else ""


def _batches(n: int) -> Iterator[slice]:
    return (slice(start, start + _BATCH) for start in range(0, n, _BATCH))


def _unique(ids: Ids) -> list[Any]:
    return list(dict.fromkeys(object_ids(ids)))
