"""Labels of an audit that are asked a second time, and the second answers.

Which labels those are was drawn when the audit began. They are asked of another reviewer than the
first; while there is no other, of the same one, after enough other labels. A second answer is kept
with the audit and not written into the label, which is shown as it was at first: it tells how far
answers can be trusted, and is no further draw of the sample.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import fiftyone as fo
import numpy as np
from numpy.typing import NDArray

from ..core.errors import InvalidParameter
from ..dataset.changes import Change, begin, undone_once
from ..dataset.documents import hex_ids
from ..dataset.holds import check_held
from ..review.answers import Answered
from ..review.verdicts import FOUND_WRONG, SKIPPED, VERDICTS, Answer
from .audits import Audit, keep_answers, kept_answers
from .reading import Given, Reading

SECOND = "second answer"
_LATER = 30


@dataclass(frozen=True)
class Pair:
    """Two answers on a label.

    Attributes:
        row: of the audit
        first, second: who answered; None where the label was deleted before the second answer
        was_wrong, is_wrong: what they said; None where the second one did not, or skipped it
    """

    row: int
    first: str
    second: str | None
    was_wrong: bool
    is_wrong: bool | None


def pairs_of(reading: Reading) -> list[Pair]:
    """Returns the labels that have two answers, in the order in which they were drawn. A second
    answer counts as long as the first one stands."""
    return [
        Pair(one.row, str(one.by), second["by"], one.wrong, second["wrong"])
        for one in reading.given
        if one.wrong is not None and (second := _second(reading, one)) is not None
    ]


def drawn_pairs(audit: Audit, reading: Reading) -> list[Pair]:
    """Returns the labels that were drawn to be answered twice, up to the first that waits for its
    second answer: of these none but chance chose which there are. A label that was deleted first
    is among them, as those that are rejected are deleted."""
    pairs = []
    for one, twice in zip(reading.given, audit.twice, strict=False):
        if not twice or one.wrong is None:
            continue
        second = _second(reading, one)
        if second is None and one.there:
            break
        by, wrong = (None, None) if second is None else (second["by"], second["wrong"])
        pairs.append(Pair(one.row, str(one.by), by, one.wrong, wrong))
    return pairs


def asked_again(audit: Audit, reading: Reading, user: str) -> NDArray[np.int32]:
    """Returns the rows of the labels that wait for a second answer of this reviewer."""
    twice = audit.twice[: len(reading.given)].astype(bool)
    alone = reading.reviewers.keys() <= {user}
    rows = [
        one.row
        for place, one in enumerate(reading.given)
        if twice[place]
        and one.there
        and one.wrong is not None
        and _second(reading, one) is None
        and (one.by != user or (alone and len(reading.given) - place > _LATER))
    ]
    return np.array(rows, dtype=np.int32)


def give_second_answers(
    dataset: fo.Dataset, audit: Audit | None, answers: list[Answer], user: str
) -> Answered:
    """Keeps second answers of a reviewer.

    Args:
        dataset: the dataset
        audit: that asked for them
        answers: of which the verdict counts: no label is changed
        user: who gives them

    Raises:
        InvalidParameter: if an answer is none
    """
    if any(answer.verdict not in VERDICTS for answer in answers):
        raise InvalidParameter(f"An answer is one of: {', '.join(VERDICTS)}.")
    first = {} if audit is None else _waiting(dataset, audit, user)
    kept: dict[int, dict[str, Any] | None] = {}
    for answer in answers:
        if (one := first.get((answer.sample_id, answer.label_id))) is not None:
            wrong = None if answer.verdict == SKIPPED else answer.verdict in FOUND_WRONG
            kept[one.row] = {"first_at": one.at, "by": user, "wrong": wrong}
    refused = len(answers) - len(kept)
    if audit is None or not kept:
        return Answered(0, refused, None, "This label is not asked a second time any more.")
    sentence = "Second answer saved, to see how far answers agree: the label stays as it is."
    rows = list(kept)
    with begin(dataset, SECOND, sentence, user, audit=audit.id, rows=rows) as change:
        keep_answers(dataset, audit.id, kept, second=True)
    return Answered(len(kept), refused, change.token, sentence)


@undone_once
def take_back_second_answers(change: Change) -> str:
    """Takes second answers back, but those that another reviewer's followed, and says so.

    Raises:
        UnknownUndo: if they were taken back before
    """
    audit = change.what["audit"]
    _, seconds = kept_answers(change.dataset, audit)
    rows = [row for row in change.what["rows"] if seconds.get(row, {}).get("by") == change.by]
    check_held()
    keep_answers(change.dataset, audit, dict.fromkeys(rows), second=True)
    change.close()
    return "The second answer was undone."


def _second(reading: Reading, one: Given) -> dict[str, Any] | None:
    second = reading.seconds.get(one.row)
    return second if second is not None and second["first_at"] == one.at else None


def _waiting(dataset: fo.Dataset, audit: Audit, user: str) -> dict[tuple[str, str], Given]:
    reading = Reading(dataset, audit, 0)
    rows = set(asked_again(audit, reading, user).tolist())
    found = [one for one in reading.given if one.row in rows]
    samples, ids = (
        hex_ids(all_ids[[one.row for one in found]]) for all_ids in (audit.sample_ids, audit.ids)
    )
    return dict(zip(zip(samples, ids, strict=True), found, strict=True))
