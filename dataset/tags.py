"""Tags of many labels or samples at once, and what takes them back.

What a change does is written down before it happens, and :mod:`labelvet.dataset.tag_updates` does
it.

A tag that says the state of a label takes away those that it contradicts, see
:mod:`labelvet.dataset.states`; undo gives them back.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Any

import fiftyone as fo
import numpy as np
from numpy.typing import NDArray

from ..core.errors import FieldGone, InvalidParameter, UnknownField, UnknownUndo
from ..core.sentences import agree, count
from .changes import Change, begin, find_change, undone_once
from .documents import Ids, LabelIds, pair_keys, parse_ids
from .holds import Hold, check_held, holds_of_thread
from .patches import read_label_ids, sample_id_path, whole_groups
from .removed import check_not_removed
from .schema import check_labels, check_writable
from .storage import storage_of, stored_name
from .tag_updates import Edit, Target, edit_tags, find_tags

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
    return _change([(Target(dataset, field), *labels)], check_tag(tag), remove, by, all_differ)


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
    some = [(Target(dataset, field), *ids) for field, ids in labels.items()]
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
    target = Target(dataset, field)
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
    return _change([(Target(dataset, None), unique, unique)], check_tag(tag), remove, by)


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
    targets = [Target(change.dataset, name) for name, _ in parts]
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
    target: Target,
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
            changed += edit_tags(target, samples[alike], ids[alike], Edit(tag, False, later))
        return changed
    if not had.any():  # it changed no other tags
        return edit_tags(target, samples, ids, Edit(tag, remove=True))
    rows = _rows_with(target, samples, ids, tag)
    samples, ids, had = samples[rows], ids[rows], had[rows]
    for number, other in _numbered(others):
        back = (had & 1 << number) > 0
        edit_tags(target, samples[back], ids[back], Edit(other, remove=False))
    ours = (had & 1) == 0
    edit_tags(target, samples[ours], ids[ours], Edit(tag, remove=True))
    return len(ids)


def _numbered(others: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    """Yields tags beside another one with the bits that say whether a label has them."""
    return enumerate(others, start=1)


def describe(tagged: Tagged, tag: str, what: str, remove: bool) -> str:
    """Says what a change of tags did; ``what`` is "label" or "sample"."""
    if not tagged.changed and not tagged.unchanged:
        return f"Nothing changed: no {what} is among those that were chosen."
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
    some: Sequence[tuple[Target, Ids, Ids]],
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
    target: Target,
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
        changed += edit_tags(target, samples[new], differing[new], Edit(tag, remove))
        for number, other in () if remove else _numbered(others):
            goes = (had & 1 << number) > 0
            edit_tags(target, samples[goes], differing[goes], Edit(other, remove=True))
        changed += int((~new).sum())  # had the tag, and another state beside it
    _check_there(target, before + changed)
    return Tagged(changed, unchanged, change.token if changed else None)


def _that_differ(
    target: Target, labels: LabelIds, tag: str, remove: bool, others: tuple[str, ...]
) -> tuple[Ids, Ids, NDArray[np.uint8], int]:
    """Reads what a change would change.

    Returns:
        (n, 12) samples, (n, 12) ids and (n,) tags of the labels, or samples, that it would: bit 0
        for the tag, the bits above for ``others``; and how many it would not change
    """
    samples, found, had = find_tags(target, *labels, (tag, *others))
    asked = set(pair_keys(*labels))
    ours = np.array([pair in asked for pair in pair_keys(samples, found)], bool)
    samples, found, had = samples[ours], found[ours], had[ours]
    differ = (had & 1) == 1 if remove else had != 1
    return samples[differ], found[differ], had[differ], int((~differ).sum())


def _rows_with(target: Target, sample_ids: Ids, ids: Ids, tag: str) -> Any:
    """Returns the rows of the labels, or samples, that have a tag now."""
    samples, found, had = find_tags(target, sample_ids, ids, (tag,))
    # an import that keeps ids may have a label in two samples
    row_of = {pair: row for row, pair in enumerate(pair_keys(sample_ids, ids))}
    pairs = pair_keys(samples[had == 1], found[had == 1])
    return [row_of[pair] for pair in pairs if pair in row_of]


def _check_writable(target: Target) -> None:
    if target.storage.get_field(target.tags) is None:
        raise UnknownField(f"There is no field '{target.tags}' in this dataset.")
    check_writable(target.storage, target.tags)


def _check_there(target: Target, changed: int) -> None:
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
