"""Labels that an audit asks twice: of whom, what becomes of the answers, and what they say."""

from __future__ import annotations

import time

import pytest
from labelvet.core.errors import InvalidParameter
from labelvet.dataset.documents import hex_ids
from labelvet.panels.undoing import undo
from labelvet.proof.audits import begin_audit, current_audit
from labelvet.proof.report import label_report, report_page
from labelvet.proof.results import next_questions, read_result
from labelvet.proof.second_answers import give_second_answers
from labelvet.review.answers import give_answers
from labelvet.review.verdicts import Answer
from taking_back import take_back

FIELD = "labels"


def answer_first(dataset, audit, count, user="ada", verdict="right", **more):
    """Answers the next labels of the sample; returns what takes each answer back, by id."""
    rows = read_result(dataset, audit, ahead=count).open
    tokens = {}
    for sample, id_, row in zip(
        hex_ids(audit.sample_ids[rows]), hex_ids(audit.ids[rows]), rows, strict=True
    ):
        answer = Answer(sample, id_, audit.class_of(row), verdict, **more)
        tokens[id_] = give_answers(dataset, FIELD, [answer], user).token
    return tokens


def asked_again(dataset, user):
    items = next_questions(dataset, "map", 200, user).items
    assert [item.again for item in items] == sorted((item.again for item in items), reverse=True)
    return [item for item in items if item.again]


def say(dataset, items, verdict, user):
    given = [Answer(item.sample_id, item.id, item.label, verdict) for item in items]
    return give_second_answers(dataset, current_audit(dataset, "map"), given, user)


@pytest.mark.slow
def test_another_reviewer_is_asked_and_no_label_changes(judged):
    dataset, _ = judged
    audit = begin_audit(dataset, "map", seed=1, twice=0.25)
    assert audit.twice.sum() == 30 and len(audit.twice) == 120
    answer_first(dataset, audit, 40)
    before = read_result(dataset, audit)
    assert before.agreements == () and before.errors is None
    asked = asked_again(dataset, "bob")
    marked = hex_ids(audit.ids[audit.order[:40]][audit.twice[:40] == 1])
    assert [item.id for item in asked] == marked and len(marked) == 10
    labels = dataset.values(f"{FIELD}.detections")
    done = say(dataset, asked[:2], "not an object", "bob")
    assert (done.changed, done.refused) == (2, 0) and "stays as it is" in done.sentence
    say(dataset, asked[2:9], "right", "bob")
    say(dataset, asked[9:], "skipped", "bob")
    dataset.reload()
    assert dataset.values(f"{FIELD}.detections") == labels
    assert asked_again(dataset, "bob") == [] and asked_again(dataset, "cyd") == []
    # second answers are no further draws
    after = read_result(dataset, audit)
    assert (after.answers, after.bounds, after.reviewers) == (40, before.bounds, {"ada": 40})
    (two,) = after.agreements
    assert (two.first, two.second, two.labels, two.same) == ("ada", "bob", 9, 7)
    assert two.kappa == pytest.approx(0)  # ada says right of all
    # ada said right of the two
    assert after.errors.most > 2 / 9 and after.errors.low == 0
    assert after.errors.high > after.bounds.high / 120 + 2 / 9
    assert any(note.startswith("ada and bob agree on 7 of 9 labels") for note in after.notes)
    assert any("a reviewer errs in at most" in note for note in after.notes)
    undo(dataset, done.token)
    assert {item.id for item in asked_again(dataset, "bob")} == {item.id for item in asked[:2]}


@pytest.mark.slow
def test_one_reviewer_alone_is_asked_again_later_and_the_report_says_so(judged):
    dataset, _ = judged
    audit = begin_audit(dataset, "map", seed=1, twice=0.5)
    answer_first(dataset, audit, 30)
    assert asked_again(dataset, "ada") == []
    answer_first(dataset, audit, 15)
    asked = asked_again(dataset, "ada")
    early = hex_ids(audit.ids[audit.order[:15]][audit.twice[:15] == 1])
    assert [item.id for item in asked] == early
    say(dataset, asked[:3], "right", "ada")
    found = read_result(dataset, audit)
    assert [(one.labels, one.same, one.kappa) for one in found.agreements] == [(3, 3, None)]
    assert found.errors is None
    report = label_report(dataset, "map")
    assert report["audits"][0]["agreements"][0]["share"] == 1
    assert "ada is the\nsame person" in report_page(report)
    # once there is another, it is the other who is asked
    (by_bob,) = answer_first(dataset, audit, 1, "bob")
    assert {item.id for item in asked_again(dataset, "ada")} <= {by_bob}
    assert {item.id for item in asked} - {item.id for item in asked[:3]} <= {
        item.id for item in asked_again(dataset, "bob")
    }


@pytest.mark.slow
def test_a_label_is_shown_again_as_it_was_and_only_while_its_first_answer_stands(judged):
    dataset, _ = judged
    audit = begin_audit(dataset, "map", seed=1, twice=0.5)
    tokens = answer_first(dataset, audit, 2, verdict="wrong class", label="else")
    (item,) = asked_again(dataset, "bob")
    row = hex_ids(audit.ids).index(item.id)
    assert item.label == audit.class_of(row) != "else"
    by_bob = say(dataset, [item], "badly placed", "bob")
    (two,) = read_result(dataset, audit).agreements
    assert (two.labels, two.same) == (1, 1)  # both say that it is wrong
    take_back(dataset, tokens[item.id])
    assert read_result(dataset, audit).agreements == ()
    late = say(dataset, [item], "right", "bob")
    assert (late.changed, late.refused) == (0, 1) and "not asked a second time" in late.sentence
    # it is answered anew, and cyd's second answer stays where bob takes back the one before
    time.sleep(1)  # answers have their time in seconds
    answer_first(dataset, audit, 1)
    say(dataset, asked_again(dataset, "cyd"), "right", "cyd")
    undo(dataset, by_bob.token)
    (two,) = read_result(dataset, audit).agreements
    assert {two.first, two.second} == {"ada", "cyd"}


@pytest.mark.slow
def test_what_errors_are_bounded_by_is_chosen_by_chance_alone(judged):
    dataset, _ = judged
    audit = begin_audit(dataset, "map", seed=1, twice=0.5)
    answer_first(dataset, audit, 40, verdict="not an object")
    first, *others = asked_again(dataset, "bob")
    # what was rejected is deleted, and bob cannot disagree any more
    dataset.delete_labels(ids=[item.id for item in others[:8]], fields=FIELD)
    say(dataset, others[8:], "not an object", "bob")
    assert len(others) == 19 and read_result(dataset, audit).errors is None  # as the first waits
    say(dataset, [first], "not an object", "bob")
    found = read_result(dataset, audit)
    assert [(one.labels, one.same) for one in found.agreements] == [(12, 12)]
    assert found.seconds == 12 and found.errors.most > 8 / 20
    assert any("(95% each)" in note for note in found.notes)


@pytest.mark.slow
def test_a_target_says_how_sure_it_is_whether_or_not_reviewers_err(judged):
    dataset, _ = judged
    audit = begin_audit(dataset, "map", 0.9, seed=1, twice=0.5, target=0.6)
    answer_first(dataset, audit, 40)
    say(dataset, asked_again(dataset, "bob"), "right", "bob")
    found = read_result(dataset, audit)
    assert found.proof.size and found.errors.most > 0
    (said,) = [note for note in found.notes if note.startswith("By that")]
    # the proof may be one of the tenth that fail, and so may the bound on errors
    assert "(90%), but for errors" in said and said.endswith("of them are right (80%).")
    page = report_page(label_report(dataset, "map"))
    assert said in page and "a reviewer errs" not in page


@pytest.mark.slow
def test_nothing_is_asked_twice_where_that_is_off_and_shares_that_are_none(judged):
    dataset, _ = judged
    audit = begin_audit(dataset, "map", seed=1, twice=0)
    answer_first(dataset, audit, 30)
    assert not audit.twice.any() and asked_again(dataset, "bob") == []
    for share in (-0.1, 0.6, float("nan"), "some"):
        with pytest.raises(InvalidParameter, match="asked twice, in percent, must be"):
            begin_audit(dataset, "map", twice=share)
    item = next_questions(dataset, "map", 1, "bob").items[0]
    with pytest.raises(InvalidParameter, match="An answer is one of"):
        say(dataset, [item], "maybe", "bob")
    assert give_second_answers(dataset, None, [], "bob").changed == 0
