"""What is refused before anything is sent, and the forms."""

from __future__ import annotations

import fiftyone as fo
import pytest
from fiftyone.operators.executor import ExecutionContext, Executor
from labelvet.core.errors import InvalidParameter, NoPatches, ToolUnavailable, UnknownField
from labelvet.handover.sending import send_for_correction
from labelvet.operators import BringBack, SendForCorrection

FIELD = "predictions"


@pytest.fixture
def somewhere(monkeypatch):
    """A CVAT that FiftyOne's config names: nothing asks it here."""
    known = {**fo.annotation_config.backends["cvat"], "username": "me", "password": "secret"}
    monkeypatch.setitem(fo.annotation_config.backends, "cvat", known)


def form(operator, dataset, **params):
    request = {"dataset_name": dataset.name, "params": params}
    context = ExecutionContext(request, executor=Executor())
    return operator.resolve_input(context).type.properties


def test_a_tool_that_is_not_set_up_is_told(boxes):
    settings = fo.annotation_config.backends["labelstudio"]
    assert settings.keys() == {"config_cls", "url"}  # of FiftyOne's own
    for backend, error, said in (
        (
            "labelstudio",
            ToolUnavailable,
            "set FIFTYONE_LABELSTUDIO_URL and FIFTYONE_LABELSTUDIO_API_KEY",
        ),
        ("cvat", ToolUnavailable, "set FIFTYONE_CVAT_USERNAME and FIFTYONE_CVAT_PASSWORD"),
        ("labelbox", InvalidParameter, "choose Label Studio or CVAT"),
        ("paper", InvalidParameter, "no annotation backend 'paper'"),
    ):
        with pytest.raises(error, match=said):
            send_for_correction(boxes, FIELD, "round_1", backend)
    assert not boxes.list_annotation_runs()


def test_what_cannot_be_sent_is_refused(boxes, somewhere):
    boxes.add_sample_field("shape", fo.EmbeddedDocumentField, embedded_doc_type=fo.Polylines)
    sample = boxes.first()
    sample["shape"] = fo.Polylines(polylines=[fo.Polyline(points=[[(0, 0), (1, 1)]])])
    sample.save()
    for field, key, error, said in (
        ("shape", "round_1", InvalidParameter, "holds Polylines, and only boxes"),
        ("absent", "round_1", UnknownField, "no label field 'absent'"),
        (FIELD, "round 1", InvalidParameter, "An annotation key has letters"),
    ):
        with pytest.raises(error, match=said):
            send_for_correction(boxes, field, key, "cvat")
    for sample, tag in zip(boxes, ("approved", "reviewed", "rejected", "odd"), strict=True):
        for label in sample[FIELD].detections:
            label.tags = [tag]
        sample.save()
    with pytest.raises(NoPatches, match="tagged needs-review can be sent here: choose"):
        send_for_correction(boxes, FIELD, "round_1", "cvat")
    with pytest.raises(NoPatches, match=r"can be sent here \(2 stay here as they are approved\)"):
        send_for_correction(boxes[:1], FIELD, "round_1", "cvat", flagged=False)
    sample = boxes.last()
    sample.filepath = "/absent.jpg"
    sample.save()
    with pytest.raises(InvalidParameter, match=r"1 image cannot be read, the first is /absent.jpg"):
        send_for_correction(boxes, FIELD, "round_1", "cvat", flagged=False)


def test_labels_of_frames_are_refused(make_dataset, somewhere):
    dataset = make_dataset()
    sample = fo.Sample("/video.mp4")
    sample.frames[1] = fo.Frame(boxes=fo.Detections(detections=[fo.Detection(label="cat")]))
    dataset.add_sample(sample)
    with pytest.raises(InvalidParameter, match="Labels of frames are not sent"):
        send_for_correction(dataset, "frames.boxes", "round_1", "cvat", flagged=False)


def test_the_forms(boxes, somewhere):
    parts = form(BringBack(), boxes)
    assert parts["none"].invalid
    parts = form(SendForCorrection(), boxes)
    assert parts["backend"].default == "cvat"
    assert parts["preview"].view.label.startswith("8 labels of 'predictions' will be sent")
    choices = {one.value: one.label for one in parts["backend"].view.choices}
    assert (choices["cvat"], choices["labelstudio"]) == ("CVAT", "Label Studio")
    sample = boxes.first()
    one, other = sample[FIELD].detections
    one.tags, other.label = ["approved"], None
    sample.save()
    for number, params in (
        (6, {}), (7, {"whole_images": True, "flagged": False}), (6, {"flagged": False})
    ):  # fmt: skip
        line = form(SendForCorrection(), boxes, **params)["preview"].view.label
        assert line.startswith(f"{number} labels of 'predictions' will be sent")
    parts = form(SendForCorrection(), boxes, backend="labelstudio")
    assert parts["problem"].invalid and "FIFTYONE_LABELSTUDIO_URL" in parts["problem"].view.label
    boxes.untag_labels("needs-review", FIELD)
    assert form(SendForCorrection(), boxes)["preview"].invalid
