"""Suspicion: order independence, what cannot be known, the attributes in a dataset, learning."""

from __future__ import annotations

from dataclasses import replace

import fiftyone as fo
import fiftyone.brain as fob
import labelvet
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from labelvet.embeddings.patches import PatchTable
from labelvet.issues.attributes import (
    ATTRIBUTES,
    find_label_issues,
    remove_label_issues,
)
from labelvet.issues.review import learn
from labelvet.issues.suspicion import find_suspects
from sklearn.metrics import roc_auc_score


def clusters(n=120, num_classes=4, seed=0, confidence=True):
    """Labels in clusters of their class, the first 6 flipped; returns table, vectors, flipped."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, num_classes, n)
    vectors = (3 * np.eye(num_classes, 16)[truth] + 0.3 * rng.normal(size=(n, 16))).astype("f4")
    flipped = np.arange(n) < (6 if num_classes > 1 else 0)
    codes = np.where(flipped, (truth + 1) % num_classes, truth).astype(np.int32)
    table = PatchTable(
        patches_field="labels",
        sample_ids=np.array([f"{i // 3:024x}" for i in range(n)]),
        label_ids=np.array([f"{i:024x}" for i in rng.permutation(n)]),
        media=(np.arange(n) // 3).astype(np.int32),
        filepaths=np.array([f"{i}.jpg" for i in range(n)], dtype=object),
        boxes=np.column_stack([rng.random((n, 2)) / 2, rng.uniform(0.1, 0.3, (n, 2))]),
        codes=codes,
        classes=np.array([f"c{i}" for i in range(num_classes)], dtype=object),
        confidences=rng.uniform(0.3, 1, n).astype("f4") if confidence else np.full(n, np.nan, "f4"),
    )
    return table, vectors, flipped, truth


def vectors_by_sample(dataset, vectors):
    return dict(zip(dataset.values("id"), vectors.reshape(-1, 3, vectors.shape[1]), strict=True))


def test_flips_are_found_and_corrected():
    table, vectors, flipped, truth = clusters(confidence=False)
    found = find_suspects(table, vectors)
    assert roc_auc_score(flipped, found.mislabeled) > 0.97
    assert (found.suggested[flipped] == truth[flipped]).all()
    assert np.isnan(found.spurious).all() and any("confidence" in note for note in found.notes)
    assert f"neighbors are c{truth[0]}" in found.reason(table, 0)


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 1000))
def test_the_order_of_the_rows_does_not_matter(seed):
    table, vectors, _, _ = clusters()
    order = np.random.default_rng(seed).permutation(len(table))
    found, shuffled = (
        find_suspects(table, vectors),
        find_suspects(table.take(order), vectors[order]),
    )
    for name in ("suspicion", "mislabeled", "suggested", "spurious", "duplicate", "clues"):
        np.testing.assert_array_equal(getattr(found, name)[order], getattr(shuffled, name))


@pytest.mark.parametrize("n", [1, 2, 30])
def test_one_class_says_what_it_cannot_know(n):
    table, vectors, _, _ = clusters(n, 1)
    found = find_suspects(table, vectors)
    assert np.isnan(found.mislabeled).all() and (found.suggested == -1).all()
    assert np.isfinite(found.suspicion).all() and found.notes


def test_a_lonely_class_and_500_classes():
    table, vectors, _, _ = clusters(600, 4)
    codes = table.codes.copy()
    codes[-1] = 4
    lonely = replace(table, codes=codes, classes=np.append(table.classes, "rare"))
    assert any("single label" in note for note in find_suspects(lonely, vectors).notes)
    many = replace(
        table,
        codes=(np.arange(600) % 500).astype(np.int32),
        classes=np.array([f"c{i:03}" for i in range(500)], dtype=object),
    )
    assert np.isfinite(find_suspects(many, vectors).mislabeled).all()


def test_answers_move_the_ranking():
    table, vectors, flipped, _ = clusters(300)
    found = find_suspects(table, vectors)
    rows = np.concatenate([np.arange(3), np.arange(100, 150)])
    learned = learn(found, rows, flipped[rows])
    assert not set(learned.queue) & set(rows)
    assert set(learned.queue[:3]) == {3, 4, 5}
    assert learned.estimate.low <= learned.estimate.left <= learned.estimate.high


def test_attributes_are_written_and_removed(make_dataset):
    table, vectors, flipped, _ = clusters()
    dataset = make_dataset()
    for start in range(0, len(table), 3):
        detections = [
            fo.Detection(
                label=str(table.labels[row]),
                bounding_box=table.boxes[row].tolist(),
                confidence=float(table.confidences[row]),
            )
            for row in range(start, start + 3)
        ]
        dataset.add_sample(
            fo.Sample(filepath=f"/{start}.jpg", labels=fo.Detections(detections=detections))
        )
    # a similarity index keeps the vectors, as there are no images
    fob.compute_similarity(
        dataset, patches_field="labels", embeddings=vectors_by_sample(dataset, vectors),
        brain_key="stored", model=None,
    )  # fmt: skip
    labelvet.compute_visualization(
        dataset, "labels", "map", similarity_index="stored", method="pca"
    )
    issues = find_label_issues(dataset, "map")
    assert issues.checked == len(table)
    schema = dataset.get_field_schema(flat=True)
    assert all(f"labels.detections.{name}" in schema for name in ATTRIBUTES)
    mislabeled = np.array(dataset.values("labels.detections.mislabeled", unwind=True))
    assert roc_auc_score(flipped, mislabeled) > 0.97
    assert len(dataset.match(fo.ViewField("labels.detections.issue") != None)) > 0  # noqa: E711
    assert len(remove_label_issues(dataset)) == len(ATTRIBUTES)
    assert dataset.get_field("labels.detections.suspicion") is None
