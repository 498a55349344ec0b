"""Approve to a target: what is asked, what comes into the basket, and the proof that stays."""

from __future__ import annotations

import pytest
from labelvet.approval.approve import approve
from labelvet.approval.basket import add_labels, remove_labels
from labelvet.approval.candidates import Selection, find_candidates, read_candidates
from labelvet.approval.rounds import progress
from labelvet.core.errors import InvalidParameter
from labelvet.dataset.documents import hex_ids, parse_ids
from labelvet.panels.undoing import undo
from labelvet.proof.audits import begin_audit, current_audit
from labelvet.proof.proven_basket import fill_basket, proof_of_basket
from labelvet.proof.results import read_result
from labelvet.review.answers import Answer, give_answers

FIELD = "labels"


def answer_all(dataset, audit, wrong, most=200):
    rows = read_result(dataset, audit, ahead=most).open
    asked = zip(hex_ids(audit.sample_ids[rows]), hex_ids(audit.ids[rows]), rows, strict=True)
    answers = [
        Answer(sample, id_, audit.class_of(row), "not an object" if id_ in wrong else "right")
        for sample, id_, row in asked
    ]
    give_answers(dataset, FIELD, answers, "ada")
    return len(answers)


def basket(dataset):
    return read_candidates(find_candidates(dataset, FIELD), Selection(), "basket")[1]


def test_the_basket_becomes_the_proven_set_and_its_proof_stays_with_the_round(judged):
    dataset, flipped = judged
    audit = begin_audit(dataset, "map", target=0.8, by="ada", seed=1)
    assert "random sample of the least suspicious" in read_result(dataset, audit).sentence
    answers = answer_all(dataset, audit, flipped, most=45)
    result = read_result(dataset, audit)
    assert (
        result.proof.size
        and f"Proven: at least 80% of the {result.proof.size:,} least" in result.sentence
    )
    done = fill_basket(dataset, current_audit(dataset, "map"))
    inside = hex_ids(basket(dataset))
    assert done.changed == len(inside) and answers == 45
    assert sum(id_ not in flipped for id_ in inside) / len(inside) >= 0.8
    assert f"At least 80% of these {len(inside)} labels are right" in done.sentence
    assert "with 95% confidence: 45 answers by ada" in done.sentence
    candidates = find_candidates(dataset, FIELD)
    assert proof_of_basket(candidates) == (done.sentence, True)
    approve(candidates, "truth", proof_sentence=done.sentence)
    (round_,) = progress(candidates).rounds
    assert round_.proof == done.sentence
    assert dataset.distinct("truth.detections.approved_proof") == [done.sentence]
    assert proof_of_basket(candidates) == (None, False)
    undo(dataset, round_.token)
    assert proof_of_basket(candidates) == (done.sentence, True)


def test_a_basket_that_is_changed_by_hand_has_no_proof(judged):
    dataset, flipped = judged
    audit = begin_audit(dataset, "map", target=0.8, seed=1)
    answer_all(dataset, audit, flipped)
    candidates = find_candidates(dataset, FIELD)
    add_labels(candidates, Selection(ids=audit.ids[:9]))
    before = hex_ids(basket(dataset))
    done = fill_basket(dataset, current_audit(dataset, "map"))
    assert done.changed == len(basket(dataset)) - len(before) > 0
    undo(dataset, done.token)
    assert hex_ids(basket(dataset)) == before
    done = fill_basket(dataset, current_audit(dataset, "map"))
    out = parse_ids(hex_ids(basket(dataset))[:1])
    taken = remove_labels(candidates, Selection(ids=out))
    assert proof_of_basket(candidates) == (done.sentence, False)
    undo(dataset, taken.token)
    assert proof_of_basket(candidates) == (done.sentence, True)


def test_nothing_is_proven_by_no_answers_or_wrong_ones(judged):
    dataset, _ = judged
    with pytest.raises(InvalidParameter, match="Set a target first"):
        fill_basket(dataset, current_audit(dataset, "map"))
    audit = begin_audit(dataset, "map", target=0.8, seed=1)
    with pytest.raises(InvalidParameter, match="To prove which labels are at least 80% right"):
        fill_basket(dataset, current_audit(dataset, "map"))
    answer_all(dataset, audit, set(hex_ids(audit.ids)), most=30)
    with pytest.raises(InvalidParameter, match="a lower target, or better label issues"):
        fill_basket(dataset, current_audit(dataset, "map"))
    answer_all(dataset, audit, set(hex_ids(audit.ids)))
    with pytest.raises(InvalidParameter, match="nothing is left to ask"):
        fill_basket(dataset, current_audit(dataset, "map"))


def test_a_target_of_all_or_none_is_refused(judged):
    dataset, _ = judged
    with pytest.raises(InvalidParameter, match="No sample can prove that all labels are right"):
        begin_audit(dataset, "map", target=1.0)
    for target in (0.2, 1.2, float("nan")):
        with pytest.raises(InvalidParameter, match="The target, in percent, must be"):
            begin_audit(dataset, "map", target=target)


def test_a_set_of_which_too_many_labels_left_is_not_proven_any_more(judged):
    dataset, flipped = judged
    audit = begin_audit(dataset, "map", target=0.8, seed=1)
    answer_all(dataset, audit, flipped, most=45)
    size = read_result(dataset, audit).proof.size
    gone = hex_ids(audit.ids[:size])
    asked = set(hex_ids(audit.ids[audit.order[:45]]))
    dataset.delete_labels(ids=[id_ for id_ in gone if id_ not in asked][:40], fields=FIELD)
    with pytest.raises(InvalidParameter, match="the proof does not hold for the rest"):
        fill_basket(dataset, current_audit(dataset, "map"))
