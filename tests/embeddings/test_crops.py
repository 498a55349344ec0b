"""Boxes become the pixels that FiftyOne itself would crop."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor

import eta.core.geometry as etag
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from labelvet.embeddings.crops import (
    CropSettings,
    UnreadableImage,
    cut_crops,
    decode_in_one_thread,
    pixel_windows,
    read_image,
    read_pixels,
)
from labelvet.embeddings.errors import InvalidParameter
from PIL import Image

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


def test_unreadable_files_say_why(tmp_path):
    buffer = io.BytesIO()
    Image.effect_noise((64, 64), 50).convert("RGB").save(buffer, "JPEG")
    files = {"empty.jpg": b"", "text.png": b"no image", "cut.jpg": buffer.getvalue()[:-900]}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UnreadableImage, match=r"\w"):
            read_pixels(str(tmp_path / name))
    with pytest.raises(UnreadableImage, match="does not exist"):
        read_pixels(str(tmp_path / "absent.jpg"))


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK", "1"])
def test_images_of_every_mode_become_rgb(tmp_path, mode):
    path = tmp_path / ("image.tiff" if mode == "CMYK" else "image.png")
    Image.new(mode, (8, 6)).save(path)
    image = read_image(str(path))
    assert image.mode == "RGB" and image.size == (8, 6)


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"quality": 30, "optimize": True}])
def test_jpegs_have_the_pixels_that_pillow_reads(tmp_path, mode, options):
    path = str(tmp_path / "image.jpg")
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter, which is left alone
    noise = Image.effect_noise((33, 47), 80).resize((330, 470))
    Image.merge("CMYK", [noise] * 4).convert(mode).save(path, exif=exif, **options)
    np.testing.assert_array_equal(read_pixels(path), np.asarray(read_image(path)))


def test_threads_that_decode_leave_the_others_theirs():
    import torch

    before = torch.get_num_threads()
    with ThreadPoolExecutor(1, initializer=decode_in_one_thread) as pool:
        assert pool.submit(torch.get_num_threads).result() == 1
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(torch.get_num_threads).result() == before
    assert torch.get_num_threads() == before
