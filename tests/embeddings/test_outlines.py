"""Crops whose background is dimmed or removed, by masks and by the areas of polylines."""

from __future__ import annotations

import io
import zlib

import cv2
import numpy as np
import pytest
from labelvet.core.errors import InvalidParameter
from labelvet.embeddings.crops import CropSettings, cut_crops
from labelvet.embeddings.decoding import UnreadableImage
from labelvet.embeddings.outlines import cut_outlined
from PIL import Image

NOTHING = (124, 116, 104)
BOX = [0.2, 0.1, 0.4, 0.6]  # pixels 20 to 60 of 100, 8 to 56 of 80
RED = (200, 40, 80)


@pytest.fixture
def pixels():
    return np.full((80, 100, 3), RED, np.uint8)


def as_stored(mask):
    """What FiftyOne writes into the database."""
    data = io.BytesIO()
    np.save(data, mask)
    return zlib.compress(data.getvalue())


def cut(pixels, outline, box=BOX, **settings):
    outlines = np.empty(1, dtype=object)
    outlines[0] = outline
    (crop,) = cut_outlined(pixels, np.array([box]), outlines, CropSettings(**settings))
    return crop


def half(rows=4, columns=4):
    """A mask whose left half is covered."""
    mask = np.zeros((rows, columns), bool)
    mask[:, : columns // 2] = True
    return mask


@pytest.mark.parametrize("kind", [bool, np.uint8, np.float64])
def test_what_a_mask_leaves_out_is_removed(pixels, kind):
    crop = cut(pixels, as_stored(half().astype(kind)), background="removed")
    assert crop.shape == (48, 40, 3)
    assert (crop[:, :20] == RED).all() and (crop[:, 20:] == NOTHING).all()
    assert (pixels == RED).all()


def test_what_a_mask_leaves_out_is_dimmed(pixels):
    crop = cut(pixels, as_stored(half()), background="dimmed")
    expected = np.array(RED) * 0.25 + np.array(NOTHING) * 0.75
    assert (crop[:, :20] == RED).all() and np.abs(crop[:, 20:] - expected).max() <= 1


def test_the_background_is_kept_by_default(pixels):
    assert (cut(pixels, as_stored(half())) == RED).all()
    plain = cut_crops(pixels, np.array([BOX]), CropSettings(background="removed"))
    assert (plain[0] == RED).all()


def test_a_label_without_an_outline_keeps_its_background(pixels):
    assert (cut(pixels, None, background="removed") == RED).all()


def test_a_mask_of_any_size_is_stretched_over_its_box(pixels):
    small = cut(pixels, as_stored(half(1, 2)), background="removed")
    large = cut(pixels, as_stored(half(480, 400)), background="removed")
    assert (small == large).all() and (small[:, :20] == RED).all()


def test_padding_is_background(pixels):
    crop = cut(pixels, as_stored(np.ones((3, 3), bool)), background="removed", alpha=0.5)
    covered = (crop == RED).all(axis=2)
    rows, columns = np.flatnonzero(covered.any(axis=1)), np.flatnonzero(covered.any(axis=0))
    assert crop.shape == (68, 60, 3) and covered.sum() == 48 * 40
    assert (columns[0], columns[-1]) == (10, 49) and (rows[0], rows[-1]) == (8, 55)


def test_a_box_that_reaches_out_of_the_image_keeps_its_place(pixels):
    crop = cut(pixels, as_stored(half()), [-0.2, 0, 0.4, 1], background="removed")
    assert crop.shape == (80, 20, 3) and (crop == NOTHING).all()  # its left half is outside
    crop = cut(pixels, as_stored(half()[:, ::-1]), [-0.2, 0, 0.4, 1], background="removed")
    assert (crop == RED).all()


def test_a_mask_in_a_file_is_read(pixels, tmp_path):
    path = tmp_path / "mask.png"
    Image.fromarray(half().astype(np.uint8) * 255).save(path)
    crop = cut(pixels, str(path), background="removed")
    assert (crop[:, :20] == RED).all() and (crop[:, 20:] == NOTHING).all()


@pytest.mark.parametrize("outline", [b"broken", as_stored(np.zeros((2, 2, 3))), "/no/mask.png"])
def test_a_mask_that_cannot_be_read_is_said(pixels, outline):
    with pytest.raises(UnreadableImage, match="the mask of a label in it"):
        cut(pixels, outline, background="removed")


def test_the_area_of_a_polyline_is_kept(pixels):
    square = [[0.2, 0.1], [0.4, 0.1], [0.4, 0.7], [0.2, 0.7]]
    crop = cut(pixels, [square], background="removed")
    covered = (crop == RED).all(axis=2)
    assert covered[:, :20].all() and not covered[:, 21:].any()


def test_a_shape_within_another_is_a_hole(pixels):
    outer = [[0.2, 0.1], [0.6, 0.1], [0.6, 0.7], [0.2, 0.7]]
    inner = [[0.3, 0.3], [0.5, 0.3], [0.5, 0.5], [0.3, 0.5]]
    crop = cut(pixels, [outer, inner], background="removed")
    covered = (crop == RED).all(axis=2)
    assert not covered[24, 20] and covered[2, 20] and covered[24, 2]
    assert np.isclose((~covered).sum(), 20 * 16, rtol=0.15)


def test_another_background_is_refused():
    with pytest.raises(InvalidParameter, match="one of: kept, dimmed, removed"):
        CropSettings(background="gone")


def test_settings_are_read_as_they_were_written():
    for settings in (CropSettings(), CropSettings(0.1, True, "dimmed")):
        assert CropSettings.of(settings.recorded()) == settings
    assert CropSettings().recorded() == {"alpha": None, "force_square": False}


def rotated(center, size, degrees):
    """The corners of a rotated box in an image of 100 x 80, and the shape as it is stored."""
    turn = np.radians(degrees)
    axes = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) / 2 * size @ axes + center
    return corners, [(corners / (100, 80)).tolist()]


def striped(corners):
    """An image with a box whose halves, along its first side, are green and blue."""
    image = np.full((80, 100, 3), RED, np.uint8)
    middle = (corners[:2].mean(axis=0), corners[2:].mean(axis=0))
    for color, shape in (
        ((0, 255, 0), [corners[0], middle[0], middle[1], corners[3]]),
        ((0, 0, 255), [middle[0], corners[1], corners[2], middle[1]]),
    ):
        points = ((np.array(shape) - 0.5) * 256).round().astype(np.int32)
        cv2.fillPoly(image, [points], color, shift=8)
    return image


@pytest.mark.parametrize("degrees", [0, 20, 60, -45, 90])
@pytest.mark.parametrize("first", range(4))
@pytest.mark.parametrize("step", [1, -1])
def test_a_rotated_box_is_cropped_upright_in_whatever_order_its_corners_are(degrees, first, step):
    corners, shape = rotated((50, 40), (40, 16), degrees)
    order = np.roll(shape[0], first, axis=0)[::step]
    image = striped(corners)
    image[tuple((corners[0] * 0.8 + (50 * 0.2, 40 * 0.2)).astype(int)[::-1])] = 255
    crop = cut(image, [order.tolist()], upright=True)
    assert crop.shape == (16, 40, 3)
    white = np.unravel_index(crop.min(axis=2).argmax(), (16, 40))
    assert np.hypot(white[0] - 1.6, white[1] - 4) < 2  # it is no mirror image
    left, right = crop[3:-3, 3:17].reshape(-1, 3), crop[3:-3, 23:-3].reshape(-1, 3)
    assert (np.abs(left - np.array([0, 255, 0])) < 40).all()
    assert (np.abs(right - np.array([0, 0, 255])) < 40).all()


def test_a_turned_box_starts_at_the_left():
    corners, shape = rotated((50, 40), (40, 16), 180)  # green is at its right
    crop = cut(striped(corners), shape, upright=True)
    assert crop[8, 5].tolist() == [0, 0, 255] and crop[8, -5].tolist() == [0, 255, 0]


def test_padding_of_an_upright_crop_is_its_background():
    corners, shape = rotated((50, 40), (40, 16), 30)
    padded = cut(striped(corners), shape, upright=True, alpha=0.5)
    assert padded.shape == (24, 60, 3) and padded[1, 30].tolist() == list(RED)
    removed = cut(striped(corners), shape, upright=True, alpha=0.5, background="removed")
    assert (removed[:4] == NOTHING).all() and (removed[:, :10] == NOTHING).all()
    assert (removed[6:-6, 12:-12] != NOTHING).any(axis=2).all()
    square = cut(striped(corners), shape, upright=True, force_square=True)
    assert square.shape == (40, 40, 3)


def test_what_is_no_rotated_box_is_cropped_as_it_is(pixels):
    skewed = [[[0.2, 0.1], [0.5, 0.1], [0.6, 0.7], [0.3, 0.7]]]
    triangle = [[[0.2, 0.1], [0.6, 0.1], [0.6, 0.7]]]
    flat = [[[0.2, 0.1], [0.6, 0.1], [0.6, 0.1], [0.2, 0.1]]]
    for outline in (skewed, triangle, flat, as_stored(half()), None):
        assert cut(pixels, outline, upright=True).shape == (48, 40, 3)
