"""Labels that a view lists twice, and labels of two samples that share an id."""

from pathlib import Path

import fiftyone as fo
import labelvet
import numpy as np
import pytest
from labelvet.core.errors import InvalidParameter
from labelvet.dataset.patches import read_patches
from labelvet.maps.map import load_map
from labelvet.maps.thumbnails import make_thumbnails
from labelvet.visualization.update import find_changes


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


def test_labels_of_two_samples_with_one_id_are_refused_together_and_told_apart(judged, tmp_path):
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
    assert (
        judged.values("predictions.detections.id")[8]
        == judged.values("predictions.detections.id")[0]
    )
    with pytest.raises(InvalidParameter, match="3 labels of 'predictions' have the id of a label"):
        compute(judged, "all")
    assert "all" not in judged.list_brain_runs()
    assert not find_changes(judged, "k")
    shown = load_map(judged, "k")
    labels = [t.label for t in make_thumbnails(judged, shown, [0, 1, 2], 64, 0)]
    assert labels == [label.label for label in first.predictions.detections]
