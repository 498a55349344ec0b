"""Suspicion: order independence, what cannot be known, the attributes in a dataset, learning."""

from __future__ import annotations

import re
from dataclasses import replace
from threading import Event

import fiftyone as fo
import numpy as np
import pytest
from clusters import clusters
from hypothesis import given, settings
from hypothesis import strategies as st
from labelvet.core.errors import Cancelled, InvalidParameter
from labelvet.core.table import WHOLE_IMAGE
from labelvet.issues.attributes import ATTRIBUTES
from labelvet.issues.find import find_label_issues
from labelvet.issues.kinds import BACKGROUND, DUPLICATE, RIGHT, WRONG_CLASS
from labelvet.issues.opinions import ask
from labelvet.issues.reasons import Reasons
from labelvet.issues.suspicion import find_suspects
from labelvet.issues.writing import name_issues, remove_label_issues
from labelvet.review.learning import learn
from sklearn.metrics import roc_auc_score


def _second(table, rng):
    """Another field on the same images: most of the labels, moved, some of another class."""
    rows = np.flatnonzero(rng.random(len(table)) < 0.7)
    kept = table.take(rows)
    return replace(
        kept,
        patches_field="second",
        boxes=kept.boxes + 0.03 * rng.normal(size=(len(rows), 4)) * kept.boxes[:, [2, 3, 2, 3]],
        codes=np.where(rng.random(len(rows)) < 0.2, rng.integers(0, 4, len(rows)), kept.codes),
        confidences=rng.uniform(0.05, 1, len(rows)).astype("f4"),
    )


def test_flips_are_found_and_corrected():
    table, vectors, flipped, truth = clusters(confidence=False)
    found = find_suspects(table, vectors)
    assert roc_auc_score(flipped, found.mislabeled) > 0.97
    assert (found.suggested[flipped, 0] == truth[flipped]).all()
    assert (found.likeliest[flipped] == WRONG_CLASS).sum() >= 4
    assert (found.likeliest[~flipped] == RIGHT).all()
    assert np.isnan(found.probability(BACKGROUND)).all()
    assert any("confidence" in note for note in found.notes)
    assert f"neighbors are c{truth[0]}" in Reasons(table, found, None).reason(0)


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 1000))
def test_the_order_of_the_rows_does_not_matter(seed):
    table, vectors, _, _ = clusters()
    order = np.random.default_rng(seed).permutation(len(table))
    found, shuffled = (
        find_suspects(table, vectors),
        find_suspects(table.take(order), vectors[order]),
    )
    for name in ("kinds", "suggested", "overlap", "clues"):
        np.testing.assert_array_equal(getattr(found, name)[order], getattr(shuffled, name))


@pytest.mark.parametrize("n", [1, 2, 30])
def test_one_class_says_what_it_cannot_know(n):
    table, vectors, _, _ = clusters(n, 1)
    found = find_suspects(table, vectors)
    assert np.isnan(found.mislabeled).all() and (found.suggested == -1).all()
    assert np.isfinite(found.suspicion).all() and found.notes


def test_of_one_class_no_label_is_of_another_one_unless_a_field_says_so():
    table, vectors, _, _ = clusters(60, 1, confidence=True)
    confidences = np.random.default_rng(0).uniform(0.2, 1, 60).astype("f4")
    codes = np.where(np.arange(60) == 7, -1, 0).astype("i4")
    table = replace(table, confidences=confidences, codes=codes)
    found = find_suspects(table, vectors)
    assert np.isnan(found.mislabeled).all() and (found.kinds[:, WRONG_CLASS] == 0).all()
    np.testing.assert_allclose(found.suspicion, found.kinds[:, 1:].sum(axis=1), atol=1e-6)
    reasons = Reasons(table, found)
    said = " ".join(map(reasons.reason, range(60)))
    assert "looks like" not in said and "without a class" not in said
    assert reasons.reason(7).startswith(("There may be no object here", "The box may not fit the"))
    names = np.array([table.classes[0], "dog"], dtype=object)
    few = replace(table.take(np.arange(1, 3)), classes=names, codes=np.array([0, 1], "i4"))
    table = replace(table, classes=names)
    opinions = ask(table, [replace(few, patches_field="second")])
    asked = find_suspects(table, vectors, opinions=opinions)
    assert np.flatnonzero(np.isfinite(asked.mislabeled)).tolist() == [2]
    assert names[asked.suggested[2, 0]] == "dog"
    whole = replace(table, boxes=np.tile(WHOLE_IMAGE, (60, 1)), media=np.arange(60, dtype="i4"))
    judged = find_suspects(whole, vectors)
    assert np.isfinite(judged.mislabeled).all()
    np.testing.assert_allclose(judged.suspicion, judged.kinds[:, 1:].sum(axis=1), atol=1e-6)
    assert Reasons(whole, judged).reason(0).startswith("It may not be c0")
    assert Reasons(whole, judged).reason(7).startswith("It has no class")


@pytest.mark.parametrize("n, few", [(120, True), (210, False)])
def test_few_labels_are_said_to_tell_little_of_how_many_are_wrong(n, few):
    table, vectors, _, _ = clusters(n)
    notes = find_suspects(table, vectors).notes
    assert any(note.startswith("120 labels are too few to tell") for note in notes) == few


def test_confidences_that_are_all_the_same_are_not_said_to_be_missing():
    table, vectors, _, _ = clusters(60)
    for confidence, said in ((1.0, "all the same"), (np.nan, "no")):
        same = replace(table, confidences=np.full(60, confidence, "f4"))
        notes = find_suspects(same, vectors).notes
        assert any(note.startswith(f"The labels have {said} confidence") for note in notes)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_embeddings_that_are_no_numbers_are_refused(value):
    table, vectors, _, _ = clusters(20, 2)
    vectors[3, 1] = value
    with pytest.raises(InvalidParameter, match="Some embeddings are not numbers"):
        find_suspects(table, vectors)


def test_a_lonely_class_and_500_classes():
    table, vectors, _, _ = clusters(600, 4)
    codes = table.codes.copy()
    codes[-1] = 4
    lonely = replace(table, codes=codes, classes=np.append(table.classes, "rare"))
    assert any("only one label" in note for note in find_suspects(lonely, vectors).notes)
    many = replace(
        table,
        codes=(np.arange(600) % 500).astype(np.int32),
        classes=np.array([f"c{i:03}" for i in range(500)], dtype=object),
    )
    assert np.isfinite(find_suspects(many, vectors).mislabeled).all()


def test_a_run_s_own_graph_serves_as_well(monkeypatch):
    from labelvet.embeddings.neighbors import build_neighbor_graph
    from labelvet.issues import embedding_evidence

    table, vectors, flipped, truth = clusters(400)
    graph = build_neighbor_graph(vectors, 15)
    monkeypatch.setattr(embedding_evidence, "EXACT_UP_TO", 100)  # as above 30,000 labels
    found = find_suspects(table, vectors, graph=graph)
    assert roc_auc_score(flipped, found.mislabeled) > 0.97
    assert (found.suggested[flipped, 0] == truth[flipped]).all()
    order = np.random.default_rng(3).permutation(400)
    shuffled = find_suspects(table.take(order), vectors[order], graph=graph.take(order))
    np.testing.assert_array_equal(found.mislabeled[order], shuffled.mislabeled)
    np.testing.assert_array_equal(found.clues[order], shuffled.clues)


@pytest.mark.parametrize("confidence", [True, False])
def test_a_second_label_on_an_object_is_a_duplicate(confidence):
    table, vectors, _, _ = clusters(90, confidence=confidence)
    boxes, codes, vectors = table.boxes.copy(), table.codes.copy(), vectors.copy()
    boxes[61] = boxes[60] + [0.005, 0, 0, 0]  # of the same image
    codes[61], vectors[61] = codes[60], vectors[60]
    found = find_suspects(replace(table, boxes=boxes, codes=codes), vectors)
    pair = max(60, 61, key=lambda row: found.kinds[row, DUPLICATE])
    assert found.original[pair] == 121 - pair and found.likeliest[pair] == DUPLICATE
    assert found.original[121 - pair] == -1 and found.likeliest[121 - pair] == RIGHT


def test_the_same_patch_elsewhere_is_no_duplicate():
    table, vectors, flipped, truth = clusters(90, confidence=False)
    vectors = vectors.copy()
    for row in np.flatnonzero(flipped):
        same = np.flatnonzero((truth == truth[row]) & ~flipped)[-1]
        vectors[row] = vectors[same]
    found = find_suspects(table, vectors)
    assert (found.likeliest != DUPLICATE).all() and (found.original == -1).all()
    assert found.mislabeled[flipped].min() > found.mislabeled[~flipped].max()


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000), st.booleans(), st.booleans())
def test_kinds_add_up_and_reasons_speak_of_them(seed, confidence, asked):
    rng = np.random.default_rng(seed)
    table, vectors, _, _ = clusters(90, seed=seed, confidence=confidence)
    boxes, codes = table.boxes.copy(), table.codes.copy()
    for row in range(0, 90, 9):  # moved onto another box of the image
        boxes[row] = boxes[row + 1] + 0.02 * rng.normal(size=4)
        codes[row] = codes[row + 1] if rng.random() < 0.5 else codes[row]
    confidences = np.where(rng.random(90) < 0.2, 0.1, table.confidences).astype("f4")
    table = replace(table, boxes=boxes, codes=codes, confidences=confidences)
    other = _second(table, rng)
    opinions = ask(table, [other]) if asked else None
    found = find_suspects(table, vectors, opinions=opinions)
    np.testing.assert_allclose(found.kinds.sum(axis=1), 1, atol=1e-5)
    assert (found.kinds >= 0).all()
    reasons, issues = Reasons(table, found, opinions), name_issues(found)
    for row in range(90):
        reason = reasons.reason(row)
        own, best = f"c{table.codes[row]}", f"c{found.suggested[row, 0]}"
        named = set(re.findall(r"c\d", reason))
        if issues[row] == "mislabeled":
            assert named == {own, best} and own != best
            looks = f"looks like {best} rather than {own}" in reason.lower()
            # of a class that no neighbor has, who says so
            only = f"('second'|Another field) has {best} here, (rather than|as well as) {own}"
            assert looks or re.match(only, reason)
        elif issues[row] is not None:
            assert named == {own}
        said = {
            "misplaced": "box", "spurious": f"no {own} here", "duplicate": "another",
            "missed": "no accepted",
        }  # fmt: skip
        assert said.get(issues[row], "") in reason.lower()


def test_what_a_class_of_one_label_looks_like():
    table, vectors, _, _ = clusters(40)
    codes = np.where(np.arange(40) == 20, 4, table.codes).astype(np.int32)
    found = find_suspects(
        replace(table, codes=codes, classes=np.append(table.classes, "x")), vectors
    )
    for row in range(40):
        examples = found.examples[row][found.examples[row] >= 0]
        assert (codes[examples] == found.suggested[row, 0]).all() and row not in examples


def test_answers_move_the_ranking():
    table, vectors, flipped, _ = clusters(300)
    found = find_suspects(table, vectors)
    rows = np.concatenate([np.arange(3), np.arange(100, 150)])
    learned = learn(found, rows, flipped[rows])
    assert not set(learned.queue) & set(rows)
    assert set(learned.queue[:3]) == {3, 4, 5}
    assert learned.estimate.low <= learned.estimate.left <= learned.estimate.high


def test_attributes_are_written_and_removed(flipped_labels):
    dataset, flipped = flipped_labels
    loaded = dataset.first()
    issues = find_label_issues(dataset, "map")
    assert issues.checked == 120
    assert loaded.labels.detections[0].suspicion is not None
    schema = dataset.get_field_schema(flat=True)
    assert all(f"labels.detections.{name}" in schema for name in ATTRIBUTES)
    ids, mislabeled = dataset.values(
        ["labels.detections.id", "labels.detections.mislabeled"], unwind=True
    )
    assert roc_auc_score(np.isin(ids, flipped), mislabeled) > 0.97
    ids, issues, evidence = (
        [value for values in dataset.values(f"labels.detections.{name}") for value in values]
        for name in ("id", "issue", "issue_evidence")
    )
    assert any(issues)
    for id_, issue, rows in zip(ids, issues, evidence, strict=True):
        # of a label with an issue alone, others that exist
        assert bool(rows) == bool(issue)
        assert set(rows or ()) <= set(ids) - {id_}
    assert len(remove_label_issues(dataset)) == len(ATTRIBUTES)
    assert dataset.get_field("labels.detections.suspicion") is None


def scores(dataset):
    dataset.reload()
    pairs = zip(
        *dataset.values(["labels.detections.id", "labels.detections.suspicion"]), strict=True
    )
    return {id_: score for of_image in pairs for id_, score in zip(*of_image, strict=True)}


def test_once_it_writes_it_comes_to_its_end(flipped_labels, monkeypatch):
    dataset, _ = flipped_labels
    monkeypatch.setattr("labelvet.core.progress._SECONDS_BETWEEN_REPORTS", 0)
    monkeypatch.setattr("labelvet.issues.writing._SAMPLES_PER_WRITE", 5)
    cancelled = Event()

    def cancel(fraction, line):
        if line.startswith("Writing") and "60 of 120" in line:
            cancelled.set()

    issues = find_label_issues(dataset, "map", progress=cancel, cancelled=cancelled)
    assert cancelled.is_set() and issues.checked == 120
    assert None not in scores(dataset).values()
    cancelled.clear()
    with pytest.raises(Cancelled, match="nothing was changed"):
        find_label_issues(dataset, "map", progress=lambda *_: cancelled.set(), cancelled=cancelled)


@pytest.mark.slow
def test_whenever_it_is_cut_off_every_label_has_scores(flipped_labels, monkeypatch):
    dataset, _ = flipped_labels
    find_label_issues(dataset, "map")
    unjudged = dataset.last()
    unjudged["labels"].detections.append(fo.Detection(label="c0", suspicion=0.5))
    unjudged.save()
    before = scores(dataset)
    monkeypatch.setattr("labelvet.issues.writing._SAMPLES_PER_WRITE", 5)
    monkeypatch.setattr("labelvet.core.progress._SECONDS_BETWEEN_REPORTS", 0)

    def die(fraction, line):
        if "60 of 121" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        find_label_issues(dataset, "map", progress=die)
    assert scores(dataset) == before
    find_label_issues(dataset, "map")
    after = scores(dataset)
    added = unjudged["labels"].detections[-1].id
    assert [id_ for id_, score in after.items() if score is None] == [added]


@pytest.mark.slow
def test_percent_are_read_as_percent_and_other_numbers_are_no_confidence(flipped_labels):
    dataset, _ = flipped_labels
    path = "labels.detections.confidence"
    rng = np.random.default_rng(0)
    shares = [rng.uniform(0.1, 1, 3).tolist() for _ in range(40)]
    dataset.set_values(path, shares)
    dataset.clone_sample_field("labels", "second")
    dataset.set_values("second.detections.label", [["c0", "c1", "c2"]] * 40)

    def judge(factor):
        for field in ("labels", "second"):
            values = [[factor * one for one in some] for some in shares]
            dataset.set_values(f"{field}.detections.confidence", values)
        notes = find_label_issues(dataset, "map", second_fields="second").notes
        said = {note for note in notes if note.startswith(("The confidences", "Most confidences"))}
        return said, np.array(dataset.values("labels.detections.suspicion", unwind=True))

    nothing, before = judge(1.0)
    percent, same = judge(100.0)
    assert not nothing and percent == {
        f"The confidences of '{field}' are taken for percent." for field in ("labels", "second")
    }
    np.testing.assert_allclose(same, before, atol=1e-3)
    scores, _ = judge(1e5)
    assert "Most confidences of 'labels' are above 100 and say nothing." in scores
