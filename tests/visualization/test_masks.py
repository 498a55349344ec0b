"""Maps of crops without their background: masks in the document, on disk, and areas."""

from __future__ import annotations

import fiftyone as fo
import labelvet
import numpy as np
import pytest
from labelvet.core.errors import InvalidParameter
from labelvet.dataset.stored_embeddings import load_embeddings
from labelvet.visualization.update import find_changes, update_visualization
from PIL import Image

BOX = [0.25, 0.25, 0.5, 0.5]
AREA = [(0.25, 0.25), (0.5, 0.25), (0.5, 0.75), (0.25, 0.75)]


@pytest.fixture
def masked(make_dataset, tmp_path):
    """Eight images of noise with the same object each; its mask in three ways, and a box."""
    rng, dataset = np.random.default_rng(0), make_dataset()
    there = np.zeros((20, 40), bool)
    there[:, :20] = True
    file = tmp_path / "mask.png"
    Image.fromarray(there.astype(np.uint8) * 255).save(file)
    for number in range(8):
        pixels = rng.integers(0, 255, (60, 80, 3), dtype=np.uint8)
        pixels[15:45, 20:40] = (250, 20, 30)
        path = tmp_path / f"{number}.png"
        Image.fromarray(pixels).save(path)
        stored = fo.Detection(label="a", bounding_box=BOX, mask=there)
        on_disk = fo.Detection(label="a", bounding_box=BOX, mask_path=str(file))
        area = fo.Polyline(label="a", points=[AREA], closed=True)
        line = fo.Polyline(label="a", points=[[(0.75, 0.75), (0.25, 0.25)]])
        dataset.add_sample(
            fo.Sample(
                str(path),
                stored=fo.Detections(detections=[stored]),
                on_disk=fo.Detections(detections=[on_disk]),
                areas=fo.Polylines(polylines=[area, line]),
                boxes=fo.Detection(label="a", bounding_box=BOX),
            )
        )
    return dataset, file


def compute(dataset, field, key, **more):
    return labelvet.compute_visualization(dataset, field, key, method="pca", progress=False, **more)


def vectors(dataset, key):
    return load_embeddings(dataset, key).vectors


def test_the_object_alone_is_embedded(masked):
    dataset, _ = masked
    compute(dataset, "stored", "kept")
    compute(dataset, "stored", "removed", background="removed")
    compute(dataset, "on_disk", "file", background="removed")
    kept, removed, file = (vectors(dataset, key) for key in ("kept", "removed", "file"))
    # the same object on the same nothing, where its noisy surroundings differ
    assert np.allclose(removed, removed[0], atol=0.05 * np.abs(removed).max())
    assert np.allclose(removed, file, atol=0.02 * np.abs(removed).max())
    assert (
        np.linalg.norm(kept - kept[0], axis=1)[1:].min()
        > 5 * np.linalg.norm(removed - removed[0], axis=1).max()
    )
    assert compute(dataset, "stored", "again", background="removed").reused == 8
    assert compute(dataset, "stored", "dimmed", background="dimmed").reused == 0


def test_labels_without_an_area_are_counted(masked):
    dataset, _ = masked
    run = compute(dataset, "areas", "areas", background="removed")
    assert run.num_points == 16
    assert "8 labels have no mask or area: the background of each is kept." in run.summary()
    with pytest.raises(InvalidParameter, match="no masks or areas among the labels of 'boxes'"):
        compute(dataset, "boxes", "boxes", background="removed")
    with pytest.raises(InvalidParameter, match="no masks or areas among images"):
        compute(dataset, None, "images", background="removed")


def test_a_changed_mask_is_embedded_again(masked):
    dataset, file = masked
    compute(dataset, "stored", "map", background="removed")
    compute(dataset, "on_disk", "file", background="removed")
    assert not find_changes(dataset, "map") and not update_visualization(dataset, "map").changes
    before = vectors(dataset, "map")
    sample = dataset.first()
    sample["stored"].detections[0].mask = np.ones((20, 40), bool)
    sample.save()
    changes = update_visualization(dataset, "map", progress=False).changes
    assert (changes.changed, changes.unchanged) == (1, 7)
    after = vectors(dataset, "map")
    assert not np.allclose(before[0], after[0]) and (before[1:] == after[1:]).all()
    assert dataset.get_brain_info("map").config.labelvet["background"] == "removed"
    Image.fromarray(np.full((4, 4), 255, np.uint8)).save(file)
    with pytest.raises(labelvet.core.errors.NoPatches, match="All labels of 'file' were changed"):
        update_visualization(dataset, "file", progress=False)


def test_an_image_whose_mask_is_gone_is_skipped_with_the_reason(masked):
    dataset, _ = masked
    sample = dataset.first()
    sample["on_disk"].detections[0].mask_path = "/no/such/mask.png"
    sample.save()
    run = compute(dataset, "on_disk", "file", background="removed")
    assert run.num_points == 7
    assert "mask" in run.unreadable[sample.filepath]


def test_rotated_boxes_are_embedded_upright(make_dataset, tmp_path):
    """The same pattern at any angle looks the same, once it is upright."""
    dataset = make_dataset()
    for degrees in (0, 15, 30, 50, 70):
        turn = np.radians(degrees)
        axes = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * (40, 15) @ axes + 60
        y, x = np.mgrid[0:120, 0:120] + 0.5
        along, across = np.moveaxis((np.stack([x, y], axis=2) - 60) @ axes.T, 2, 0)
        waves = [np.sin(along / 5), np.sin(across / 4 + along / 9), np.cos(along / 12)]
        path = tmp_path / f"{degrees}.png"
        Image.fromarray((127 + 120 * np.stack(waves, 2)).astype(np.uint8)).save(path)
        box = fo.Polyline(label="a", points=[(corners / 120).tolist()], closed=True)
        dataset.add_sample(fo.Sample(str(path), boxes=fo.Polylines(polylines=[box])))
    compute(dataset, "boxes", "rotated")
    compute(dataset, "boxes", "upright", upright=True)

    def likeness(key):
        found = vectors(dataset, key)
        units = found / np.linalg.norm(found, axis=1, keepdims=True)
        return (units @ units.T).min()

    assert likeness("upright") > 0.98 > 0.9 > likeness("rotated")
    assert not find_changes(dataset, "upright")
    with pytest.raises(InvalidParameter, match="no rotated boxes among images"):
        compute(dataset, None, "images", upright=True)
