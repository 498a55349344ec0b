import base64
import io

import numpy as np
import pytest
from labelvet.dataset.documents import samples_of
from labelvet.maps.map import load_map
from labelvet.maps.thumbnails import ThumbnailSettings, make_thumbnails
from PIL import Image


def thumbnails(dataset, rows, size=128, margin=0.5, key="ours"):
    return make_thumbnails(dataset, load_map(dataset, key), rows, ThumbnailSettings(size, margin))


def pixels(thumbnail):
    kind, data = thumbnail.image.split(",")
    assert kind == "data:image/jpeg;base64"
    return Image.open(io.BytesIO(base64.b64decode(data)))


def test_a_crop_shows_its_patch_with_a_margin(judged):
    judged.limit(1).tag_labels("seen")
    first, last = thumbnails(judged, [1, 23])
    # [0.3, 0.2, 0.2, 0.4] of 120x80 is 24x32 pixels, with half of that on each side
    assert pixels(first).size == (48, 64)
    assert np.allclose(first.box, [0.25, 0.25, 0.5, 0.5], atol=0.02)
    assert first.label == "dog" and first.tags == ("seen",)
    assert abs(first.confidence - 1 / 24) < 1e-6 and last.confidence > 0.9
    assert np.allclose(np.asarray(pixels(last)).mean((0, 1)), [210, 100, 50], atol=4)


def test_a_crop_at_the_edge_keeps_its_box(judged):
    (first,) = thumbnails(judged, [0], margin=1.0)
    assert first.confidence is None
    x, y, width, height = first.box
    # the box starts at 0.1 and the margin is cut off at the border
    assert np.allclose([x, width], [0.1 / 0.5, 0.2 / 0.5], atol=0.02) and y > 0 and height < 1


def test_a_crop_of_a_turned_photo_is_what_the_app_shows(judged):
    """The photo is stored lying: its left part, where the box is, is stored at its bottom."""
    stored = np.zeros((120, 80, 3), np.uint8)
    stored[84:, 16:48] = 255, 0, 0
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(stored).save(judged.first().filepath, exif=exif, quality=95)
    (first,) = thumbnails(judged, [0], margin=0)
    assert pixels(first).size == (24, 32)
    red = np.asarray(pixels(first)).astype(int)[8:-8, 8:-8]
    assert np.abs(red - [255, 0, 0]).max() < 40


def test_masks_are_drawn_or_it_is_said_why_not(judged, tmp_path):
    left = np.tile([255, 255, 0, 0], (3, 1)).astype(np.uint8)
    Image.fromarray(left).save(tmp_path / "left.png")
    (tmp_path / "broken.png").write_bytes(b"no image")
    first, second, *_ = judged
    first.predictions.detections[0].mask = left > 0
    first.predictions.detections[1].mask = np.zeros((2, 2), bool)
    for label, name in zip(second.predictions.detections, ("left", "broken", "none"), strict=True):
        label.mask_path = str(tmp_path / f"{name}.png")
    first.save()
    second.save()
    samples_of(judged).update_one({}, {"$set": {"predictions.detections.2.mask": b"damaged"}})
    shown = thumbnails(judged, list(range(7)), margin=0)
    samples_of(judged).update_one({}, {"$unset": {"predictions.detections.2.mask": ""}})
    shapes, problems = [t.shape for t in shown], [t.shape_problem for t in shown]
    for shape in (shapes[0], shapes[3]):
        assert sorted(shape.lines[0]) == [[0, 0], [0, 1], [0.5, 0], [0.5, 1]] and shape.filled
    assert problems == [
        None, "Its mask covers nothing.", "Its mask is damaged.",
        None, "The mask 'broken.png' cannot be read.", "The mask 'none.png' does not exist.", None,
    ]  # fmt: skip
    assert shapes[6] is None and all(t.image for t in shown)


def test_large_crops_shrink(judged):
    assert max(pixels(thumbnails(judged, [3], size=32)[0]).size) == 32


def test_whole_images_are_crops_of_themselves(judged):
    (thumbnail,) = thumbnails(judged, [2], key="theirs")
    assert pixels(thumbnail).size == (120, 80) and thumbnail.box == (0, 0, 1, 1)


def test_the_same_crop_twice_and_a_changed_image(judged):
    before = thumbnails(judged, [0])[0].image
    assert thumbnails(judged, [0])[0].image == before
    Image.new("RGB", (120, 80), (0, 0, 255)).save(judged.first().filepath)
    assert thumbnails(judged, [0])[0].image != before


def test_what_cannot_be_shown_says_why(judged, tmp_path):
    judged.delete_labels(ids=judged.load_brain_results("ours").label_ids[0])
    samples_of(judged).update_one(
        {}, {"$set": {"predictions.detections.0.bounding_box": [0.1, 0.1, 0.0, float("nan")]}}
    )
    (tmp_path / "1.jpg").write_bytes(b"no image")
    (tmp_path / "2.jpg").unlink()
    judged.delete_samples(judged.last())
    problems = [t.problem for t in thumbnails(judged, [0, 1, 2, 3, 6, 23])]
    assert "deleted" in problems[0] and "deleted" in problems[5]
    assert "box" in problems[1] and problems[2] is None
    assert "cannot be read" in problems[3] and "does not exist" in problems[4]
    assert str(tmp_path) not in "".join(filter(None, problems))
    judged.clear()
    assert "deleted" in thumbnails(judged, [4])[0].problem


@pytest.mark.parametrize("rows", [[], [5, 5]])
def test_no_rows_and_a_row_twice(judged, rows):
    assert [t.row for t in thumbnails(judged, rows)] == rows
