"""Boxes become the pixels that FiftyOne itself would crop."""

from __future__ import annotations

import eta.core.geometry as etag
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from labelvet.core.errors import InvalidParameter
from labelvet.embeddings.crops import CropSettings, cut_crops, pixel_windows

sides = st.integers(1, 400)
any_number = st.floats(-3, 3, allow_nan=False)
alphas = st.none() | st.floats(-0.9, 3, allow_nan=False)


@st.composite
def inner_boxes(draw: st.DrawFn) -> list[float]:
    """A box that lies within the image."""
    x, y = draw(st.floats(0, 0.9)), draw(st.floats(0, 0.9))
    return [x, y, draw(st.floats(0.01, 1 - x)), draw(st.floats(0.01, 1 - y))]


@given(
    boxes=st.lists(st.tuples(any_number, any_number, any_number, any_number), max_size=5),
    width=sides,
    height=sides,
    alpha=alphas,
    square=st.booleans(),
)
def test_windows_are_never_empty_and_lie_in_the_image(boxes, width, height, alpha, square):
    windows = pixel_windows(
        np.array(boxes).reshape(-1, 4), width, height, CropSettings(alpha, square)
    )
    left, top, right, bottom = windows.T
    assert (left >= 0).all() and (top >= 0).all()
    assert (right <= width).all() and (bottom <= height).all()
    assert (right > left).all() and (bottom > top).all()
    if square:
        assert ((right - left) == (bottom - top)).all()


@given(
    box=inner_boxes(),
    width=st.integers(20, 400),
    height=st.integers(20, 400),
    alpha=alphas,
    square=st.booleans(),
)
def test_windows_are_those_of_fiftyone(box, width, height, alpha, square):
    # the pixels' values are their own positions, so equal crops mean equal windows
    image = np.arange(width * height).reshape(height, width)
    theirs = etag.BoundingBox.from_coords(box[0], box[1], box[0] + box[2], box[1] + box[3])
    if alpha is not None:
        theirs = theirs.pad_relative(alpha)
    expected = theirs.extract_from(image, force_square=square)
    left, top, right, bottom = pixel_windows(
        np.array([box]), width, height, CropSettings(alpha, square)
    )[0]
    if theirs.extract_from(image).size:  # of boxes thinner than a pixel they keep nothing
        np.testing.assert_array_equal(image[top:bottom, left:right], expected)


def test_cut_crops_cuts_the_named_pixels():
    pixels = np.zeros((10, 20, 3), dtype=np.uint8)
    pixels[2:5, 4:10] = 255
    (crop,) = cut_crops(pixels, np.array([[0.2, 0.2, 0.3, 0.3]]), CropSettings())
    assert crop.shape == (3, 6, 3)
    assert crop.min() == 255


@pytest.mark.parametrize("alpha", [-1, -2, float("nan"), float("inf")])
def test_an_impossible_padding_is_refused(alpha):
    with pytest.raises(InvalidParameter, match="Padding"):
        CropSettings(alpha)
