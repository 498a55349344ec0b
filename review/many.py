"""One answer for many labels: all that are of a class, all that are lassoed, a cluster.

What would be done is counted first, so that a person is asked once, with the numbers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import fiftyone as fo

from ..core.errors import InvalidParameter
from ..core.sentences import agree, count
from ..dataset.documents import LabelIds, hex_ids
from ..dataset.states import APPROVED_TAG
from ..dataset.storage import locate
from ..issues.attributes import DUPLICATE, ISSUE, MISLABELED, MISPLACED, SUGGESTED, SUGGESTED_BOX
from .answers import Answered, give_answers
from .boxes import can_move
from .known import read_documents
from .verdicts import BADLY_PLACED, NOT_AN_OBJECT, NOT_NEEDED, WRONG_CLASS, Answer

RELABEL, REJECT, SUGGESTION = "relabel", "reject", "suggestion"
WAYS = (RELABEL, REJECT, SUGGESTION)

# so many labels are read at a time
_BATCH = 5_000

# why a label stays as it is
_APPROVED, _SAME, _NONE = "approved", "same", "none"


@dataclass(frozen=True)
class Plan:
    """What one answer for many labels would do.

    Attributes:
        answers: one for each label that it would change
        sentence: the question to the person, or why nothing would change
    """

    answers: list[Answer]
    sentence: str


def plan_answers(
    dataset: fo.Dataset, field: str, labels: LabelIds, way: str, label: str | None = None
) -> Plan:
    """Finds out what one answer for many labels would change, as they are now.

    Args:
        dataset: the dataset
        field: the field of the labels
        labels: the labels
        way: one of ``WAYS``: give them all a class, say that they are no objects, or not needed
            where they are duplicates, or give each what its issue suggests, a class or a box
        label: the class, for ``RELABEL``

    Raises:
        InvalidParameter: if there is no such way, or no class where one is needed
        UnknownField: if the field does not exist
    """
    if way not in WAYS:
        raise InvalidParameter(f"There is no answer '{way}': choose one of {', '.join(WAYS)}.")
    if way == RELABEL and label is None:
        raise InvalidParameter("Enter the class that they should be.")
    storage = locate(dataset, field)
    path = storage.label_root(storage.local(field))
    sample_ids, ids = labels
    answers: list[Answer] = []
    stay: Counter[str] = Counter()
    for start in range(0, len(ids), _BATCH):
        rows = slice(start, start + _BATCH)
        pairs = list(zip(hex_ids(sample_ids[rows]), hex_ids(ids[rows]), strict=True))
        documents = read_documents(storage, path, pairs)
        for pair in pairs:
            document = documents.get(pair)
            if document is None:
                continue  # deleted since
            answer = _ANSWER[way](*pair, document, label)
            if APPROVED_TAG in (document.get("tags") or []):
                stay[_APPROVED] += 1
            elif isinstance(answer, Answer):
                answers.append(answer)
            else:
                stay[answer] += 1
    return Plan(answers, _question(way, label, answers, stay))


def answer_many(
    dataset: fo.Dataset,
    field: str,
    labels: LabelIds,
    way: str,
    label: str | None = None,
    *,
    user: str,
) -> Answered:
    """Gives one answer for many labels, as one change; see :func:`plan_answers`.

    Args:
        user: who gives it
    """
    plan = plan_answers(dataset, field, labels, way, label)
    if not plan.answers:
        return Answered(0, 0, None, plan.sentence)
    return give_answers(dataset, field, plan.answers, user)


def _relabel(
    sample_id: str, label_id: str, document: dict[str, Any], label: str | None
) -> Answer | str:
    seen = document.get("label")
    return _SAME if seen == label else Answer(sample_id, label_id, seen, WRONG_CLASS, label)


def _reject(sample_id: str, label_id: str, document: dict[str, Any], _: str | None) -> Answer:
    verdict = NOT_NEEDED if document.get(ISSUE) == DUPLICATE else NOT_AN_OBJECT
    return Answer(sample_id, label_id, document.get("label"), verdict)


def _suggestion(
    sample_id: str, label_id: str, document: dict[str, Any], _: str | None
) -> Answer | str:
    """What the label's issue suggests: another class, or another box."""
    seen, issue = document.get("label"), document.get(ISSUE)
    label, box = document.get(SUGGESTED), document.get(SUGGESTED_BOX)
    if issue == MISLABELED and label is not None and label != seen:
        return Answer(sample_id, label_id, seen, WRONG_CLASS, label)
    now = document.get("bounding_box")
    if issue == MISPLACED and box is not None and box != now and can_move(document):
        return Answer(sample_id, label_id, seen, BADLY_PLACED, box=box, seen_box=now)
    return _NONE


_ANSWER: dict[str, Callable[[str, str, dict[str, Any], str | None], Answer | str]] = {
    RELABEL: _relabel,
    REJECT: _reject,
    SUGGESTION: _suggestion,
}


def _question(way: str, label: str | None, answers: list[Answer], stay: Counter[str]) -> str:
    reasons = {
        _SAME: f"'{label}' already",
        _APPROVED: "approved",
        _NONE: "without a suggestion",
    }
    rest = [
        f"{stay[why]:,} {agree(stay[why], 'is', 'are')} {words}"
        for why, words in reasons.items()
        if stay[why]
    ]
    it_stays = agree(stay.total(), "it stays", "they stay")
    others = f" {' and '.join(rest)}: {it_stays}." if rest else ""
    if not answers:
        return f"Nothing would change.{others}"
    what = count(len(answers), "label")
    objects = agree(len(answers), "an object", "objects")
    verdicts = Counter(answer.verdict for answer in answers)
    why = "" if verdicts[NOT_NEEDED] else f" as not {objects}"
    question = {
        RELABEL: f"Make {what} '{label}'?",
        REJECT: f"Reject {what}{why}?",
        SUGGESTION: (
            f"Take the suggestion for {what}? {verdicts[WRONG_CLASS]:,} would get another class, "
            f"{verdicts[BADLY_PLACED]:,} another box."
        ),
    }[way]
    return f"{question}{others}"
