"""What a reviewer can say of a label, the attributes that keep it, and the sentences that tell what
came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import fiftyone as fo

from ..core.sentences import agree, count
from ..dataset.schema import Attribute
from .boxes import checked_box

RIGHT, WRONG_CLASS, BADLY_PLACED = "right", "wrong class", "badly placed"
# TIDE's background, and its duplicates: there is an object, and another label shows it
NOT_AN_OBJECT, NOT_NEEDED, SKIPPED = "not an object", "not needed", "skipped"
VERDICTS = (RIGHT, WRONG_CLASS, BADLY_PLACED, NOT_AN_OBJECT, NOT_NEEDED, SKIPPED)
# what a reviewer put right, what goes, and all that was found to be wrong
CORRECTED = (WRONG_CLASS, BADLY_PLACED)
REJECTING = (NOT_AN_OBJECT, NOT_NEEDED)
FOUND_WRONG = (*CORRECTED, *REJECTING)

REVIEW_ATTRIBUTES = {
    "review": Attribute(fo.StringField, f"A reviewer's answer: {', '.join(VERDICTS)}"),
    "reviewed_by": Attribute(fo.StringField, "Who answered"),
    "reviewed_at": Attribute(fo.DateTimeField, "When"),
    "label_before": Attribute(fo.StringField, "The class before the reviewer changed it"),
    "box_before": Attribute(
        fo.ListField, "The box before the reviewer changed it", items=fo.FloatField
    ),
}


@dataclass(frozen=True)
class Answer:
    """What a reviewer says of one label.

    Attributes:
        sample_id, label_id: the label
        seen: the class that the reviewer saw
        verdict: one of ``VERDICTS``
        label: the class that it should be, for a wrong one
        box: where it should be, for a badly placed one, or one of a wrong class that is badly
            placed, too: ``[x, y, width, height]`` relative to the image; what lies outside it is
            cut off
        seen_box: the box that the reviewer saw; None where that does not matter
    """

    sample_id: str
    label_id: str
    seen: str | None
    verdict: str
    label: str | None = None
    box: Sequence[float] | None = None
    seen_box: Sequence[float] | None = None


def describe(answers: list[Answer], refused: int, whole: bool) -> str:
    """Returns the sentence on answers that were given.

    Args:
        answers: the answers
        refused: how many of them could not be written
        whole: whether the labels are of whole images
    """
    if refused == len(answers):
        return (
            "It was changed, approved or deleted since you saw it: nothing was written."
            if refused == 1
            else "All of them were changed, approved or deleted since you saw them: nothing was "
            "written."
        )
    if len(answers) > 1:
        said = describe_many(answers, len(answers) - refused, whole)
        if not refused:
            return said
        were = agree(refused, "was", "were")
        left = agree(refused, "it was left as it is", "they were left as they are")
        return f"{said} {refused:,} {were} changed, approved or deleted since: {left}."
    (answer,) = answers
    moved = f", with a new box{_cut_off(answer)}" if answer.box is not None else ""
    return {
        RIGHT: f"'{answer.seen}' is right.",
        WRONG_CLASS: f"'{answer.seen}' is now '{answer.label}'{moved}.",
        BADLY_PLACED: f"'{answer.seen}' has a new box{_cut_off(answer)}.",
        NOT_AN_OBJECT: f"'{answer.seen}' is rejected: {_nothing(whole)}.",
        NOT_NEEDED: f"'{answer.seen}' is rejected: not needed, as another label shows the object.",
        SKIPPED: "Skipped.",
    }[answer.verdict]


def _nothing(whole: bool) -> str:
    """What is not there: a class that is said of a whole image is no object."""
    return "not in the image" if whole else NOT_AN_OBJECT


def describe_many(answers: list[Answer], given: int, whole: bool) -> str:
    """Returns the sentence on several answers, of which some were written."""
    alike = {(answer.verdict, answer.label) for answer in answers}
    rejected = all(verdict in REJECTING for verdict, _ in alike)
    verdict, label = alike.pop()
    labels = f"{count(given, 'label')} {agree(given, 'is', 'are')}"
    if not alike and verdict == WRONG_CLASS:
        return f"{labels} now '{label}'."
    if rejected:
        why = _nothing(whole) if verdict == NOT_AN_OBJECT else verdict
        return f"{labels} rejected{'' if alike else f': {why}'}."
    return f"{count(given, 'answer')} saved."


def _cut_off(answer: Answer) -> str:
    cut = answer.box is not None and checked_box(answer.box) != list(answer.box)
    return ", cut at the border of the image" if cut else ""


def describe_moved(label: dict[str, Any]) -> str:
    """Says that a label was moved since its reviewer saw it."""
    who = label.get("reviewed_by")
    return (
        f"Its box was changed after you saw it{f', by {who}' if who else ''}: nothing was written. "
        "Correct it the next time it comes up, or undo that change."
    )
