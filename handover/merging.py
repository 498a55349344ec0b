"""What came back from an annotation tool, merged with what was done here meanwhile.

A label has three sides: what it was when it was sent, what it is here now, and what it is there.
What one side alone changed is taken; where both did, and differ, it is a conflict. Nothing is read
or written here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from ..core.errors import InvalidParameter
from ..dataset.states import APPROVED_TAG, REJECTED_TAG
from ..review.boxes import can_move, checked_box
from ..review.verdicts import BADLY_PLACED, RIGHT, WRONG_CLASS, Answer
from .records import SentLabel, State
from .tools import Returned, Said

LIST, OURS, THEIRS = "list", "ours", "theirs"
POLICIES = (LIST, OURS, THEIRS)

# a tool counts in pixels or in percent: what differs by less was not moved
_SAME = 5e-4

# a box that was brought back and is drawn otherwise since is the one that it overlaps so
_LEAST_IOU = 0.5

Documents = Mapping[str, Mapping[str, Mapping[str, Any]]]


@dataclass(frozen=True)
class Options:
    """What is done where there is a choice.

    Attributes:
        conflicts: one of ``POLICIES``: leave what both sides changed as it is and list it, keep
            what is here, or take what came back
        remove: whether labels that were deleted there are removed
        finished: whether everything that was sent was looked at, which only matters where the tool
            does not say so itself
        sent_at: when it was sent, in UTC
    """

    conflicts: str
    remove: bool
    finished: bool
    sent_at: datetime


@dataclass(frozen=True)
class Brought:
    """What an earlier time brought back of a label, or an object that it added.

    Attributes:
        sample_id, label_id: the label
        state: what it was here afterwards
        there: what it was in the tool, None where it was deleted there
        added: whether it was drawn in the tool
        instead_of: the id there of one that was added as its label was gone here
    """

    sample_id: str
    label_id: str
    state: State
    there: State | None
    added: bool = False
    instead_of: str | None = None


@dataclass(frozen=True)
class Conflict:
    """A label that both sides changed: what it is in each, None where it was deleted."""

    sample_id: str
    label_id: str
    here: State | None
    there: State | None

    def __str__(self) -> str:
        return f"{self.label_id}: {_words(self.here)} here, {_words(self.there)} there"


@dataclass(frozen=True)
class Correction:
    """What is said of a label that is here.

    Attributes:
        answer: the answer, as one of a review
        there: what it is in the tool, None where it was deleted there
        said: who said it, None for who brings it back
    """

    answer: Answer
    there: State | None
    said: Said | None


@dataclass(frozen=True)
class Addition:
    """An object that was drawn in the tool, or is taken from there ``instead_of`` a label that is
    gone here."""

    sample_id: str
    state: State
    said: Said | None
    instead_of: str | None = None


@dataclass(frozen=True)
class Removal:
    """A label that was deleted in the tool, and what it is here."""

    sample_id: str
    label_id: str
    here: State


@dataclass
class Plan:
    """What is to be written.

    Attributes:
        corrections: what is said of labels that are here
        additions: objects that were drawn
        removals: labels that go
        conflicts: what both sides changed, and nothing is done about
        stay: why other labels stay as they are, and how many
    """

    corrections: list[Correction] = field(default_factory=list)
    additions: list[Addition] = field(default_factory=list)
    removals: list[Removal] = field(default_factory=list)
    conflicts: list[Conflict] = field(default_factory=list)
    stay: Counter[str] = field(default_factory=Counter)


# why labels stay as they are
WAITING = "not submitted yet"
DELETED = "deleted there"
APPROVED = "approved here"
CHANGED_HERE = "changed here only"
UNUSABLE = "rotated, without a class or without area"
MASKED = "moved there but have a mask"
KEPT = "changed on both sides, ours kept"


def merge(
    sent: list[SentLabel],
    returned: Returned,
    here: Documents,
    brought: list[Brought],
    options: Options,
) -> Plan:
    """Finds out what is to be written of what came back.

    Args:
        sent: what was sent
        returned: what the tool has now
        here: ``{sample id: {label id: label}}``, all labels of the samples as the database has them
        brought: what came back before, and was not undone; the latest last
        options: what is done where there is a choice
    """
    plan = Plan()
    before = {(one.sample_id, one.label_id): one for one in brought}
    drawn: dict[str, dict[str, Brought]] = {}
    for back in brought:
        if back.added:
            drawn.setdefault(back.sample_id, {})[back.label_id] = back
    of_sample: dict[str, list[SentLabel]] = {}
    for one in sent:
        of_sample.setdefault(one.sample_id, []).append(one)
    for sample_id, labels in of_sample.items():
        if returned.said is not None and sample_id not in returned.said:
            plan.stay[WAITING] += len(labels)
            continue
        said = (returned.said or {}).get(sample_id)
        # what came back of it last, whatever that was
        added = [
            replace(before[sample_id, id_], instead_of=back.instead_of)
            for id_, back in drawn.get(sample_id, {}).items()
        ]
        theirs = _matched(returned.labels.get(sample_id, {}), labels, added)
        own = here.get(sample_id, {})
        merging = _Merging(plan, options, said, returned.said is not None or options.finished)
        again = [SentLabel(sample_id, a.label_id, a.state, a.state, "reviewed") for a in added]
        for one in (*labels, *again):
            earlier = before.get((sample_id, one.label_id))
            merging.merge(one, earlier, theirs.pop(one.label_id, None), own.get(one.label_id))
        if sample_id in here:
            merging.add(sample_id, list(theirs.values()), own)
    return plan


def _matched(
    theirs: Mapping[str, Any], labels: list[SentLabel], added: list[Brought]
) -> dict[str, Any]:
    """Gives what was drawn there the ids that it got here when it came back before: a tool knows
    those of labels alone that were sent."""
    known = {one.label_id for one in labels}
    found = dict(theirs)
    for one in added:
        if one.instead_of is not None:
            if one.instead_of in found:
                found[one.label_id] = found.pop(one.instead_of)
            continue
        last = (one.there or one.state).box
        drawn = {id_: _iou(_state(of).box, last) for id_, of in found.items()
                 if id_ not in known}  # fmt: skip
        best = max(drawn, key=lambda id_: drawn[id_], default=None)
        if best is not None and drawn[best] >= _LEAST_IOU:
            found[one.label_id] = found.pop(best)
            known.add(one.label_id)
    return found


@dataclass
class _Merging:
    """Merges the labels of a sample into a plan.

    Attributes:
        said: who submitted it, where the tool says so
        confirmed: whether somebody looked at all of it
    """

    plan: Plan
    options: Options
    said: Said | None
    confirmed: bool

    def merge(
        self,
        one: SentLabel,
        earlier: Brought | None,
        theirs: Any | None,
        ours: Mapping[str, Any] | None,
    ) -> None:
        """Merges a label.

        Args:
            one: the label as it was sent
            earlier: what came back of it before
            theirs: the label there, None where it was deleted
            ours: the label here, None where it was deleted
        """
        if theirs is not None and not _usable(theirs):
            self.plan.stay[UNUSABLE] += 1
            return
        there = None if theirs is None else _nearest(_state(theirs), one.was)
        if not self.confirmed and theirs is not None and same(_state(theirs), one.sent):
            self.plan.stay[WAITING] += earlier is None
        elif ours is None:
            self._merge_gone_here(one, earlier, there)
        elif there is None:
            self._merge_gone_there(one, earlier, ours)
        else:
            self._merge_both(one, earlier, there, ours)

    def _merge_gone_here(
        self, one: SentLabel, earlier: Brought | None, there: State | None
    ) -> None:
        base = earlier.there if earlier else one.was
        if there is None or (base is not None and same(there, base)):
            return
        if self.options.conflicts == THEIRS:
            addition = Addition(one.sample_id, there, self.said, instead_of=one.label_id)
            self.plan.additions.append(addition)
        else:
            self._settle(one, None, there)

    def _merge_gone_there(
        self, one: SentLabel, earlier: Brought | None, ours: Mapping[str, Any]
    ) -> None:
        if earlier and earlier.there is None:
            return  # ours was kept
        if _is_approved(ours):
            self.plan.stay[APPROVED] += 1
        # one that was rejected here is no object on both sides
        elif (
            self._changed(one, earlier, ours)
            and not _is_rejected(one, ours)
            and self.options.conflicts != THEIRS
        ):
            self._settle(one, ours, None)
        elif self.options.remove:
            here = _state_here(ours)
            self.plan.removals.append(Removal(one.sample_id, one.label_id, here))
        else:
            self.plan.stay[DELETED] += 1

    def _merge_both(
        self, one: SentLabel, earlier: Brought | None, there: State, ours: Mapping[str, Any]
    ) -> None:
        base = earlier.there if earlier else one.was
        is_old = base is not None and same(there, base)
        if same(_state_here(ours), there) and not _is_rejected(one, ours):
            was_brought = earlier is not None and is_old
            if not (_is_approved(ours) or was_brought or self._was_answered(ours)):
                self._confirm(one, ours, there)
        elif _is_approved(ours):
            self.plan.stay[APPROVED] += 1
        elif is_old:
            self.plan.stay[CHANGED_HERE] += 1
        elif self.options.conflicts == THEIRS or not self._changed(one, earlier, ours):
            self._correct(one, ours, there)
        else:
            self._settle(one, ours, there)

    def _changed(self, one: SentLabel, earlier: Brought | None, ours: Mapping[str, Any]) -> bool:
        """Whether a label was changed here since it was sent, or brought back."""
        here, known = _state_here(ours), [one.was, *([earlier.state] if earlier else [])]
        return _is_rejected(one, ours) or not any(same(here, state) for state in known)

    def _settle(self, one: SentLabel, ours: Mapping[str, Any] | None, there: State | None) -> None:
        """Leaves what both sides changed as it is here."""
        if self.options.conflicts == LIST:
            here = None if ours is None else _state_here(ours)
            self.plan.conflicts.append(Conflict(one.sample_id, one.label_id, here, there))
            return
        self.plan.stay[KEPT] += 1
        if ours is not None and not _is_rejected(one, ours):
            self._confirm(one, ours, there)

    def _confirm(self, one: SentLabel, ours: Mapping[str, Any], there: State | None) -> None:
        answer = Answer(one.sample_id, one.label_id, ours.get("label"), RIGHT)
        self.plan.corrections.append(Correction(answer, there, self.said))

    def _correct(self, one: SentLabel, ours: Mapping[str, Any], there: State) -> None:
        here = _state_here(ours)
        moves, relabels = not _same_box(here.box, there.box), here.label != there.label
        if moves and not can_move(ours):
            self.plan.stay[MASKED] += 1
            moves = False
        if moves or relabels:
            answer = Answer(
                one.sample_id, one.label_id, here.label, WRONG_CLASS if relabels else BADLY_PLACED,
                label=there.label if relabels else None,
                box=there.box if moves else None,
                seen_box=here.box,
            )  # fmt: skip
            self.plan.corrections.append(Correction(answer, there, self.said))

    def add(self, sample_id: str, drawn: list[Any], own: Mapping[str, Mapping[str, Any]]) -> None:
        """Adds what was drawn, but what is there already."""
        there = [_state_here(label) for label in own.values() if label.get("bounding_box")]
        for label in drawn:
            if not _usable(label):
                self.plan.stay[UNUSABLE] += 1
            elif not any(same(_state(label), one) for one in there):
                self.plan.additions.append(Addition(sample_id, _state(label), self.said))

    def _was_answered(self, ours: Mapping[str, Any]) -> bool:
        """Whether a label was reviewed here since it was sent."""
        at = ours.get("reviewed_at")
        return at is not None and at >= self.options.sent_at


def same(one: State, other: State) -> bool:
    """Whether two states are the same but for how tools count."""
    return one.label == other.label and _same_box(one.box, other.box)


def _same_box(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return all(abs(a - b) < _SAME for a, b in zip(one, other, strict=True))


def _nearest(there: State, was: State) -> State:
    """What came back, with the very box that was sent where that was not moved."""
    return there._replace(box=was.box) if _same_box(there.box, was.box) else there


def _state(label: Any) -> State:
    """The state of a label of FiftyOne."""
    return State(label.label, tuple(label.bounding_box))


def _state_here(label: Mapping[str, Any]) -> State:
    """The state of a label as the database has it."""
    return State(label.get("label"), tuple(label.get("bounding_box") or ()))


def _is_approved(label: Mapping[str, Any]) -> bool:
    return APPROVED_TAG in (label.get("tags") or ())


def _is_rejected(one: SentLabel, label: Mapping[str, Any]) -> bool:
    """Whether a label was rejected here since it was sent."""
    return REJECTED_TAG in (label.get("tags") or ()) and one.state != "rejected"


def _usable(label: Any) -> bool:
    """Whether a label that came back can be one here."""
    if label.label is None or getattr(label, "rotation", None):
        return False
    try:
        checked_box(label.bounding_box)
    except InvalidParameter:
        return False
    return True


def _iou(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    shared = 1.0
    for axis in (0, 1):
        end = min(one[axis] + one[axis + 2], other[axis] + other[axis + 2])
        shared *= max(0.0, end - max(one[axis], other[axis]))
    return shared / (one[2] * one[3] + other[2] * other[3] - shared)


def _words(state: State | None) -> str:
    if state is None:
        return "deleted"
    return f"'{state.label}' at {', '.join(f'{side:.3f}' for side in state.box)}"
