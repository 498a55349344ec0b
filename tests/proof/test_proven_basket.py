"""Approve to a target: what is asked, what comes into the basket, and the proof that stays."""

from __future__ import annotations

import numpy as np
import pytest
from labelvet.approval.approve import approve
from labelvet.approval.basket import add_labels, remove_labels
from labelvet.approval.candidates import Selection, find_candidates, read_candidates
from labelvet.approval.rounds import progress
from labelvet.core.errors import InvalidParameter
from labelvet.dataset.documents import hex_ids, parse_ids
from labelvet.panels.undoing import undo
from labelvet.proof.audits import begin_audit, current_audit
from labelvet.proof.proven_basket import approve_to_target, fill_basket, proof_of_basket
from labelvet.proof.results import read_result
from labelvet.review.answers import give_answers
from labelvet.review.verdicts import Answer

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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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


def test_what_was_found_wrong_and_deleted_since_does_not_count_against_the_rest(judged):
    dataset, flipped = judged
    audit = begin_audit(dataset, "map", target=0.8, seed=1)
    wrong = {*flipped, *hex_ids(audit.ids[audit.order[:3]])}
    answer_all(dataset, audit, wrong, most=60)
    found = read_result(dataset, audit)
    size = found.proof.size
    assert size and found.proof.most > int(0.2 * size)
    fill_basket(dataset, audit)
    before = hex_ids(basket(dataset))
    gone = wrong & set(hex_ids(audit.ids[audit.order[:60]]))
    dataset.delete_labels(ids=list(gone), fields=FIELD)
    fill_basket(dataset, audit)
    assert hex_ids(basket(dataset)) == before and not gone & set(before)


def test_a_label_that_is_renamed_after_its_answer_stays_out_of_the_basket(judged):
    dataset, flipped = judged
    audit = begin_audit(dataset, "map", target=0.8, seed=1)
    answer_all(dataset, audit, flipped, most=45)
    before = read_result(dataset, audit)
    row = next(row for row in audit.order[:45] if row < before.proof.size)
    (sample,), (id_,) = hex_ids(audit.sample_ids[[row]]), hex_ids(audit.ids[[row]])
    assert id_ not in flipped
    values = [{"sample_id": sample, "label_id": id_, "value": "by hand"}]
    dataset.set_label_values(f"{FIELD}.detections.label", values)
    assert read_result(dataset, audit).found == before.found
    fill_basket(dataset, current_audit(dataset, "map"))
    inside = hex_ids(basket(dataset))
    assert inside and id_ not in inside


def test_each_class_meets_the_target_by_itself_and_the_others_are_named(judged):
    dataset, flipped = judged
    wrong_of = "c1"
    # of one class all labels are wrong
    ids = dataset.values(f"{FIELD}.detections.id", unwind=True)
    names = dict(zip(ids, dataset.values(f"{FIELD}.detections.label", unwind=True), strict=True))
    wrong = {id_ for id_, name in names.items() if name == wrong_of} | flipped
    audit = begin_audit(dataset, "map", target=0.8, seed=1, twice=0, per_class=True)
    assert [part.label for part in audit.parts] == sorted(
        (part.label for part in audit.parts), key=lambda name: -list(names.values()).count(name)
    )
    asked = [audit.order[np.isin(audit.order, part.rows)] for part in audit.parts]
    for rows, part in zip(asked, audit.parts, strict=True):
        assert set(rows) == set(part.rows[: part.sets.sizes[-1]]) and len(set(rows)) == len(rows)
    turns = [audit.class_of(row) for row in audit.order[: len(audit.parts)]]
    assert turns == [part.label for part in audit.parts]
    first = read_result(dataset, audit).sentence
    assert first.startswith("To prove which labels of each of") and "all classes at once" in first
    answer_all(dataset, audit, wrong)
    result = read_result(dataset, audit)
    by_class = {one.part.label: one for one in result.parts}
    assert by_class[wrong_of].proof.size == 0 and result.proof.size > 0
    assert any(note.startswith(f"{wrong_of}: left out, after") for note in result.notes)
    proven = [one for one in result.parts if one.proof.size]
    assert f"are right in each of {len(proven)} of {len(result.parts)} classes" in result.sentence
    done = fill_basket(dataset, current_audit(dataset, "map"))
    inside = hex_ids(basket(dataset))
    assert {names[id_] for id_ in inside} == {one.part.label for one in proven}
    assert f"labels are right in each of {len(proven)} class" in done.sentence
    assert "with 95% confidence for all of them at once" in done.sentence
    assert proof_of_basket(find_candidates(dataset, FIELD)) == (done.sentence, True)


def test_classes_share_the_error_and_those_with_few_labels_are_named(judged):
    dataset, _ = judged
    labels = [
        Answer(sample.id, one.id, one.label, "right")
        for sample in dataset
        for one in sample.labels.detections
        if one.label == "c0"
    ]
    give_answers(dataset, FIELD, labels[:15], "ada")
    audit = begin_audit(dataset, "map", target=0.8, seed=1, twice=0, per_class=True)
    assert {part.label for part in audit.parts} == {"c1", "c2", "c3"} and audit.left_out == ["c0"]
    answer_all(dataset, audit, set())
    result = read_result(dataset, audit)
    (note,) = [note for note in result.notes if note.startswith("Left out, with fewer than 20")]
    assert "c0. Answer for each" in note
    for one in result.parts:
        rows = audit.order[np.isin(audit.order, one.part.rows)]
        place = np.searchsorted(one.part.rows, rows)
        right = np.zeros(len(rows))
        assert one.proof == one.part.sets.prove(place, right, 1 - 0.05 / 3)


@pytest.mark.slow
def test_a_target_is_approved_in_one_call_once_it_is_proven(judged):
    dataset, flipped = judged
    asked = {"target": 0.8, "confidence": 0.9}
    said = approve_to_target(dataset, FIELD, "truth", **asked)
    assert said.startswith("To prove which labels") and "q, then a" in said
    with pytest.raises(InvalidParameter, match="Another target goes on: 80%, with 90%"):
        approve_to_target(dataset, FIELD, "truth", target=0.9)
    with pytest.raises(InvalidParameter, match="Another target goes on"):
        approve_to_target(dataset, FIELD, "truth", **asked, per_class=True)
    answer_all(dataset, current_audit(dataset, "map"), flipped)
    said = approve_to_target(dataset, FIELD, "truth", **asked)
    assert "At least 80% of these" in said
    (proof,) = dataset.distinct("truth.detections.approved_proof")
    assert proof in said
