"""Labels that a view lists twice, and labels of two samples that share an id."""

from pathlib import Path

import fiftyone as fo
import fiftyone.server.view as fosv
import labelvet
import numpy as np
import pytest
from fiftyone import ViewField as F
from labelvet.approval.basket import add_labels
from labelvet.approval.candidates import Selection, find_candidates, read_candidates
from labelvet.approval.candidates_view import candidates_view
from labelvet.core.errors import InvalidParameter
from labelvet.dataset.documents import parse_ids
from labelvet.dataset.patches import read_patches
from labelvet.dataset.tags import tag_labels, tag_view, undo
from labelvet.maps import selection
from labelvet.maps.columns import load_column
from labelvet.maps.map import load_map
from labelvet.maps.selection import select_stages, visible_rows
from labelvet.maps.thumbnails import ThumbnailSettings, make_thumbnails
from labelvet.review.answers import give_answers
from labelvet.review.known import read_known
from labelvet.review.verdicts import Answer
from labelvet.visualization.update import find_changes

FIELD = "predictions"


def compute(samples, key="k"):
    vectors = np.random.default_rng(0).normal(size=(samples.count("predictions.detections"), 4))
    return labelvet.compute_visualization(
        samples, "predictions", key, embeddings=vectors, method="pca", progress=False
    )


def test_a_label_that_a_view_lists_twice_is_one_patch(judged):
    twice = judged.limit(4).concat(judged.limit(2))
    table = read_patches(twice, "predictions")
    assert table.ids.tolist() == judged.limit(4).values("predictions.detections.id", unwind=True)
    assert len(read_patches(twice)) == 4


def test_one_of_two_labels_of_an_image_that_share_an_id_takes_the_other_along(judged):
    first = judged.first()
    label, other = first.predictions.detections[:2]
    other._id = label._id
    first.save()
    done = add_labels(find_candidates(judged, FIELD), Selection(classes=[label.label]))
    judged.reload()
    assert [one.tags for one in judged.first().predictions.detections[:2]] == [["for-approval"]] * 2
    undo(judged, done.token)
    assert judged.count_label_tags() == {}


@pytest.fixture
def repeated(judged, tmp_path):
    """The dataset ``judged``, whose 8 samples have the map ``k``, with a ninth sample of which the
    labels have the ids of those of the first."""
    first = judged.first()
    other = tmp_path / "other.jpg"
    other.write_bytes(Path(judged.last().filepath).read_bytes())
    copy = fo.Sample(str(other), predictions=first.predictions.copy())
    for label, of in zip(copy.predictions.detections, first.predictions.detections, strict=True):
        label._id, label.label = of._id, "copy"
        label.bounding_box = [0, 0, 0.5, 0.5]
    alone = judged.view().select(judged.values("id"))
    compute(alone)
    judged.add_sample(copy)
    ids = judged.values("predictions.detections.id")
    assert ids[8] == ids[0]
    return judged


def test_labels_of_two_samples_with_one_id_are_refused_together_and_told_apart(repeated):
    with pytest.raises(InvalidParameter, match="3 labels of 'predictions' have the id of a label"):
        compute(repeated, "all")
    assert "all" not in repeated.list_brain_runs()
    assert not find_changes(repeated, "k")
    first, shown = repeated.first(), load_map(repeated, "k")
    of_first = [label.label for label in first.predictions.detections]
    assert [
        t.label for t in make_thumbnails(repeated, shown, [0, 1, 2], ThumbnailSettings(64, 0))
    ] == of_first
    column = load_column(repeated, shown, "predictions.detections.label")
    assert [column.categories[code - 1] for code in column.codes[:3]] == of_first
    # the other sample's labels are no points of the map
    assert not visible_rows(shown, repeated.select(repeated.last().id)).any()
    assert not visible_rows(shown, repeated.select(repeated.last().id).to_patches(FIELD)).any()
    assert visible_rows(shown, repeated.limit(1)).sum() == 3
    sample = repeated.first()
    sample.predictions.detections = []
    sample.save()
    column = load_column(repeated, shown, "predictions.detections.label")
    assert (column.codes[:3] == 0).all()  # they are gone, and the copies are others


def test_the_review_of_labels_with_one_id_says_so_before_patches_are_made(repeated):
    candidates = find_candidates(repeated, FIELD)
    with pytest.raises(InvalidParameter, match="3 labels of 'predictions' have the id of another"):
        candidates_view(repeated, candidates, Selection(), "open")
    alone = repeated.limit(8)
    assert len(candidates_view(alone, candidates, Selection(), None)) == alone.count(
        "predictions.detections"
    )


def test_of_very_many_selected_samples_the_other_label_is_shown_too(repeated, monkeypatch):
    def select():
        shown = load_map(repeated, "k")
        stages = select_stages(shown, np.array([0, 1, 2]), repeated)
        return fosv.get_extended_view(repeated.view(), extended_stages=stages).values("id")

    assert selection._LISTED_UP_TO == 1_000
    assert select() == [repeated.first().id]
    monkeypatch.setattr(selection, "_LISTED_UP_TO", 0)
    assert select() == [repeated.first().id, repeated.last().id]


def tags(dataset):
    return {
        (number, place): label_tags
        for number, of_sample in enumerate(dataset.values("predictions.detections.tags"))
        for place, label_tags in enumerate(of_sample)
        if label_tags
    }


def test_a_tag_is_of_the_label_of_one_sample(repeated):
    samples = parse_ids(repeated.values("id"))
    ids = [parse_ids(of_sample) for of_sample in repeated.values("predictions.detections.id")]
    # of the ninth sample another label than of the first, and of the second all
    chosen = [(0, 0), (8, 1), (1, 0), (1, 1), (1, 2)]
    sample_ids = samples[[number for number, _ in chosen]]
    label_ids = np.array([ids[number][place] for number, place in chosen])
    for all_differ in (False, True):
        done = tag_labels(repeated, FIELD, (sample_ids, label_ids), "seen", all_differ=all_differ)
        assert done.changed == 5 and tags(repeated) == {key: ["seen"] for key in chosen}
        # somebody else tags the rest of them
        other = tag_labels(repeated, FIELD, (samples[[8, 8]], ids[8][[0, 2]]), "seen")
        assert other.changed == 2
        assert undo(repeated, done.token).changed == 5
        assert tags(repeated) == {key: ["seen"] for key in [(8, 0), (8, 2)]}
        assert undo(repeated, other.token).changed == 2 and tags(repeated) == {}


def test_a_flag_that_takes_other_tags_away_is_of_the_label_of_one_sample(repeated):
    samples = parse_ids(repeated.values("id"))
    ids = [parse_ids(of_sample) for of_sample in repeated.values("predictions.detections.id")]
    tag_labels(repeated, FIELD, (samples[[0, 8]], ids[0][[0, 0]]), "rejected")
    both = samples[[0, 8]], np.array([ids[0][0], ids[8][1]])
    flagged = tag_labels(repeated, FIELD, both, "needs-review")
    after = {(0, 0): ["needs-review"], (8, 0): ["rejected"], (8, 1): ["needs-review"]}
    assert tags(repeated) == after
    undo(repeated, flagged.token)
    assert tags(repeated) == {(0, 0): ["rejected"], (8, 0): ["rejected"]}


def test_a_tag_in_a_view_goes_to_the_labels_that_the_view_shows(repeated):
    view = repeated.filter_labels(FIELD, F("label") != "copy")
    assert tag_view(view, FIELD, "seen").changed == 24
    assert [number for number, _ in tags(repeated)] == [n for n in range(8) for _ in range(3)]
    candidates = find_candidates(repeated, FIELD)
    copies = repeated.filter_labels(FIELD, F("label") == "copy")
    assert [len(found) for found in read_candidates(candidates, Selection(), "open", copies)] == [
        3, 3
    ]  # fmt: skip


def test_an_answer_is_of_the_label_of_one_sample(repeated):
    first, last = repeated.first(), repeated.last()
    for sample in (first, last):  # asked together, each is what the reviewer saw
        label = sample.predictions.detections[0]
        assert label.id == first.predictions.detections[0].id
    answers = [
        Answer(first.id, first.predictions.detections[0].id, "cat", "wrong class", "bird"),
        Answer(last.id, last.predictions.detections[1].id, "copy", "not an object"),
    ]
    assert give_answers(repeated, FIELD, answers, "me").changed == 2
    labels = repeated.values("predictions.detections.label")
    assert labels[0] == ["bird", "dog", "cat"] and labels[8] == ["copy"] * 3
    assert tags(repeated) == {(0, 0): ["reviewed"], (8, 1): ["rejected"]}
    known = read_known(repeated, FIELD)
    assert known.sample_ids.tolist() == parse_ids([first.id, last.id]).tolist()
    assert known.ids.tolist() == parse_ids([answer.label_id for answer in answers]).tolist()
