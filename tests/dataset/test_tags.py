import subprocess
import sys

import fiftyone as fo
import numpy as np
import pytest
from fiftyone import ViewField as F
from labelvet.core.errors import InvalidParameter, UnknownField, UnknownUndo
from labelvet.dataset import changes, tag_updates, tags
from labelvet.dataset.documents import samples_of
from labelvet.dataset.tags import tag_labels, tag_samples, tag_view, undo
from labelvet.maps.map import load_map

TAGS = "predictions.detections.tags"


def tag_rows(dataset, rows, tag="needs-review", remove=False):
    shown = load_map(dataset, "ours")
    labels = shown.sample_ids[rows], shown.ids[rows]
    return tag_labels(dataset, "predictions", labels, tag, remove)


def tagged_rows(dataset, tag="needs-review"):
    return [n for n, tags in enumerate(all_tags(dataset)) if tag in tags]


def all_tags(dataset):
    return [tags for of_sample in dataset.values(TAGS) for tags in of_sample]


@pytest.mark.parametrize("batch", [1, 3, 50_000])
def test_labels_are_tagged_untagged_and_only_what_changed_is_undone(judged, monkeypatch, batch):
    monkeypatch.setattr(tags, "_BATCH", batch)
    before = judged.values(TAGS)
    first = tag_rows(judged, [2, 3])
    assert (first.changed, first.unchanged) == (2, 0) and tagged_rows(judged) == [2, 3]
    second = tag_rows(judged, [3, 4, 9])
    assert (second.changed, second.unchanged) == (2, 1) and tagged_rows(judged) == [2, 3, 4, 9]
    undone = undo(judged, second.token)
    assert undone.changed == 2 and "2 labels" in undone.sentence
    assert tagged_rows(judged) == [2, 3]
    with pytest.raises(UnknownUndo, match="already undone"):
        undo(judged, second.token)
    removed = tag_rows(judged, [1, 2], remove=True)
    assert (removed.changed, removed.unchanged) == (1, 1) and tagged_rows(judged) == [3]
    undo(judged, removed.token)
    undo(judged, first.token)
    assert judged.values(TAGS) == before


def test_nothing_to_change_leaves_nothing_to_undo(judged):
    tag_rows(judged, [5])
    done = tag_rows(judged, [5])
    assert (done.changed, done.unchanged, done.token) == (0, 1, None)
    assert tag_rows(judged, []).token is None


def test_what_is_in_memory_and_when_it_changed_are_kept_true(judged):
    samples = [judged.first(), judged.last()]
    before = [sample.last_modified_at for sample in samples]
    tag_rows(judged, [0])
    assert samples[0].predictions.detections[0].tags == ["needs-review"]
    assert samples[0].last_modified_at > before[0] and samples[1].last_modified_at == before[1]


def test_tags_that_are_null_or_missing_become_lists(judged):
    samples_of(judged).update_many({}, {"$set": {"predictions.detections.0.tags": None}})
    samples_of(judged).update_many({}, {"$unset": {"predictions.detections.1.tags": 1}})
    assert tag_rows(judged, [0, 1, 2]).changed == 3
    assert judged.first().predictions.detections[1].tags == ["needs-review"]
    samples_of(judged).update_many({}, {"$set": {"tags": None}})
    assert tag_view(judged, None, "seen").changed == 8


def test_labels_that_were_deleted_are_passed_over(judged):
    judged.delete_labels(ids=judged.load_brain_results("ours").label_ids[1])
    judged.delete_samples(judged.last())
    done = tag_rows(judged, [0, 1, 2, 23])
    assert (done.changed, done.unchanged) == (2, 0)
    judged.delete_samples(judged.first())
    assert undo(judged, done.token).changed == 0


@pytest.mark.slow
@pytest.mark.parametrize("evaluation", [False, True])
def test_open_patches_views_get_the_tags_too(judged, evaluation):
    if evaluation:
        judged.clone_sample_field("predictions", "truth")
        judged.evaluate_detections("predictions", "truth", eval_key="eval")
        patches, path = judged.to_evaluation_patches("eval"), TAGS
    else:
        patches, path = judged.to_patches("predictions"), "predictions.tags"
    done = tag_rows(judged, [0, 7])
    assert patches.count_values(path)["needs-review"] == 2
    undo(judged, done.token)
    assert patches.count_values(path) == judged.count_values(TAGS) == {}


def test_open_patches_of_missed_objects_stay_without_predictions(judged):
    judged.clone_sample_field("predictions", "truth")
    (missing, *_) = judged.values("predictions.detections.id", unwind=True)
    judged.delete_labels(ids=[missing], fields="predictions")
    judged.evaluate_detections("predictions", "truth", eval_key="eval")
    patches = judged.to_evaluation_patches("eval")
    missed = patches.match({"type": "fn"})
    done = tag_view(judged, "predictions", "needs-review")
    assert patches.count_values(TAGS) == judged.count_values(TAGS) == {"needs-review": 23}
    assert missed.values("predictions") == [None]
    undo(judged, done.token)
    assert patches.count_values(TAGS) == judged.count_values(TAGS) == {}


@pytest.mark.parametrize("patches", [False, True])
def test_samples_are_tagged_once_each(judged, patches):
    shown = load_map(judged, "ours")
    view = judged.to_patches("predictions")
    if patches:
        done = tag_view(view.limit(4), None, "seen")
    else:
        done = tag_samples(judged, shown.sample_ids[[0, 1, 2, 3]], "seen")
    assert (done.changed, done.unchanged) == (2, 0)
    assert judged.count_sample_tags()["seen"] == 2
    assert view.count_values("tags").get("seen") == 6
    undo(judged, done.token)
    assert "seen" not in judged.count_sample_tags()


def test_views_of_single_labels_and_classifications_are_tagged(judged):
    view = judged.filter_labels("weather", F("label") == "rain")
    done = tag_view(view, "weather", "wet")
    assert done.changed == 4
    assert judged.match(F("weather.tags").contains("wet")).count() == 4
    undo(judged, done.token)
    assert judged.count_label_tags() == {}


def test_views_of_labels_are_tagged_as_fiftyone_does(judged):
    view = judged.filter_labels("predictions", F("confidence") > 0.4)
    assert tag_view(view, "predictions", "a").changed == view.count("predictions.detections")
    view.tag_labels("b", label_fields="predictions")
    for of_label in all_tags(judged):
        assert ("a" in of_label) == ("b" in of_label)


@pytest.mark.processes
def test_another_process_undoes_after_a_crash(judged, monkeypatch):
    # the process dies between writing down what it will do and having done it
    push, calls = tag_updates._push_into_list, []

    def die(*args):
        calls.append(args)
        if len(calls) == 2:
            raise KeyboardInterrupt
        push(*args)

    tokens = []
    monkeypatch.setattr(tags, "_BATCH", 2)
    monkeypatch.setattr(tag_updates, "_push_into_list", die)
    monkeypatch.setattr(changes.secrets, "token_hex", lambda n: tokens.append("ab" * n) or "ab" * n)
    judged.persistent = True
    with pytest.raises(KeyboardInterrupt):
        tag_rows(judged, [0, 1, 2, 3])
    assert tagged_rows(judged) == [0, 1]
    code = (
        "import sys, fiftyone as fo; from labelvet.dataset.tags import undo;"
        "print(undo(fo.load_dataset(sys.argv[1]), sys.argv[2]).changed)"
    )
    command = [sys.executable, "-c", code, judged.name, tokens[0]]
    assert subprocess.check_output(command, text=True).split()[-1] == "2"
    judged.reload()
    assert tagged_rows(judged) == []


@pytest.mark.parametrize("token", [None, 1, "", "x", "0" * 24, {"$ne": 1}, "0" * 23 + "."])
def test_what_is_no_token_undoes_nothing(judged, token):
    with pytest.raises(UnknownUndo, match="nothing to undo"):
        undo(judged, token)


def test_another_datasets_change_cannot_be_undone(judged, make_dataset):
    token = tag_rows(judged, [0]).token
    with pytest.raises(UnknownUndo):
        undo(make_dataset(), token)
    assert tagged_rows(judged) == [0]


@pytest.mark.parametrize("tag", [None, 1, "", " ", "a" * 101, "a\nb", "a\0b", ["a"], {"$x": 1}])
def test_what_is_no_tag_is_refused(judged, tag):
    with pytest.raises(InvalidParameter, match="A tag is"):
        tag_rows(judged, [0], tag)


def test_odd_tags_are_only_text(judged):
    done = tag_rows(judged, [0], "$tags")
    assert judged.count_label_tags() == {"$tags": 1}
    assert tag_rows(judged, [0, 1], "$tags").unchanged == 1
    assert done.token


def test_fields_that_cannot_be_tagged_are_refused(judged):
    with pytest.raises(UnknownField):
        tag_view(judged, "nothing", "a")
    with pytest.raises(UnknownField):
        tag_view(judged, "checked", "a")
    field = judged.get_field("predictions")
    field.read_only = True
    field.save()
    with pytest.raises(InvalidParameter, match="read-only"):
        tag_rows(judged, [0])


def test_the_labels_of_a_view_of_nothing(judged):
    done = tag_view(judged.match(F("filepath") == "no"), "predictions", "a")
    assert (done.changed, done.unchanged) == (0, 0)
    assert np.array_equal(judged.distinct(TAGS), [])
    assert isinstance(judged, fo.Dataset)


def test_a_label_id_that_two_samples_have_is_untagged_in_both(make_dataset):
    label = fo.Detection(label="cat", bounding_box=[0.1, 0.1, 0.2, 0.2])
    samples = []
    for number in range(2):
        copy = label.copy()
        copy._id = label._id
        samples.append(fo.Sample(f"/{number}.jpg", both=fo.Detections(detections=[copy])))
    dataset = make_dataset()
    dataset.add_samples(samples)
    assert len(set(dataset.values("both.detections.id", unwind=True))) == 1
    tagged = tag_view(dataset, "both", "seen")
    assert dataset.count_label_tags() == {"seen": 2} and tagged.changed == 2
    assert undo(dataset, tagged.token).changed == 2
    assert dataset.count_label_tags() == {}
