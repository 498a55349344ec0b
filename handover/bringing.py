"""Brings back what was corrected in an annotation tool, as one change that can be undone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, islice
from threading import Event
from typing import Any, TypeVar

import fiftyone as fo
from bson import ObjectId
from pymongo import UpdateOne

from ..approval.candidates import Candidates
from ..approval.finalize import return_removed
from ..approval.label_updates import update_labels
from ..approval.rounds import CORRECTION
from ..core.errors import Cancelled, InvalidParameter, UnknownRun, UnknownUndo
from ..core.progress import WRITING, Report
from ..core.sentences import agree, count
from ..core.user import current_user
from ..dataset import removed
from ..dataset.alone import alone
from ..dataset.changes import Change, begin, past_changes, undone_once, unique_moment
from ..dataset.checked_writes import write_checked
from ..dataset.documents import now
from ..dataset.expressions import Expression, tags
from ..dataset.holds import check_held
from ..dataset.label_fields import label_field
from ..dataset.schema import check_fields
from ..dataset.states import APPROVED_TAG, REVIEWED_TAG
from ..dataset.storage import LabelRoot, Storage, locate
from ..review.answers import declare_answers, entry_of, take_back_entries, write_entries
from ..review.boxes import checked_box
from ..review.known import read_documents
from ..review.verdicts import RIGHT
from .merging import (
    LIST,
    POLICIES,
    Addition,
    Brought,
    Conflict,
    Correction,
    Options,
    Plan,
    Removal,
    merge,
)
from .records import Handover, SentLabel, State, read_handover, read_labels
from .tools import Returned, download, title

# thousands of labels may take as long
_PATIENCE_SECONDS = 60.0
# so many labels are written at a time; of those that are removed, an update asks for each
_BATCH, _REMOVED_AT_ONCE = 5_000, 500
_T = TypeVar("_T")


@dataclass(frozen=True)
class BroughtBack:
    """What came back.

    Attributes:
        handover: what had been sent
        confirmed, corrected, added, removed: how many labels were found right, got another class or
            box, were drawn there, and went
        conflicts: labels that both sides changed, which stay as they are
        stay: why other labels stay as they are, and how many
        token: what undoes it, None where nothing was written
    """

    handover: Handover
    confirmed: int
    corrected: int
    added: int
    removed: int
    conflicts: tuple[Conflict, ...]
    stay: dict[str, int]
    token: str | None

    def summary(self) -> str:
        """Says it in a few sentences."""
        counts = {
            "corrected": self.corrected, "found right": self.confirmed, "added": self.added,
            "removed": self.removed,
        }  # fmt: skip
        done = [f"{number:,} {what}" for what, number in counts.items() if number]
        of = f"'{self.handover.anno_key}' from {title(self.handover.backend)}"
        said = f"{of}: {', '.join(done) or 'nothing new'}."
        if self.conflicts:
            were = agree(len(self.conflicts), "was", "were")
            said += (
                f" {count(len(self.conflicts), 'label')} {were} changed on both sides since: they "
                "stay as they are here."
            )
        rest = [f"{number:,} {why}" for why, number in self.stay.items() if number]
        return f"{said} Not changed: {', '.join(rest)}." if rest else said


def bring_back(
    dataset: fo.Dataset,
    anno_key: str,
    *,
    remove: bool = False,
    conflicts: str = LIST,
    finished: bool = False,
    by: str | None = None,
    progress: Report | None = None,
    cancelled: Event | None = None,
) -> BroughtBack:
    """Merges what was corrected in an annotation tool into the field that it was sent from.

    Classes and boxes that were changed there are taken, what was drawn there is added, and what
    came back is no longer tagged ``needs-review`` but ``reviewed``, with who and when. What both
    sides changed since it was sent is not overwritten. It may be brought back as often as there is
    something new.

    Args:
        dataset: the dataset
        anno_key: names what was sent
        remove: whether labels that were deleted there are removed; they can come back until
            *Finish*
        conflicts: of labels that both sides changed, ``list`` them and do nothing, keep ``ours``,
            or take ``theirs``
        finished: whether everything that was sent was looked at, so that what is as it was sent is
            right; Label Studio says itself what was submitted
        by: who brings it back; by default the user of this process
        progress: called with a fraction and a line
        cancelled: once set, nothing is written

    Raises:
        InvalidParameter: if an argument cannot be used, the field is read-only, or somebody else
            brings this back for longer than a minute
        UnknownRun: if nothing was sent under this key, or FiftyOne's annotation run is gone
        ToolUnavailable: if the tool does not answer
        FieldGone: if the field is not there any more
        Cancelled: if it was
    """
    if conflicts not in POLICIES:
        raise InvalidParameter(
            f"Conflicts are settled by {', '.join(POLICIES)}, not '{conflicts}'."
        )
    dataset.reload()
    handover = read_handover(dataset, anno_key)
    check_fields(dataset, [handover.field])
    if progress is not None:
        progress(0.0, f"Asking {title(handover.backend)}")
    returned = _download(dataset, handover)
    if cancelled is not None and cancelled.is_set():
        raise Cancelled("Canceled: nothing was written.")
    if progress is not None:
        progress(0.7, WRITING)
    options = Options(conflicts, remove, finished, handover.at)
    return write_back(dataset, handover, returned, options, by)


def write_back(
    dataset: fo.Dataset,
    handover: Handover,
    returned: Returned,
    options: Options,
    by: str | None = None,
) -> BroughtBack:
    """Merges what a tool has into the field that it was sent from; see :func:`bring_back`.

    Raises:
        InvalidParameter: if what was sent under this key is being brought back, or that is undone,
            for longer than a minute
    """
    with _alone(dataset, handover.anno_key):
        return _write_back(dataset, handover, returned, options, by or current_user())


def _alone(dataset: fo.Dataset, anno_key: str) -> AbstractContextManager[None]:
    """Lets one at a time bring back what was sent under a key, or undo that: each is to see what
    the others brought."""
    refusal = f"'{anno_key}' is being brought back, or that is undone: try again once it has ended."
    return alone(dataset, f"bring back {anno_key}", refusal, _PATIENCE_SECONDS)


def _write_back(
    dataset: fo.Dataset, handover: Handover, returned: Returned, options: Options, by: str
) -> BroughtBack:
    storage, field = locate(dataset, handover.field), handover.field
    path = storage.label_root(field)
    sent = read_labels(dataset, handover)
    here = _read(storage, path[0], list(dict.fromkeys(one.sample_id for one in sent)))
    brought = list(_brought(dataset, handover, sent, here))
    plan = merge(sent, returned, here, brought, options)
    token, counts = None, (0, 0, 0, 0)
    if plan.corrections or plan.additions or plan.removals:
        declare_answers(storage, path[0])
        if plan.removals:
            removed.prepare(dataset, field)
        with begin(
            dataset, CORRECTION, _begun(handover), by, expires=not plan.removals,
            field=field, run=None, moment=unique_moment(dataset), replaces=bool(plan.removals),
            anno_key=handover.anno_key, sent_at=handover.at,
        ) as change:  # fmt: skip
            counts = _write(change, storage, path, plan, here)
            token = change.token if any(counts) else None
            done = BroughtBack(handover, *counts, tuple(plan.conflicts), dict(plan.stay), token)
            if token is None:
                change.drop()
            else:
                change.say(done.summary())
            return done
    return BroughtBack(handover, *counts, tuple(plan.conflicts), dict(plan.stay), token)


@undone_once
def undo_correction(change: Change) -> str:
    """Makes labels what they were before corrections were brought back: what was drawn goes, what
    was removed comes back. What was changed or approved since stays.

    Returns:
        a sentence about it

    Raises:
        UnknownUndo: if it is a change of another kind
        FieldGone: if the field, or the one of what was removed, is not there any more
        InvalidParameter: if what was sent under its key is being brought back for longer than a
            minute
    """
    if change.kind != CORRECTION:
        raise UnknownUndo("This did not come back from correction: undo it where it was made.")
    with _alone(change.dataset, change.what["anno_key"]):
        return _undo(change)


def _undo(change: Change) -> str:
    dataset, field = change.dataset, change.what["field"]
    dataset.reload()
    check_fields(dataset, [field])
    storage = locate(dataset, field)
    path = storage.label_root(field)
    back = gone = stay = 0
    for entries in change.entries():
        done = back + gone
        check_held(f"{count(done, 'label')} had been changed back before" if done else "")
        edits, drawn = _edits(entries), _drawn(entries)
        taken, differing = take_back_entries(storage, field, path, edits)
        back, stay = back + taken, stay + differing
        gone += _take_away(storage, field, path, drawn)
        stay += len(read_documents(storage, path, _pairs(drawn)))
    came = 0
    if change.what["replaces"]:
        came = return_removed(Candidates(dataset, field), change.what["moment"])
    change.close()
    removed.drop_empty(dataset, field)
    parts = [
        f"{count(back, 'correction')} undone", *([f"{count(gone, 'added label')} gone"] if gone
        else []), *([f"{count(came, 'removed label')} came back"] if came else []),
    ]  # fmt: skip
    rest = f" {count(stay, 'label')} changed since stay as they are." if stay else ""
    return f"{', '.join(parts)}.{rest}"


def _begun(handover: Handover) -> str:
    """What is said of a change until it has ended."""
    return f"Corrections of '{handover.anno_key}' brought back."


def _download(dataset: fo.Dataset, handover: Handover) -> Returned:
    if not handover.runs:
        raise UnknownRun(
            f"'{handover.anno_key}' is being sent, or was not sent to its end: wait, or send it "
            "again under another key."
        )
    labels: dict[str, dict[str, fo.Detection]] = {}
    said: dict[str, Any] | None = None
    for run in handover.runs:
        one = download(dataset, run, handover.field)
        labels |= one.labels
        if one.said is not None:
            said = {**(said or {}), **one.said}
    return Returned(labels, said)


def _brought(
    dataset: fo.Dataset,
    handover: Handover,
    sent: list[SentLabel],
    here: dict[str, dict[str, Any]],
) -> Iterator[Brought]:
    """Yields what came back before and was not undone, the latest last."""
    boxes = {(one.sample_id, one.label_id): one.was.box for one in sent}
    for change in reversed(past_changes(dataset, (CORRECTION,))):
        if change.closed or change.what["anno_key"] != handover.anno_key:
            continue
        # what was sent under the same key before was sent as something else
        if change.what["sent_at"] != handover.at:
            continue
        for one in chain.from_iterable(change.entries()):
            pair = str(one["sample"]), str(one["label"])
            # of a change that did not end, not all that was written down was written
            if change.sentence == _begun(handover) and not _is_written(one, here):
                continue
            there = one["there"] and State(one["there"][0], tuple(one["there"][1:]))
            if "after" not in one:
                yield Brought(*pair, there, there, added=True, instead_of=one["instead_of"])
                continue
            # of what was not moved, no box was written down
            box = one["after"].get("bounding_box") or boxes.get(pair) or (there and there.box)
            boxes[pair] = tuple(box)
            yield Brought(*pair, State(one["after"]["label"], boxes[pair]), there)


def _is_written(entry: dict[str, Any], here: dict[str, dict[str, Any]]) -> bool:
    label = here.get(str(entry["sample"]), {}).get(str(entry["label"]))
    at = entry.get("after", {}).get("reviewed_at")
    return label is not None and (at is None or label.get("reviewed_at") == at)


def _read(storage: Storage, root: str, samples: list[str]) -> dict[str, dict[str, Any]]:
    """Reads all labels of some samples as the database has them now; samples that are gone are left
    out."""
    found: dict[str, dict[str, Any]] = {}
    path = root.split(".")
    for start in range(0, len(samples), _BATCH):
        ids = [ObjectId(sample) for sample in samples[start : start + _BATCH]]
        for document in storage.documents.find({"_id": {"$in": ids}}, {root: 1}):
            labels: Any = document
            for name in path:
                labels = (labels or {}).get(name)
            found[str(document["_id"])] = {str(label["_id"]): label for label in labels or ()}
    return found


def _write(
    change: Change,
    storage: Storage,
    path: LabelRoot,
    plan: Plan,
    here: dict[str, dict[str, Any]],
) -> tuple[int, int, int, int]:
    """Writes a plan, each batch of which is written down before."""
    confirmed = corrected = added = 0
    field = change.what["field"]
    for batch in _batches(plan.corrections, _BATCH):
        check_held(_had_been_written(confirmed + corrected))
        entries = [_correction(one, here, change) for one in batch]
        change.add_entries(entries)
        right = [one for one in entries if one["after"]["review"] == RIGHT]
        confirmed += write_entries(storage, field, path, right)
        wrong = [one for one in entries if one["after"]["review"] != RIGHT]
        corrected += write_entries(storage, field, path, wrong)
    for drawn in _batches(plan.additions, _BATCH):
        entries = [_addition(one, change) for one in drawn]
        change.add_entries([{**one, "document": None} for one in entries])  # it is in the field
        done = _had_been_written(confirmed + corrected + added)
        added += _add(storage, field, path, entries, done)
    done = _had_been_written(confirmed + corrected + added)
    for gone in _batches(plan.removals, _REMOVED_AT_ONCE):
        _remove(Candidates(change.dataset, field), gone, change.what["moment"], done)
    number = removed.count_at(change.dataset, field, change.what["moment"]) if plan.removals else 0
    return confirmed, corrected, added, number


def _had_been_written(number: int) -> str:
    return f"{count(number, 'correction')} had been written before" if number else ""


def _correction(one: Correction, here: dict[str, dict[str, Any]], change: Change) -> dict[str, Any]:
    """What is written down of a correction: an answer, and what the label is in the tool."""
    answer = one.answer
    label = here[answer.sample_id][answer.label_id]
    by, at = _who(one.said, change)
    there = None if one.there is None else [one.there.label, *one.there.box]
    return {**entry_of(answer, label, by, at), "there": there}


def _addition(one: Addition, change: Change) -> dict[str, Any]:
    """What is written down of an object that was drawn, and the label that it becomes."""
    by, at = _who(one.said, change)
    box = checked_box(one.state.box)
    label = fo.Detection(
        label=one.state.label, bounding_box=box, tags=[REVIEWED_TAG], review=RIGHT, reviewed_by=by,
        reviewed_at=at,
    )  # fmt: skip
    return {
        "sample": ObjectId(one.sample_id),
        "label": ObjectId(label.id),
        "there": [one.state.label, *one.state.box],
        "written": [one.state.label, *box],
        "instead_of": one.instead_of,
        "document": label.to_dict(),
    }


def _who(said: Any, change: Change) -> tuple[str, datetime]:
    by = said.by if said is not None and said.by else change.by
    at = said.at if said is not None else change.what["moment"]
    return by, at.replace(microsecond=0)


def _add(
    storage: Storage, field: str, path: LabelRoot, entries: list[dict[str, Any]], done: str
) -> int:
    """Adds labels to their samples; ``done`` says what was written before."""
    of_sample: dict[ObjectId, list[Any]] = {}
    for entry in entries:
        of_sample.setdefault(entry["sample"], []).append(entry["document"])
    of = label_field(storage, field)

    def write(there: dict[str, Any]) -> None:
        updates = []
        for sample, documents in of_sample.items():
            labels = {"$concatArrays": [of.labels(), {"$literal": documents}]}
            update = [{"$set": {field: of.with_labels(labels), "last_modified_at": now()}}]
            updates.append(UpdateOne({"_id": sample, **there}, update))
        storage.documents.bulk_write(updates, ordered=False)

    write_checked(storage, [field], {"_id": {"$in": list(of_sample)}}, write, before=done)
    storage.refresh([str(sample) for sample in of_sample])
    return len(read_documents(storage, path, _pairs(entries)))


def _take_away(storage: Storage, field: str, path: LabelRoot, entries: list[dict[str, Any]]) -> int:
    """Takes drawn labels away again, but those that were changed or approved since."""
    if not entries:
        return 0
    (root, _), pairs = path, _pairs(entries)
    there = read_documents(storage, path, pairs)
    goes: dict[ObjectId, list[ObjectId]] = {}
    for one, pair in zip(entries, pairs, strict=True):
        label = there.get(pair)
        if label is None or APPROVED_TAG in (label.get("tags") or ()):
            continue
        if [label.get("label"), *(label.get("bounding_box") or ())] == one["written"]:
            goes.setdefault(one["sample"], []).append(one["label"])
    updates = [
        UpdateOne(
            {"_id": sample},
            {
                "$pull": {root: {"_id": {"$in": labels}, "tags": {"$ne": APPROVED_TAG}}},
                "$set": {"last_modified_at": now()},
            },
        )
        for sample, labels in goes.items()
    ]
    if updates:
        storage.documents.bulk_write(updates, ordered=False)
        storage.refresh([str(sample) for sample in goes])
        _drop_patches(storage, field, goes)
    return sum(map(len, goes.values()))


def _drop_patches(storage: Storage, field: str, goes: dict[ObjectId, list[ObjectId]]) -> None:
    """Takes labels out of the patches that open views hold."""
    labels = list(chain.from_iterable(goes.values()))
    for patches in storage.patches(field, list(goes)):
        root, is_list = patches.dataset._get_label_field_root(field)
        of_samples = {patches.key: {"$in": list(goes)}}
        if is_list:
            pull = {"$pull": {root: {"_id": {"$in": labels}}}}
            patches.documents.update_many(of_samples, pull)
        else:
            patches.documents.delete_many({**of_samples, f"{root}._id": {"$in": labels}})


def _remove(candidates: Candidates, gone: list[Removal], moment: datetime, done: str) -> None:
    """Moves labels to where removed ones lie, but those that were changed or approved since;
    ``done`` says what was written before."""
    ours = [
        {"$and": [
            {"$eq": ["$$l._id", ObjectId(one.label_id)]},
            {"$eq": ["$$l.label", {"$literal": one.here.label}]},
            {"$eq": ["$$l.bounding_box", list(one.here.box)]},
        ]}
        for one in gone
    ]  # fmt: skip
    approved = {"$in": [APPROVED_TAG, tags()]}
    leaves: Expression = {"$and": [{"$or": ours}, {"$not": [approved]}]}
    update = removed.move(candidates.of, leaves, moment)
    which = {"_id": {"$in": list({ObjectId(one.sample_id) for one in gone})}}
    update_labels(candidates, which, update, leaves, None, removing=candidates.field, before=done)


def _pairs(entries: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(str(one["sample"]), str(one["label"])) for one in entries]


def _edits(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one for one in entries if "after" in one]


def _drawn(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one for one in entries if "after" not in one]


def _batches(items: Iterable[_T], size: int) -> Iterator[list[_T]]:
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch
