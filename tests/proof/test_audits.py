"""An audit of a field in the database: the random order, answers, and what happens meanwhile."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import numpy as np
import pytest
from labelvet.core.errors import InvalidParameter, UnknownRun
from labelvet.dataset import documents
from labelvet.dataset.documents import hex_ids
from labelvet.proof.audits import begin_audit, current_audit
from labelvet.proof.bounds import Draws, Population
from labelvet.proof.results import percent, read_result
from labelvet.review.answers import give_answers
from labelvet.review.merging import merge_classes
from labelvet.review.queue import next_issues
from labelvet.review.verdicts import Answer
from taking_back import take_back

FIELD = "labels"


def questions(dataset, audit, count=5):
    rows = read_result(dataset, audit, ahead=count).open
    samples, ids = hex_ids(audit.sample_ids[rows]), hex_ids(audit.ids[rows])
    return list(zip(samples, ids, [audit.class_of(row) for row in rows], strict=True))


def give(dataset, asked, verdict, user="ada", label=None):
    sample_id, id_, seen = asked
    return give_answers(dataset, FIELD, [Answer(sample_id, id_, seen, verdict, label)], user)


def test_an_audit_needs_label_issues(flipped_labels):
    dataset, _ = flipped_labels
    with pytest.raises(UnknownRun, match="Find label issues first"):
        begin_audit(dataset, "map")


@pytest.mark.slow
def test_answers_on_a_random_sample_say_how_many_are_wrong(judged):
    dataset, flipped = judged
    audit = begin_audit(dataset, "map", by="ada", seed=1)
    first = read_result(dataset, audit, ahead=5)
    assert (first.labels, first.answers, len(first.open)) == (120, 0, 5)
    assert (first.bounds.low, first.bounds.high) == (0, 120)
    assert "Audit of 120 labels" in first.sentence
    for number in range(40):
        (asked,) = questions(dataset, audit, 1)
        wrong = asked[1] in flipped
        give(dataset, asked, "not an object" if wrong else "right")
        if not number:  # of which no one number is said yet
            said = read_result(dataset, audit).sentence
            assert re.match(r"[\d.]+% to [\d.]+% of 120 labels are wrong \(95%\), after 1 ", said)
    found = read_result(dataset, audit)
    drawn = hex_ids(audit.ids[audit.order[:40]])
    assert (found.answers, found.found) == (40, len(flipped & set(drawn)))
    assert found.bounds.low <= len(flipped) <= found.bounds.high
    assert found.reviewers == {"ada": 40} and found.unknown == 0
    assert "of 120 labels are wrong" in found.sentence and "after 40 answers" in found.sentence
    assert sum(one.answers for one in found.classes) <= 40


@pytest.mark.slow
def test_all_answers_wrong_and_the_intervals_of_classes_hold_all_at_once(judged):
    dataset, _ = judged
    audit = begin_audit(dataset, "map", seed=1)
    for asked in questions(dataset, audit, 100):
        give(dataset, asked, "not an object")
    found = read_result(dataset, audit)
    assert found.bounds.high == 120 and found.sentence.startswith("100.0% of 120 labels are wrong")
    assert len(found.classes) == 4 and found.notes[0] == "By class, all of these at once (95%):"
    rows = audit.order[:100]
    for one in found.classes:
        members = np.flatnonzero(audit.codes == audit.classes.index(one.label))
        place = np.searchsorted(members, rows[np.isin(rows, members)])
        drawn = Draws(Population(audit.guesses[members]), place, np.ones(len(place)))
        assert one.bounds == drawn.bounds(0.05 / 4)


def test_it_goes_on_after_a_restart_and_a_new_one_takes_its_place(judged):
    dataset, _ = judged
    assert current_audit(dataset, "map") is None
    audit = begin_audit(dataset, "map", seed=1)
    again = current_audit(dataset, "map")
    assert again.id == audit.id and np.array_equal(again.order, audit.order)
    assert np.array_equal(again.ids, audit.ids) and again.at == audit.at
    new = begin_audit(dataset, "map", seed=2)
    assert current_audit(dataset, "map").id == new.id


@pytest.mark.slow
def test_answers_of_the_queue_are_no_sample(judged):
    dataset, _ = judged
    audit = begin_audit(dataset, "map", seed=1)
    first = questions(dataset, audit, 1)[0][1]
    for item in next_issues(dataset, "map", 20).items:
        if item.id != first:
            give(dataset, (item.sample_id, item.id, item.label), "not an object")
    assert read_result(dataset, audit).answers == 0
    give(dataset, questions(dataset, audit, 1)[0], "right")
    # those whose turn has come since count, as chance chose them
    assert read_result(dataset, audit).answers >= 1


def test_what_was_answered_before_is_known_and_not_asked(judged):
    dataset, _ = judged
    right, corrected, rejected, skipped = next_issues(dataset, "map", 4).items
    for item, verdict, label in (
        (right, "right", None), (corrected, "wrong class", "else"),
        (rejected, "not an object", None), (skipped, "skipped", None),
    ):  # fmt: skip
        give(dataset, (item.sample_id, item.id, item.label), verdict, label=label)
    audit = begin_audit(dataset, "map")
    assert audit.sure == 2 and len(audit.ids) == 117
    ids = set(hex_ids(audit.ids))
    assert skipped.id in ids and not {right.id, corrected.id, rejected.id} & ids


def test_an_answer_that_is_taken_back_is_asked_again(judged):
    dataset, _ = judged
    audit = begin_audit(dataset, "map", seed=1)
    one, two, _ = questions(dataset, audit, 3)
    token = give(dataset, one, "wrong class", label="else").token
    give(dataset, two, "right")
    assert (read_result(dataset, audit).answers, read_result(dataset, audit).found) == (2, 1)
    take_back(dataset, token)
    assert read_result(dataset, audit).answers == 0
    assert questions(dataset, audit, 1) == [one]
    dataset.delete_labels(ids=[one[1]], fields=FIELD)
    found = read_result(dataset, audit)
    assert (found.answers, found.found, found.unknown) == (1, 0, 1)


def test_labels_deleted_edited_or_skipped_are_not_known_and_what_was_answered_stays(judged):
    dataset, _ = judged
    audit = begin_audit(dataset, "map", seed=1)
    answered, deleted, edited, skipped, _ = questions(dataset, audit, 5)
    give(dataset, answered, "not an object")
    assert read_result(dataset, audit).found == 1
    values = [{"sample_id": edited[0], "label_id": edited[1], "value": "by hand"}]
    dataset.set_label_values(f"{FIELD}.detections.label", values)
    dataset.delete_labels(ids=[answered[1], deleted[1]], fields=FIELD)
    give(dataset, skipped, "skipped")
    found = read_result(dataset, audit)
    assert (found.answers, found.found, found.unknown) == (1, 1, 3)
    assert "For 3 labels of the sample there is no answer" in found.sentence


@pytest.mark.slow
def test_an_answer_stays_where_its_class_is_renamed_later(judged):
    dataset, _ = judged
    audit = begin_audit(dataset, "map", 0.999, seed=1)
    for asked in questions(dataset, audit, 20):
        give(dataset, asked, "right")
    before = read_result(dataset, audit)
    assert (before.answers, before.found, before.unknown) == (20, 0, 0)
    assert "(99.9%)" in before.sentence
    late = [one for one in questions(dataset, audit, 100) if one[2] == "c0"][-1]
    give(dataset, late, "right")  # out of turn, so the audit did not read it yet
    merge_classes(dataset, FIELD, "c0", "c1")
    for asked in questions(dataset, audit, 100):
        give(dataset, asked, "right")
    found = read_result(dataset, audit)
    renamed = np.isin(audit.codes[audit.order[20:]], [audit.classes.index("c0")])
    assert (found.answers, found.unknown) == (120 - renamed.sum(), renamed.sum())
    assert found.found == 0


def test_two_reviewers_at_once_do_no_harm(judged):
    dataset, _ = judged
    audit = begin_audit(dataset, "map", seed=1)
    mine = yours = questions(dataset, audit, 3)
    give(dataset, mine[0], "right", "ada")
    give(dataset, yours[2], "not an object", "bob")  # not the next one: it waits for its turn
    assert read_result(dataset, audit).answers == 1
    give(dataset, yours[0], "not an object", "bob")  # the last word wins
    give(dataset, mine[1], "right", "ada")
    found = read_result(dataset, audit)
    assert (found.answers, found.found) == (3, 2)
    assert found.reviewers == {"ada": 1, "bob": 2}


@pytest.mark.slow
def test_nothing_left_to_audit_and_a_confidence_that_is_none(judged):
    dataset, _ = judged
    for value in (1.0, 0.2, float("nan"), "high"):
        with pytest.raises(InvalidParameter, match="confidence"):
            begin_audit(dataset, "map", confidence=value)
    queue = next_issues(dataset, "map", 200)
    answers = [Answer(item.sample_id, item.id, item.label, "right") for item in queue.items]
    give_answers(dataset, FIELD, answers, "ada")
    with pytest.raises(InvalidParameter, match="nothing to audit"):
        begin_audit(dataset, "map")


@pytest.mark.slow
def test_how_far_a_reviewer_who_errs_carries(judged):
    dataset, _ = judged
    audit = begin_audit(dataset, "map", seed=1)
    found = read_result(dataset, audit)
    assert found.if_some_err == "0.0% to 100.0%"
    for asked in questions(dataset, audit, 30):
        give(dataset, asked, "right")
    found = read_result(dataset, audit)
    assert found.if_some_err == f"0.0% to {percent(found.bounds.high / 120 + 0.05)}"


def test_the_newest_audit_is_that_of_the_databases_clock_and_so_are_its_answers(
    judged, monkeypatch
):
    """The second of two machines has a clock that is a day behind."""
    dataset, _ = judged
    begin_audit(dataset, "map", seed=1)
    with monkeypatch.context() as behind:
        behind.setattr(documents, "datetime", Behind)
        second = begin_audit(dataset, "map", seed=2)
        assert current_audit(dataset, "map").id == second.id
        for asked in questions(dataset, second, 3):
            give(dataset, asked, "right")
    assert read_result(dataset, second).answers == 3


class Behind(datetime):
    @classmethod
    def now(cls, tz=None):
        return datetime.now(tz) - timedelta(days=1)
