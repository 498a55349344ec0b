"""What a reviewer says of labels: written into them, with who and when, and taken back.

An answer is four attributes of the label and its state (:mod:`labelvet.dataset.states`), written in
one update that asks that the label is still what the reviewer saw. What it replaces is written
down before (:mod:`labelvet.dataset.changes`), so that it can be undone after a restart too.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import fiftyone as fo
from bson import ObjectId
from pymongo import UpdateOne

from ..core.errors import InvalidParameter, UnknownUndo
from ..core.sentences import agree, count
from ..dataset.changes import Change, begin, undone_once, unique_moment
from ..dataset.documents import now
from ..dataset.expressions import each, retagged, without
from ..dataset.holds import check_held
from ..dataset.open_patches import write_patches
from ..dataset.patches import is_of_whole_images
from ..dataset.removed import describe_removed, find_removed
from ..dataset.schema import check_labels, declare_attributes
from ..dataset.states import (
    APPROVED_TAG,
    REJECTED_TAG,
    REVIEWED_TAG,
    TAGS,
    TAKES_AWAY,
)
from ..dataset.storage import LabelRoot, Storage, locate
from .boxes import check_can_move, checked_box
from .known import read_documents
from .verdicts import (
    BADLY_PLACED,
    REJECTING,
    REVIEW_ATTRIBUTES,
    RIGHT,
    SKIPPED,
    VERDICTS,
    WRONG_CLASS,
    Answer,
    describe,
    describe_many,
    describe_moved,
)

_OWNER = "review"
_SAYS = {
    RIGHT: REVIEWED_TAG,
    WRONG_CLASS: REVIEWED_TAG,
    BADLY_PLACED: REVIEWED_TAG,
    **dict.fromkeys(REJECTING, REJECTED_TAG),
}
# what of a label an answer changes, beside what it says of it
_CHANGED = ("label", "bounding_box")

REVIEW = "review"
_MAX_CLASS = 200

# what is written down of one answer is below a kilobyte, and a document of MongoDB holds 16 MB
_BATCH = 5_000


@dataclass(frozen=True)
class Answered:
    """What came of some answers.

    Attributes:
        changed: how many labels they were written into
        refused: how many labels were changed, approved or deleted since the reviewer saw them
        token: finds the change that :func:`take_back_change` takes; None where nothing was written
        sentence: says so
    """

    changed: int
    refused: int
    token: str | None
    sentence: str


def give_answers(dataset: fo.Dataset, field: str, answers: list[Answer], user: str) -> Answered:
    """Writes answers into the labels: relabels, tags or rejects them.

    Args:
        dataset: the dataset
        field: the field of the labels
        answers: one for each label
        user: who gives them

    Raises:
        InvalidParameter: if an answer is not valid, or the attributes' names are taken
        UnknownField: if the field does not exist
    """
    storage = locate(dataset, field)
    path = storage.label_root(storage.local(field))
    whole = is_of_whole_images(dataset, field)
    for answer in answers:
        _check(storage, path.root, answer)
    # what asks whether an answer came later, as an audit does, has its own from the same clock
    moment = unique_moment(dataset)
    labels = read_documents(storage, path, [(a.sample_id, a.label_id) for a in answers])
    taken = []
    for answer in answers:
        label = labels.get((answer.sample_id, answer.label_id))
        if label is not None and _is_as_seen(answer, label) and _may(answer, label):
            taken.append((answer, label))
    entries = [entry_of(answer, label, user, moment) for answer, label in taken]
    if not entries:
        (answer, *more) = answers
        now_there = labels.get((answer.sample_id, answer.label_id))
        if not more and now_there is not None and _was_moved(answer, now_there):
            return Answered(0, 1, None, describe_moved(now_there))
        return Answered(0, len(answers), None, describe(answers, len(answers), whole))
    check_labels(storage, storage.local(field))
    declare_answers(storage, path.root)
    # of several it is known at the end how many there are
    several = len(entries) > 1
    sentence = "Answers given." if several else describe([one for one, _ in taken], 0, whole)
    changed = 0
    with begin(dataset, REVIEW, sentence, user, field=field) as change:
        for start in range(0, len(entries), _BATCH):
            batch = entries[start : start + _BATCH]
            check_held(f"{count(changed, 'answer')} had been given before" if changed else "")
            change.add_entries(batch)
            changed += write_entries(storage, field, path, batch)
        if not changed:
            change.drop()
        elif several:
            change.say(describe_many([one for one, _ in taken], changed, whole))
    refused = len(answers) - changed
    return Answered(
        changed, refused, change.token if changed else None, describe(answers, refused, whole)
    )


@undone_once
def take_back_change(change: Change) -> Answered:
    """Takes answers back: the labels are what they were, unless someone changed them since. Those
    of labels that were removed since are left to be taken back once these are there again.

    Raises:
        InvalidParameter: if all that is left of the labels was removed since
        UnknownUndo: if it is a change of another kind, or was taken back before
        FieldGone: if the field of the labels is not there any more
    """
    if change.kind != REVIEW:
        raise UnknownUndo("This was not an answer in a review: undo it where it was made.")
    field = change.what["field"]
    storage = locate(change.dataset, field)
    path = storage.label_root(storage.local(field))
    check_labels(storage, storage.local(field))
    given = changed = refused = 0
    left: list[list[dict[str, Any]]] = []
    for entries in [change.what.get("entries", []), *change.entries()]:
        check_held(f"{count(changed, 'answer')} had been undone before" if changed else "")
        given += len(entries)
        done, differing = take_back_entries(storage, field, path, entries)
        changed, refused = changed + done, refused + differing
        if done < len(entries) and (some := _removed_of(storage, field, entries)):
            left.append(some)
    gone = sum(map(len, left))
    if gone and not changed:
        raise InvalidParameter(describe_removed(gone))
    if gone:
        change.leave_entries(left)
    else:
        change.close()
    all_of = f"{count(changed, 'answer')} {agree(changed, 'was', 'were')} undone."
    said = [f"Undone: {change.sentence}" if changed == given == 1 else all_of]
    if stay := refused - gone:
        it = agree(stay, "it was left as it is", "they were left as they are")
        said.append(f"{count(stay, 'label')} {agree(stay, 'was', 'were')} changed since: {it}.")
    if gone:
        said.append(describe_removed(gone))
    return Answered(changed, refused, None, " ".join(said))


def take_back_entries(
    storage: Storage, field: str, path: LabelRoot, entries: list[dict[str, Any]]
) -> tuple[int, int]:
    """Takes some answers back.

    Args:
        storage, field, path, entries: see :func:`write_entries`

    Returns:
        of how many labels, and how many are not what they were before the answers, taken back now
        or earlier by a process that was killed at it; labels that are gone are among these
    """
    done = write_entries(storage, field, path, entries, back=True)
    if done == len(entries):
        return done, 0
    pairs = [(str(one["sample"]), str(one["label"])) for one in entries]
    labels = read_documents(storage, path, pairs)
    before = [
        _is(labels.get(pair), one["before"]) for one, pair in zip(entries, pairs, strict=True)
    ]
    return done, before.count(False)


def _removed_of(
    storage: Storage, field: str, entries: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Returns those entries whose labels were removed, and can come back."""
    samples, ids = ([one[name] for one in entries] for name in ("sample", "label"))
    gone = find_removed(storage, storage.local(field), samples, ids)
    return [
        one
        for one, pair in zip(entries, zip(samples, ids, strict=True), strict=True)
        if pair in gone
    ]


def declare_answers(dataset: Any, root: str) -> None:
    """Adds the attributes of answers to the schema of labels, where they are not there.

    Args:
        dataset: the dataset, or the storage of its frames
        root: the path of the labels

    Raises:
        InvalidParameter: if the labels have attributes of their own of these names
    """
    declare_attributes(dataset, root, REVIEW_ATTRIBUTES, _OWNER)


def _check(storage: Storage, root: str, answer: Answer) -> None:
    if answer.verdict not in VERDICTS:
        raise InvalidParameter(f"An answer is one of: {', '.join(VERDICTS)}.")
    if answer.verdict == WRONG_CLASS:
        name = answer.label
        usual = name and name.strip() and len(name) <= _MAX_CLASS and name.isprintable()
        if not usual and name not in storage.dataset.distinct(storage.path(f"{root}.label")):
            raise InvalidParameter("Enter the class that it should be.")
        if name == answer.seen:
            raise InvalidParameter(
                f"It is already '{name}': choose another class, or answer right."
            )
    if _moves(answer):
        checked_box(answer.box)


def _moves(answer: Answer) -> bool:
    """Whether an answer gives the label another box."""
    too = answer.verdict == WRONG_CLASS and answer.box is not None
    return too or answer.verdict == BADLY_PLACED


def _is_as_seen(answer: Answer, label: dict[str, Any]) -> bool:
    return label.get("label") == answer.seen and not _was_moved(answer, label)


def _was_moved(answer: Answer, label: dict[str, Any]) -> bool:
    """Whether somebody changed the box since the reviewer saw it."""
    return answer.seen_box is not None and list(answer.seen_box) != label.get("bounding_box")


def entry_of(answer: Answer, label: dict[str, Any], user: str, moment: datetime) -> dict[str, Any]:
    """Returns what is written down of an answer before :func:`write_entries` writes it.

    Args:
        answer: the answer
        label: the label as the database has it
        user: who gives it
        moment: when, in UTC

    Returns:
        what the label has before it and after it, where what it lacks is None, and the tags that
        come and go

    Raises:
        InvalidParameter: if it is given a box that cannot be, or has a mask that would be stretched
    """
    before = {name: label.get(name) for name in ("label", *REVIEW_ATTRIBUTES)}
    after = {**before, "review": answer.verdict, "reviewed_by": user, "reviewed_at": moment}
    if answer.verdict == WRONG_CLASS:
        after |= {"label": answer.label, "label_before": answer.seen}
    if _moves(answer):
        check_can_move(label)
        before["bounding_box"] = label["bounding_box"]
        after |= {"bounding_box": checked_box(answer.box), "box_before": label["bounding_box"]}
    says, had = _SAYS.get(answer.verdict), label.get("tags") or []
    takes = [tag for tag in TAKES_AWAY.get(says or "", ()) if tag in had]
    return {
        "sample": ObjectId(answer.sample_id),
        "label": ObjectId(answer.label_id),
        "before": before,
        "after": after,
        "says": says,
        "adds": [] if says is None or says in had else [says],
        "takes": takes,
        # a state that it has neither before nor after is a later word
        "later": [tag for tag in TAGS.values() if tag not in (*had, says)],
    }


def _may(answer: Answer, label: dict[str, Any]) -> bool:
    """Whether a label may be answered so: what is ground truth already is changed there."""
    approved = APPROVED_TAG in (label.get("tags") or [])
    return not approved or answer.verdict in (RIGHT, SKIPPED)


def write_entries(
    storage: Storage,
    field: str,
    path: LabelRoot,
    entries: list[dict[str, Any]],
    back: bool = False,
) -> int:
    """Writes answers into labels, in open patches views, too.

    Args:
        storage: where the labels are
        field: their field
        path: where they are in its documents
        entries: what :func:`entry_of` returned
        back: whether they are taken back

    Returns:
        how many labels were written: what was changed since, or approved, stays as it is
    """
    if not entries:
        return 0

    def updates(path: LabelRoot, key: str) -> list[UpdateOne]:
        return [UpdateOne(*_update(entry, path, key, back)) for entry in entries]

    documents = storage.documents
    written = documents.bulk_write(updates(path, "_id"), ordered=False).matched_count
    if not written:
        return 0
    if written < len(entries):
        pairs = [(str(one["sample"]), str(one["label"])) for one in entries]
        labels, new = read_documents(storage, path, pairs), "before" if back else "after"
        entries = [
            one for one, pair in zip(entries, pairs, strict=True) if _is(labels.get(pair), one[new])
        ]
    samples = list(dict.fromkeys(entry["sample"] for entry in entries))
    storage.refresh([str(sample) for sample in samples])
    ids = [entry["label"] for entry in entries]
    write_patches(storage, storage.local(field), samples, ids, updates)
    return int(written)


def _is(label: dict[str, Any] | None, values: dict[str, Any]) -> bool:
    """Whether a label is there and has these values."""
    return label is not None and all(label.get(name) == value for name, value in values.items())


def _update(
    entry: dict[str, Any], path: LabelRoot, sample_id: str, back: bool
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Returns the filter and the update of one label's change."""
    root, listed = path
    old, new = ("after", "before") if back else ("before", "after")
    then, values = entry[old], entry[new]
    guard: dict[str, Any] = {"_id": entry["label"]}
    guard |= {name: then[name] for name in (*_CHANGED, "review", "reviewed_at") if name in then}
    changes = any(values.get(name) != then.get(name) for name in _CHANGED)
    if back and entry["says"]:
        # what has another state since has had a later word; earlier versions wrote down none
        later = entry.get("later", [APPROVED_TAG] if changes else [])
        guard["tags"] = {"$eq": entry["says"], "$nin": later}
    elif entry["says"] == REJECTED_TAG or changes:
        guard["tags"] = {"$ne": APPROVED_TAG}
    where: dict[str, Any] = {sample_id: entry["sample"]}
    if listed:
        where[root] = {"$elemMatch": guard}
    else:
        where |= {f"{root}.{name}": value for name, value in guard.items()}
    goes, comes = ("adds", "takes") if back else ("takes", "adds")
    gone = [name for name, value in values.items() if value is None]
    set_ = {name: {"$literal": value} for name, value in values.items() if value is not None}
    tagged = retagged(entry[goes], entry[comes])
    changed: Any = without({"$mergeObjects": [tagged, set_]}, *gone)
    if listed:
        ours = {"$eq": ["$$l._id", entry["label"]]}
        label: Any = each(f"${root}", {"$cond": [ours, changed, "$$l"]})
    else:
        label = {"$let": {"vars": {"l": f"${root}"}, "in": changed}}
    return where, [{"$set": {root: label, "last_modified_at": now()}}]
