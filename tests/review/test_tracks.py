"""Labels of one track: asked about once, answered for together, as one change."""

from __future__ import annotations

from dataclasses import replace

import fiftyone as fo
import numpy as np
import pytest
from clusters import clusters
from labelvet import compute_visualization
from labelvet.issues.find import find_label_issues
from labelvet.issues.suspicion import find_suspects
from labelvet.panels.label_embeddings.panel import LabelEmbeddings
from labelvet.panels.undoing import undo
from labelvet.review.answers import give_answers
from labelvet.review.learning import learn
from labelvet.review.queue import next_issues
from labelvet.review.tracks import with_tracks
from labelvet.review.verdicts import Answer
from panel_app import PanelApp

FIELD, TRACKS, IMAGES = "labels", 12, 7


@pytest.fixture
def followed(make_dataset):
    """Seven images with a label of each of 12 tracks; two of the first are called person."""
    dataset, rng = make_dataset(), np.random.default_rng(0)
    instances = [fo.Instance() for _ in range(TRACKS)]
    for image in range(IMAGES):
        labels = [
            fo.Detection(
                label="person" if track % 2 or (track == 0 and image in (2, 5)) else "car",
                bounding_box=[0.08 * track, 0.1, 0.07, 0.2],
                instance=instances[track],
                vector=3 * np.eye(2, 16)[track % 2] + 0.1 * rng.normal(size=16),
            )
            for track in range(TRACKS)
        ]
        sample = fo.Sample(f"/{image}.jpg", labels=fo.Detections(detections=labels))
        dataset.add_sample(sample, dynamic=True)
    compute_visualization(dataset, FIELD, "map", embeddings="vector", method="pca", progress=False)
    find_label_issues(dataset, "map")
    return dataset


class App(PanelApp):
    panel = LabelEmbeddings


def answer(item, verdict, name=None):
    return Answer(item.sample_id, item.id, item.label, verdict, name)


def give(dataset, *answers):
    return give_answers(dataset, FIELD, with_tracks(dataset, "map", answers), "ada")


def first_track(dataset):
    dataset.reload()
    return [labels[0] for labels in dataset.values(f"{FIELD}.detections")]


def test_a_track_is_asked_about_once_for_each_of_its_issues(followed):
    queue = next_issues(followed, "map", 200)
    assert queue.left == TRACKS * IMAGES and len(queue.items) == TRACKS + 1
    item = queue.items[0]
    assert (item.issue, item.label, item.suggested, item.along) == (
        "mislabeled",
        "person",
        "car",
        1,
    )
    assert sorted(one.along for one in queue.items) == [1, 4, *(TRACKS - 1) * [6]]
    # what somebody edited is passed over, and the next one of its track asked about
    edit = {"sample_id": item.sample_id, "label_id": item.id, "value": "truck"}
    followed.set_label_values(f"{FIELD}.detections.label", [edit])
    queue = next_issues(followed, "map", 200)
    assert queue.passed == 1 and len(queue.items) == TRACKS + 1
    (other,) = (one for one in queue.items if one.issue == "mislabeled")
    assert other.id != item.id
    assert give(followed, answer(other, "wrong class", "car")).changed == 1


def test_an_answer_for_all_of_a_track_is_one_change(followed):
    app = App(followed)
    about = {"key": "map", "run": app("open_run", key="map")["run"]["run"]}
    (item,) = app("next_issues", count=1, **about)["queue"]["items"]
    given = {name: item[name] for name in ("id", "sampleId")}
    given |= {"seen": item["label"], "verdict": "wrong class", "label": "car"}
    done = app("answer", answers=[given], along=item["along"] == 1, **about)
    assert (done["changed"], done["refused"]) == (2, 0)
    assert done["sentence"] == "2 labels are now 'car'."
    assert [label.label for label in first_track(followed)] == IMAGES * ["car"]
    assert followed.count_values(f"{FIELD}.detections.review")["wrong class"] == 2
    queue = next_issues(followed, "map", 200)
    assert (queue.reviewed, queue.left, len(queue.items)) == (2, TRACKS * IMAGES - 2, TRACKS)
    undo(followed, done["undo"])
    names = [label.label for label in first_track(followed)]
    assert names == ["car", "car", "person", "car", "car", "person", "car"]
    assert next_issues(followed, "map", 1).items[0].along == 1


def test_an_answer_for_one_label_leaves_the_others_to_be_asked_about(followed):
    items = next_issues(followed, "map", 200).items
    item = next(one for one in items if one.along == 6)
    give_answers(followed, FIELD, [answer(item, "right")], "ada")
    followed.select_labels(ids=[items[0].id]).tag_labels("rejected", FIELD)
    queue = next_issues(followed, "map", 200)
    assert len(queue.items) == TRACKS + 1
    assert sorted(one.along for one in queue.items) == [0, 4, 5, *(TRACKS - 2) * [6]]
    # a box is for its own label, and what has an answer keeps it
    box = replace(answer(item, "badly placed"), box=(0.1, 0.1, 0.2, 0.2))
    assert with_tracks(followed, "map", [box]) == [box]
    (other,) = (one for one in queue.items if one.along == 5)
    assert len(with_tracks(followed, "map", [answer(other, "skipped")])) == 6
    assert len(with_tracks(followed, "map", [answer(items[0], "right")])) == 2


def test_the_answers_for_one_question_count_as_one():
    table, vectors, _, _ = clusters(60)
    found = find_suspects(table, vectors)
    clues = found.clues.copy()
    clues[1:3] = clues[0]
    found, questions = replace(found, clues=clues), np.maximum(np.arange(60) - 2, 0)
    rows, wrong = np.arange(4), np.array([True, True, True, False])
    once = learn(found, rows[[0, 3]], wrong[[0, 3]], questions=questions)
    thrice = learn(found, rows, wrong, questions=questions)
    np.testing.assert_allclose(thrice.suspicion[4:], once.suspicion[4:], atol=1e-6)
    assert not np.allclose(learn(found, rows, wrong).suspicion[4:], once.suspicion[4:], atol=1e-3)
    # the first of each question come first, the most suspicious of them before all
    halves = np.arange(60) % 2
    learned = learn(found, rows[:0], wrong[:0], questions=halves)
    assert set(halves[learned.queue[:2]].tolist()) == {0, 1} and len(learned.queue) == 60
    assert learned.suspicion[learned.queue[0]] == learned.suspicion.max()
