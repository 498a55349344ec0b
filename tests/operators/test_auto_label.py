"""*Auto label* as the App, Python and a delegated run call it."""

from __future__ import annotations

import sys

import fiftyone as fo
import fiftyone.operators as foo
import pytest
from fiftyone.operators.executor import ExecutionContext, ExecutionError
from labelvet.autolabel.auto_label import auto_label
from labelvet.autolabel.runs import AutoLabelRun, get_run, save_run
from labelvet.operators import AutoLabel

URI = "@labelvet/labelvet/auto_label"
ASKED = {"model": "yolo11n.pt", "label_field": "yolow_detections", "run_name": "first_pass"}


def form(dataset, view=(), **params):
    """Returns the form's inputs by name, with ``invalid`` and ``error_message`` set."""
    request = {"dataset_name": dataset.name, "params": params, "view": list(view)}
    ctx = ExecutionContext(request_params=request)
    return AutoLabel().resolve_input(ctx).type.properties


def test_the_form(scenes):
    inputs = form(scenes)
    assert {"model", "classes", "confidence", "label_field", "run_name"} < set(inputs)
    assert all(inputs[name].required for name in ASKED)
    assert inputs["confidence"].default == 0.25
    assert "yolov8s-world.pt" in [choice.value for choice in inputs["model"].view.choices]
    assert inputs["estimate"].view.label == "12 images will be labeled"
    assert "device" not in inputs and "device" in form(scenes, advanced=True)
    assert not any(prop.invalid for prop in form(scenes, **ASKED).values())


def test_a_confidence_that_is_none_is_refused(scenes):
    prop = form(scenes, **ASKED, confidence=10**400)["run_name"]
    assert prop.invalid and "confidence must be a number" in prop.error_message


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("label_field", "filepath", "does not hold Detections"),
        ("label_field", "a b", "letters, digits"),
        ("run_name", "1st", "must not start with a digit"),
        ("run_name", "a" * 201, "has 201 characters: it may have 200 at most"),
    ],
)
def test_the_form_checks_what_is_typed(scenes, name, value, problem):
    prop = form(scenes, **(ASKED | {name: value}))[name]
    assert prop.invalid and problem in prop.error_message


def test_the_form_asks_what_to_do_with_a_run_that_exists(scenes):
    run = AutoLabelRun("first_pass", "yolow_detections", "yolo11n.pt", None, 0.25)
    save_run(scenes, AutoLabelRun(**{**vars(run), "state": "in_review", "labels": 7, "images": 2}))
    inputs = form(scenes, **ASKED)
    assert inputs["existing"].required
    assert inputs["existing"].type.values == ["only_new", "replace"]
    assert "7 labels in 2 images" in inputs["existing"].view.label
    assert inputs["run_name"].invalid and "already" in inputs["run_name"].error_message
    for existing in ("only_new", "replace"):
        assert not form(scenes, **ASKED, existing=existing)["run_name"].invalid
    line = form(scenes, **ASKED, existing="only_new")["estimate"].view.label
    assert line == "Of 12 images, those that this run has not labeled yet will be labeled"
    inputs = form(scenes, **ASKED, existing="only_new", confidence=0.5)
    assert "go on with the same" in inputs["run_name"].error_message
    assert not form(scenes, **ASKED, existing="replace", confidence=0.5)["run_name"].invalid


def test_the_form_says_what_becomes_of_labels_that_the_view_does_not_show(scenes, detector_file):
    foo.get_operator(URI)(scenes.limit(5), detector_file, "found", "first", confidence=0.05)
    asked = {"model": detector_file, "label_field": "found", "run_name": "first"}
    assert "elsewhere" not in form(scenes, **asked)
    there = scenes.limit(5).values("found.detections")
    line = form(scenes, view=scenes.limit(2)._serialize(), **asked)["elsewhere"].view.label
    images, labels = sum(map(bool, there[2:])), sum(map(len, there[2:]))
    assert labels > 1 and line.startswith(
        f"{labels} labels of 'first' are in {images} images that the target view does not show"
    )
    # and so it is
    patches = scenes.limit(2).to_patches("found")
    auto_label(patches, detector_file, "found", "first", confidence=0.05, existing="only_new")
    assert scenes.count("found.detections") == sum(map(len, there))
    auto_label(patches, detector_file, "found", "first", confidence=0.05, existing="replace")
    assert scenes.count("found.detections") == sum(map(len, there[:2]))
    assert scenes.count("found_removed.detections") == sum(map(len, there))


def test_tracks_are_offered_for_frames_where_what_they_need_is_installed(
    make_dataset, scenes, monkeypatch
):
    videos = make_dataset()
    videos.add_sample(fo.Sample("/nowhere/a.mp4"))
    videos.first().frames[1] = fo.Frame(filepath=scenes.first().filepath)
    videos.first().save()
    view = videos.to_frames()._serialize()
    assert "track" not in form(scenes)
    assert form(videos, view)["track"].default and "no_tracker" not in form(videos, view)
    monkeypatch.setitem(sys.modules, "lap", None)
    inputs = form(videos, view)
    assert not inputs["track"].default
    assert inputs["no_tracker"].view.label == "Following objects needs pip install lap"


def test_a_video_dataset_says_so(make_dataset):
    dataset = make_dataset()
    dataset.add_sample(fo.Sample("/nowhere/a.mp4"))
    inputs = form(dataset)
    assert inputs["problem"].invalid and "images, not video" in inputs["problem"].view.label


def test_runs_from_python(scenes, detector_file):
    auto_label = foo.get_operator(URI)
    auto_label(scenes.limit(3), detector_file, "found", "first", confidence=0.2, classes=["apple"])
    run = get_run(scenes, "first")
    assert (run.images, run.classes, run.confidence) == (3, ("apple",), 0.2)
    assert scenes.count("found.detections") == run.labels
    with pytest.raises(ExecutionError, match="does not know 'unicorn'"):
        auto_label(scenes, detector_file, "found", "second", classes=["unicorn"])
    with pytest.raises(ExecutionError, match="already"):
        auto_label(scenes, detector_file, "found", "first", confidence=0.2, classes=["apple"])


def test_runs_delegated_with_progress(scenes, detector_file):
    from fiftyone.operators.delegated import DelegatedOperationService

    service = DelegatedOperationService()
    foo.get_operator(URI)(scenes, detector_file, "found", "later", delegate=True)
    (queued,) = service.list_operations(operator=URI, dataset_name=scenes.name)
    service.execute_queued_operations(dataset_name=scenes.name)
    (done,) = service.list_operations(operator=URI, dataset_name=scenes.name)
    assert done.id == queued.id and str(done.run_state) == "completed", done.result
    assert done.status.progress == pytest.approx(1.0) and "of 'later'" in done.status.label
    assert done.label == "Auto label: later" and get_run(scenes, "later").user
    service.delete_operation(done.id)
