"""Detectors by name and by file: real ones, and all that is not one."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from types import SimpleNamespace

import fiftyone as fo
import numpy as np
import pytest
import torch
from labelvet.autolabel.detectors import load_detector
from labelvet.core.errors import InvalidParameter, ModelUnavailable
from labelvet.embeddings.decoding import read_pixels
from PIL import Image
from tiny_clip import NAME, write_tiny_clip
from untrained import save_untrained


class Trap:
    """A pickle that leaves a file behind when it is opened."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_a_trained_detector_finds_what_was_asked_for(detector_file, scene_files):
    image = read_pixels(scene_files[0])
    every = load_detector(detector_file, confidence=0.05)
    (found,) = every.detect([every.prepare(image)])
    assert isinstance(found, fo.Detections) and len(found.detections)
    classes = {each.label for each in found.detections}
    assert all(0.05 <= each.confidence <= 1 for each in found.detections)
    assert all(0 <= value <= 1 for each in found.detections for value in each.bounding_box)
    one = sorted(classes)[0]
    only = load_detector(detector_file, [one], confidence=0.05)
    (found,) = only.detect([only.prepare(image)])
    assert {each.label for each in found.detections} == {one}


def test_a_batch_is_what_its_images_are_alone(detector_file, scene_files):
    detector = load_detector(detector_file, confidence=0.1)
    inputs = [detector.prepare(read_pixels(file)) for file in scene_files[:3]]
    together = detector.detect(inputs)
    alone = [detector.detect([each])[0] for each in inputs]
    for one, other in zip(together, alone, strict=True):
        assert len(one.detections) == len(other.detections)
        np.testing.assert_allclose(
            [each.bounding_box for each in one.detections],
            [each.bounding_box for each in other.detections],
            atol=1e-3,
        )


def test_boxes_of_a_turned_photo_are_upright(detector_file, scene_files, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned clockwise by a quarter
    turned = tmp_path / "phone.png"
    Image.open(scene_files[0]).transpose(Image.Transpose.ROTATE_90).save(turned, exif=exif)
    detector = load_detector(detector_file, confidence=0.3)
    upright, found = detector.detect(
        [detector.prepare(read_pixels(file)) for file in (scene_files[0], str(turned))]
    )
    assert found.detections
    for one, other in zip(upright.detections, found.detections, strict=True):
        assert one.label == other.label
        np.testing.assert_allclose(one.bounding_box, other.bounding_box, atol=0.02)


def test_a_slow_machine_loses_no_boxes(detector_file, scene_files, monkeypatch):
    detector = load_detector(detector_file, confidence=0.3)
    images = [detector.prepare(read_pixels(file)) for file in scene_files[:3]]
    expected = [len(found.detections) for found in detector.detect(images)]
    # each look at the clock is a minute later
    clock = SimpleNamespace(time=map(float, count(0, 60)).__next__)
    monkeypatch.setattr("ultralytics.utils.nms.time", clock)
    assert [len(found.detections) for found in detector.detect(images)] == expected
    assert expected[0] and expected[-1]


def test_an_unknown_class_is_told_what_there_is(detector_file):
    with pytest.raises(
        InvalidParameter, match=r"does not know 'unicorn'. It knows 'apple', 'ball'"
    ):
        load_detector(detector_file, ["apple", "unicorn"])


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        ("no-such-model", "There is no detector 'no-such-model'"),
        ("/nowhere/best.pt", "There is no file '/nowhere/best.pt'"),
        ("https://example.com/best.pt", "'https://example.com/best.pt' is an address"),
        ("dinov2-vits14-torch", "finds neither objects nor classes"),
        ("clip-vit-base32-torch", "finds the classes that you name"),
        ("yolo26n-cls-imagenet-torch", "give ultralytics' own name of it"),
        ("https://example.com/zoo", "'https://example.com/zoo' is an address"),
    ],
)
def test_what_is_no_detector_is_refused(model, sentence):
    with pytest.raises(InvalidParameter, match=sentence):
        load_detector(model)


def test_a_model_that_cannot_be_fetched_says_what_to_do(monkeypatch):
    # no route there, whether or not this machine has a network
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with pytest.raises(ModelUnavailable, match="copy its file to this machine"):
        load_detector("yolo11n.pt")


def test_a_checkpoint_never_runs_code(tmp_path):
    sprung = tmp_path / "sprung"
    file = tmp_path / "best.pt"
    torch.save({"model": Trap(sprung)}, file)
    with pytest.raises(ModelUnavailable, match="could not be loaded"):
        load_detector(str(file))
    assert not sprung.exists()
    torch.load(file, weights_only=False)  # so that the test can fail
    assert sprung.exists()


def test_a_file_that_is_no_checkpoint(tmp_path):
    file = tmp_path / "best.pt"
    file.write_text("not a checkpoint")
    with pytest.raises(ModelUnavailable, match="could not be loaded"):
        load_detector(str(file))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "finds"),
    [("seg", "Detections"), ("obb", "Polylines"), ("pose", "Keypoints"), ("cls", "Classification")],
)
def test_a_model_finds_what_its_task_is(tmp_path, scene_files, task, finds):
    from ultralytics import YOLO

    # it was never trained: what it finds is nothing, with most seeds, but is of its type
    file = save_untrained(f"yolov8n-{task}", tmp_path / "best.pt")
    detector = load_detector(file, confidence=0.0)
    image = detector.prepare(read_pixels(scene_files[0]))
    (found,) = detector.detect([image])
    assert detector.finds is type(found) is getattr(fo, finds)
    (result,) = YOLO(file).predict([image], conf=0.0, verbose=False)
    if task == "seg":
        assert found.detections and all(each.mask is not None for each in found.detections)
    elif task == "obb":
        assert found.polylines and all(one.closed and not one.filled for one in found.polylines)
        points = [one.points[0] for one in found.polylines]
        np.testing.assert_allclose(points, result.obb.xyxyxyxyn, atol=1e-3)
        confidences = [one.confidence for one in found.polylines]
        np.testing.assert_allclose(confidences, result.obb.conf, atol=1e-4)
    elif task == "pose":
        points, sure = result.keypoints.xyn.numpy(), result.keypoints.conf.numpy()
        assert len(points) == len(found.keypoints) > 0
        np.testing.assert_allclose([one.points for one in found.keypoints], points, atol=1e-3)
        np.testing.assert_allclose([one.confidence for one in found.keypoints], sure, atol=1e-4)
    else:
        best = result.names[result.probs.top1]
        assert found.label == best and found.confidence == pytest.approx(
            float(result.probs.top1conf), abs=1e-4
        )
        other = load_detector(file, [next(n for n in result.names.values() if n != best)])
        assert other.detect([image]) == [None]
        assert load_detector(file, [best], confidence=0.0).detect([image])[0].label == best


@pytest.mark.slow
def test_an_open_vocabulary_needs_its_text_encoder(tmp_path):
    from ultralytics import YOLOWorld

    file = tmp_path / "renamed.pt"
    YOLOWorld("yolov8s-world.yaml").save(file)
    assert load_detector(str(file)).device
    with pytest.raises(ModelUnavailable, match="text encoder"):
        load_detector(str(file), ["a red car"])


def test_a_detector_of_fiftyones_own(scene_files):
    import fiftyone.utils.torch as fout

    model = fout.TorchImageModel(
        fout.TorchImageModelConfig(
            {
                "entrypoint_fcn": "torchvision.models.detection.ssdlite320_mobilenet_v3_large",
                "entrypoint_args": {"weights": None, "weights_backbone": None, "num_classes": 3},
                "output_processor_cls": "fiftyone.utils.torch.DetectorOutputProcessor",
                "labels_string": "nothing,cat,dog",
                "use_half_precision": False,
            }
        )
    )
    image = read_pixels(scene_files[0])
    detector = load_detector(model, ["dog"], confidence=0.0)
    (found,) = detector.detect([detector.prepare(image)])
    assert {each.label for each in found.detections} == {"dog"}
    with pytest.raises(InvalidParameter, match="does not know 'horse'"):
        load_detector(model, ["horse"])


@pytest.mark.slow
def test_a_classifier_of_the_zoo_finds_the_classes_that_are_named(
    scene_files, tmp_path, monkeypatch
):
    monkeypatch.setattr(fo.config, "model_zoo_dir", str(tmp_path))
    write_tiny_clip(tmp_path)
    names = ["red", "green", "a dog"]
    image = read_pixels(scene_files[0])
    one = load_detector(NAME, names, confidence=0.0)
    (best,) = one.detect([image])
    several = load_detector(NAME, names, confidence=0.0, several=True)
    (found,) = several.detect([several.prepare(image)])
    assert (one.finds, several.finds) == (fo.Classification, fo.Classifications)
    labels = [each.label for each in found.classifications]
    sure = [each.confidence for each in found.classifications]
    assert sorted(labels) == sorted(names) and sum(sure) == pytest.approx(1)
    assert sure == sorted(sure, reverse=True)
    assert (best.label, best.confidence) == (labels[0], pytest.approx(sure[0], abs=1e-4))
    between = sum(sure[:2]) / 2
    (found,) = load_detector(NAME, names, between, several=True).detect([image])
    assert [each.label for each in found.classifications] == [labels[0]]
    assert load_detector(NAME, names, (1 + sure[0]) / 2).detect([image]) == [None]


@pytest.mark.parametrize("confidence", [-0.1, 1.5, float("nan")])
def test_a_confidence_is_between_0_and_1(confidence):
    with pytest.raises(InvalidParameter, match="between 0 and 1"):
        load_detector("yolo11n.pt", confidence=confidence)
