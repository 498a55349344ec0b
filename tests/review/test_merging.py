"""Merging a class into another, and what the table of pairs of classes says."""

from __future__ import annotations

import fiftyone as fo
import numpy as np
import pytest
from clusters import clusters, labeled_dataset
from invariants import check_opens
from labelvet.core.errors import FieldGone, InvalidParameter, UnknownField, UnknownUndo
from labelvet.dataset.changes import find_change, list_changes
from labelvet.dataset.documents import hex_ids
from labelvet.issues.find import find_label_issues
from labelvet.maps.map import load_map
from labelvet.review import merging
from labelvet.review.class_pairs import find_class_pairs
from labelvet.review.merging import check_merge, count_classes, merge_classes, undo_merge


def _labels(dataset, field="labels"):
    dataset.reload()
    return [
        [label.label for label in (value.detections if hasattr(value, "detections") else [value])]
        for value in dataset.values(field)
    ]


@pytest.fixture
def blood(make_dataset):
    """Three images; the class 'Platetets' is in two of them, three times."""
    dataset = make_dataset()
    for number, classes in enumerate(
        (["Platelets", "Platetets"], ["Platetets", "RBC", "Platetets"], [None, "RBC"])
    ):
        labels = [fo.Detection(label=name, bounding_box=[0.1, 0.1, 0.2, 0.2]) for name in classes]
        dataset.add_sample(
            fo.Sample(
                f"/{number}.jpg",
                labels=fo.Detections(detections=labels),
                kind=fo.Classification(label=("stain", "stains", "stains")[number]),
            )
        )
    return dataset


def test_all_labels_of_a_class_become_another_and_back(blood):
    before = _labels(blood)
    patches = blood.to_patches("labels")
    assert check_merge(blood, "labels", "Platetets", "Platelets") == (3, 0)
    done = merge_classes(blood, "labels", "Platetets", "Platelets", by="ann")
    assert done.sentence == "3 labels are now 'Platelets' instead of 'Platetets'."
    assert count_classes(blood, "labels") == {"Platelets": 4, "RBC": 2}
    assert patches.count_values("labels.label") == {"Platelets": 4, "RBC": 2, None: 1}
    (change,) = list_changes(blood)
    assert (change.sentence, change.by) == (done.sentence, "ann")

    # a label that was corrected since is not changed back
    sample = blood.first()
    sample.labels.detections[1].label = "WBC"
    sample.save()
    said = undo_merge(find_change(blood, done.token))
    again = "2 labels are 'Platetets' again."
    assert said == f"{again} 1 label was approved or given another class since, and keeps it."
    before[0][1] = "WBC"
    assert _labels(blood) == before
    assert patches.count_values("labels.label")["Platetets"] == 2
    with pytest.raises(UnknownUndo):
        undo_merge(find_change(blood, done.token))
    check_opens(blood)


def test_a_field_of_one_label(blood):
    done = merge_classes(blood, "kind", "stain", "stains")
    assert _labels(blood, "kind") == [["stains"]] * 3
    undo_merge(find_change(blood, done.token))
    assert _labels(blood, "kind") == [["stain"], ["stains"], ["stains"]]


def test_what_is_approved_keeps_its_class(blood, monkeypatch):
    def tag(field, number, row=None):
        sample = blood.skip(number).first()
        label = sample[field] if row is None else sample[field].detections[row]
        label.tags.append("approved")
        sample.save()

    tag("labels", 1, 2)
    counts = count_classes(blood, "labels")
    with monkeypatch.context() as patched:  # a form has them at hand
        patched.setattr(merging, "count_classes", None)
        assert check_merge(blood, "labels", "Platetets", "Platelets", counts) == (2, 1)
    done = merge_classes(blood, "labels", "Platetets", "Platelets")
    assert done.sentence == (
        "2 labels are now 'Platelets' instead of 'Platetets'. 1 approved label keeps it, as ground "
        "truth counts there."
    )
    assert _labels(blood)[:2] == [["Platelets", "Platelets"], ["Platelets", "RBC", "Platetets"]]
    with pytest.raises(InvalidParameter, match="All labels of the class 'Platetets' in 'labels'"):
        merge_classes(blood, "labels", "Platetets", "Platelets")

    # what was approved with its new class is not changed behind ground truth's back either
    tag("labels", 0, 1)
    again = "1 label is 'Platetets' again."
    since = "1 label was approved or given another class since, and keeps it."
    assert undo_merge(find_change(blood, done.token)) == f"{again} {since}"
    assert _labels(blood)[:2] == [["Platelets", "Platelets"], ["Platetets", "RBC", "Platetets"]]

    tag("kind", 1)
    assert merge_classes(blood, "kind", "stains", "stain").changed == 1
    assert _labels(blood, "kind") == [["stain"], ["stains"], ["stain"]]


def test_of_two_samples_whose_labels_share_an_id_each_keeps_its_own(blood):
    blood.add_collection(blood[1:2].clone(), new_ids=True)
    first, last = blood.skip(1).first(), blood.last()
    for one, label in zip(last.labels.detections, first.labels.detections, strict=True):
        one.id = label.id
    last.labels.detections[0].label = "Platelets"
    last.save()
    before = _labels(blood)
    done = merge_classes(blood, "labels", "Platetets", "Platelets")
    assert done.changed == 4
    undo_merge(find_change(blood, done.token))
    assert _labels(blood) == before


@pytest.mark.parametrize(
    ("label", "into", "sentence"),
    [
        ("RBC", "RBC", "It is already 'RBC'"),
        ("none", "RBC", "no labels of the class 'none'"),
        ("RBC", "rbc", "no labels of the class 'rbc'"),
    ],
)
def test_what_cannot_be_merged_gets_a_sentence(blood, label, into, sentence):
    before = _labels(blood)
    with pytest.raises(InvalidParameter, match=sentence):
        merge_classes(blood, "labels", label, into)
    assert _labels(blood) == before and not list_changes(blood)
    with pytest.raises(UnknownField):
        merge_classes(blood, "absent", "RBC", "WBC")


def test_a_field_that_is_renamed_meanwhile_is_not_made_again(blood, monkeypatch):
    from labelvet.review import merging

    monkeypatch.setattr(merging, "_SAMPLES_PER_WRITE", 1)
    rename = merging._rename

    def then_the_field_goes(*args):
        changed = rename(*args)
        blood.rename_sample_field("labels", "cells")
        return changed

    monkeypatch.setattr(merging, "_rename", then_the_field_goes)
    with pytest.raises(FieldGone, match="1 label had been renamed before"):
        merge_classes(blood, "labels", "Platetets", "Platelets")
    monkeypatch.undo()
    check_opens(blood)
    assert count_classes(blood, "cells") == {"Platelets": 2, "Platetets": 2, "RBC": 2}
    # with its name back, what was done can be undone
    blood.rename_sample_field("cells", "labels")
    (change,) = list_changes(blood)
    assert undo_merge(find_change(blood, change.token)) == "1 label is 'Platetets' again."


def test_the_operator_merges_and_says_so(blood):
    import fiftyone.operators as foo

    merge = foo.get_operator("@labelvet/labelvet/merge_classes")
    assert merge(blood, "labels", "Platetets", "Platelets").changed == 3
    done = foo.execute_operator(
        merge.uri,
        {"dataset": blood},
        params={"field": "labels", "label": "RBC", "into": "Platelets"},
    )
    assert done.result["summary"] == "2 labels are now 'Platelets' instead of 'RBC'."


def _pairs(found):
    return {(one.label, one.looks_like): len(one.rows) for one in found.confused}


def test_flipped_labels_look_like_their_class_by_neighbors_then_by_scores(flipped_labels):
    dataset, flipped = flipped_labels
    shown = load_map(dataset, "map")
    by_neighbors = find_class_pairs(dataset, "map")
    assert by_neighbors.source == "neighbors" and by_neighbors.similar == []
    find_label_issues(dataset, "map")
    by_scores = find_class_pairs(dataset, "map")
    assert by_scores.source == "scores"
    # one of the six is by its scores more probably right
    for found, missed in ((by_neighbors, 0), (by_scores, 1)):
        rows = np.concatenate([one.rows for one in found.confused])
        assert len(set(flipped) - set(hex_ids(shown.ids[rows]))) <= missed
        assert len(rows) <= len(flipped) + 4
        assert all(one.label != one.looks_like for one in found.confused)

    # what was corrected since does not look like another class any more
    label, looks_like = next(iter(_pairs(by_scores)))
    before = _pairs(by_scores)[label, looks_like]
    row = by_scores.confused[0].rows[0]
    sample = dataset[hex_ids(shown.sample_ids[row : row + 1])[0]]
    (wrong,) = (one for one in sample.labels.detections if one.id == hex_ids(shown.ids[[row]])[0])
    wrong.label = looks_like
    sample.save()
    assert _pairs(find_class_pairs(dataset, "map")).get((label, looks_like), 0) == before - 1


@pytest.mark.slow
def test_two_names_of_a_class_are_found_by_name_and_by_look(make_dataset):
    dataset, _ = labeled_dataset(make_dataset(), *clusters(480)[:3])
    for number, sample in enumerate(dataset):
        for label in sample.labels.detections:
            if label.label == "c0":
                label.label = ("Platelets", "Platetets")[number % 2]
            if label.label == "c1" and number % 2:
                label.label = "something else"
        sample.save()
    by_pair = {(one.label, one.into): one for one in find_class_pairs(dataset, "map").similar}
    counts = count_classes(dataset, "labels")
    reasons = {frozenset(pair): one.reason for pair, one in by_pair.items()}
    assert reasons == {
        frozenset(("Platelets", "Platetets")): "typo",
        frozenset(("c1", "something else")): "look alike",
    }
    for (label, into), one in by_pair.items():
        assert (one.labels, one.into_labels) == (counts[label], counts[into])
        assert counts[label] <= counts[into] and one.mixing > 0.6
    ((label, into), _), *_ = by_pair.items()
    merge_classes(dataset, "labels", label, into)
    assert (label, into) not in {
        (one.label, one.into) for one in find_class_pairs(dataset, "map").similar
    }


def test_a_run_without_a_neighbor_graph_is_asked_by_its_map(judged):
    import fiftyone.brain as fob

    with pytest.raises(InvalidParameter, match="whole images"):
        find_class_pairs(judged, "theirs")
    rng = np.random.default_rng(0)
    embeddings = {id_: rng.random((3, 5)) for id_ in judged.values("id")}
    fob.compute_visualization(
        judged, patches_field="predictions", embeddings=embeddings, method="pca",
        brain_key="foreign", verbose=False,
    )  # fmt: skip
    assert find_class_pairs(judged, "foreign").source == "map"
