"""The composed dataset: what it promises, and that its truth is the truth."""

from __future__ import annotations

import numpy as np
import pytest
from labelvet.core.versions import PLUGIN
from labelvet.demo.detector import detect
from labelvet.demo.scenes import compose_scene, draw_landscape, overlap
from labelvet.demo.stamps import CLASSES, StampsUnavailable, load_stamps


@pytest.fixture(scope="module")
def stamps():
    try:
        return load_stamps(PLUGIN / ".cache" / "stamps")
    except StampsUnavailable as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def dataset(stamps, tmp_path_factory):
    from labelvet.demo.dataset import composed_dataset

    folder = tmp_path_factory.mktemp("scenes")
    dataset = composed_dataset("composed", folder, PLUGIN / ".cache" / "stamps")
    yield dataset
    dataset.delete()


def test_every_class_has_several_cut_outs(stamps):
    assert len(stamps) == len(CLASSES) >= 10
    assert all(len(cut_outs) >= 3 for cut_outs in stamps.values())
    assert all(c.ndim == 3 and c.shape[2] == 4 for group in stamps.values() for c in group)


def test_a_seed_decides_the_scene(stamps):
    first, again, other = (compose_scene(stamps, np.random.default_rng(s)) for s in (1, 1, 2))
    assert np.array_equal(first.image, again.image)
    assert first.labels == again.labels and np.array_equal(first.boxes, again.boxes)
    assert not np.array_equal(first.image, other.image)


def test_objects_are_where_the_truth_says(stamps):
    """Inside its box, a scene differs from the same landscape without objects."""
    for seed in range(5):
        scene = compose_scene(stamps, np.random.default_rng(seed))
        assert (scene.boxes >= 0).all()
        assert (scene.boxes[:, :2] + scene.boxes[:, 2:] <= 1 + 1e-9).all()
        empty = np.asarray(draw_landscape(np.random.default_rng(seed)), dtype=float)
        changed = np.abs(np.asarray(scene.image, dtype=float) - empty).max(axis=2) > 20
        height, width = changed.shape
        outside = np.ones_like(changed)
        for x, y, w, h in scene.boxes * [width, height, width, height]:
            window = (slice(round(y), round(y + h)), slice(round(x), round(x + w)))
            assert changed[window].mean() > 0.05
            outside[window] = False
        assert changed[outside].mean() < 0.01


@pytest.mark.slow
def test_the_dataset_is_as_large_as_promised(dataset):
    truth = dataset.values("ground_truth.detections.label", unwind=True)
    assert len(dataset) >= 150
    assert len(truth) >= 800
    assert len(set(truth)) >= 10
    predictions = dataset.values("yolow_detections.detections.confidence", unwind=True)
    assert len(predictions) >= 800 and all(0 <= c <= 1 for c in predictions)


@pytest.mark.slow
def test_the_detector_errs_in_every_way(dataset):
    right, confused, shifted, background = [], [], [], []
    missed = 0
    for sample in dataset:
        truth = sample.ground_truth.detections
        boxes = np.array([d.bounding_box for d in truth]).reshape(-1, 4)
        seen = set()
        for prediction in sample.yolow_detections.detections:
            shared = overlap(np.array(prediction.bounding_box), boxes)
            best = int(shared.argmax()) if len(shared) else -1
            if best >= 0 and shared[best] >= 0.5:
                seen.add(best)
                same = truth[best].label == prediction.label
                (right if same else confused).append(prediction.confidence)
            elif best >= 0 and shared[best] > 0.05:
                shifted.append(prediction.confidence)
            else:
                background.append(prediction.confidence)
        missed += len(truth) - len(seen)
    total = len(right) + len(confused) + len(shifted) + len(background)
    assert 0.7 < len(right) / total < 0.9
    assert min(len(confused), len(shifted), len(background), missed) > 0.03 * total
    wrong = confused + shifted + background
    # confidence tells something, but no threshold tells them apart
    assert np.median(right) > np.median(wrong) + 0.1
    assert np.quantile(wrong, 0.9) > np.quantile(right, 0.25)


def test_no_object_no_harm():
    predictions = detect([], np.empty((0, 4)), ["a", "b"], np.random.default_rng(0))
    assert predictions.boxes.shape[1] == 4
    assert len(predictions.labels) == len(predictions.confidences) == len(predictions.boxes)
