"""Files of every format become the pixels that people see."""

from __future__ import annotations

import warnings

import cv2
import numpy as np
import PIL
import pytest
import tifffile
from labelvet.embeddings import decoding
from labelvet.embeddings.decoding import UnreadableImage, read_pixels
from labelvet.embeddings.embedder import embed_patches
from mean_color import MeanColor
from PIL import Image, ImageOps, features
from tables import make_table

ORIENTATION = 0x0112


@pytest.fixture
def saved(tmp_path):
    """Saves an image or an array, and returns what is read of it."""

    def save(image, name, **options):
        path = str(tmp_path / name)
        if isinstance(image, Image.Image):
            image.save(path, **options)
        elif name.endswith(".tiff"):
            options.setdefault("photometric", "rgb" if image.ndim == 3 else "minisblack")
            tifffile.imwrite(path, image, **options)
        else:
            cv2.imwrite(path, image)
        pixels = read_pixels(path)
        assert pixels.dtype == np.uint8 and pixels.ndim == 3 and pixels.shape[2] == 3
        assert pixels.flags.c_contiguous and pixels.flags.writeable
        return pixels

    return save


def test_what_pillow_does_not_identify_is_read_beside_ultralytics_too(saved):
    pytest.importorskip("ultralytics")  # it replaces Pillow's Image.open
    pixels = saved(np.linspace(20.5, 36.75, 2048).reshape(32, 64), "a.tiff")
    assert pixels.min() == 0 and pixels.max() == 255


def corners():
    """48x32 pixels whose corners are red, green, blue and white."""
    pixels = np.zeros((32, 48, 3), np.uint8)
    pixels[:16, :24] = 255, 0, 0
    pixels[:16, 24:] = 0, 255, 0
    pixels[16:, :24] = 0, 0, 255
    pixels[16:, 24:] = 255
    return pixels


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tiff"])
def test_all_formats_are_upright(tmp_path, saved, name, orientation):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    options = {"lossless": True} if name.endswith("webp") else {}
    pixels = saved(Image.fromarray(corners()), name, exif=exif, **options)
    stored = Image.fromarray(corners())
    stored.getexif()[ORIENTATION] = orientation
    expected = np.asarray(ImageOps.exif_transpose(stored))
    assert pixels.shape == expected.shape
    assert np.abs(pixels.astype(int) - expected)[4:-4, 4:-4].mean() < 8  # a JPEG's edges


@pytest.mark.skipif(not features.check("avif"), reason="Pillow before 11.3 reads no AVIF")
@pytest.mark.parametrize("orientation", range(1, 9))
def test_avif_is_upright(saved, orientation):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    pixels = saved(Image.fromarray(corners()), "a.avif", exif=exif)
    stored = Image.fromarray(corners())
    stored.getexif()[ORIENTATION] = orientation
    expected = np.asarray(ImageOps.exif_transpose(stored))
    assert pixels.shape == expected.shape
    assert np.abs(pixels.astype(int) - expected)[4:-4, 4:-4].mean() < 12


@pytest.mark.parametrize("orientation", range(1, 9))
def test_deep_colors_are_upright(saved, orientation):
    deep = corners().astype(np.uint16) * 257
    tag = (ORIENTATION, "H", 1, orientation, True)
    pixels = saved(deep, "a.tiff", photometric="rgb", extratags=[tag])
    stored = Image.fromarray(corners())
    stored.getexif()[ORIENTATION] = orientation
    np.testing.assert_array_equal(pixels, np.asarray(ImageOps.exif_transpose(stored)))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_grays_that_are_not_compressed_are_upright(saved, orientation, dtype):
    gray = np.linspace(0, np.iinfo(dtype).max, 6 * 4).reshape(4, 6).astype(dtype)
    pixels = saved(gray, "a.tiff", extratags=[(ORIENTATION, "H", 1, orientation, True)])
    stored = Image.fromarray((gray >> (gray.itemsize * 8 - 8)).astype(np.uint8))
    stored.getexif()[ORIENTATION] = orientation
    expected = np.asarray(ImageOps.exif_transpose(stored).convert("RGB"))
    assert pixels.shape == expected.shape
    assert np.abs(pixels.astype(int) - expected).max() <= 1


def test_an_orientation_that_is_none_turns_nothing(saved):
    for value in (0, 9, 400):
        exif = Image.Exif()
        exif[ORIENTATION] = value
        np.testing.assert_array_equal(
            saved(Image.fromarray(corners()), "a.png", exif=exif), corners()
        )


def test_the_size_is_that_of_fiftyones_metadata(tmp_path, saved):
    import fiftyone as fo

    exif = Image.Exif()
    exif[ORIENTATION] = 6
    pixels = saved(Image.fromarray(corners()), "a.jpg", exif=exif)
    metadata = fo.ImageMetadata.build_for(str(tmp_path / "a.jpg"))
    assert pixels.shape[:2] == (metadata.height, metadata.width) == (48, 32)


def ramp(least, most, dtype):
    values = np.linspace(least, most, 64 * 32).reshape(32, 64)
    return (values if np.dtype(dtype).kind == "f" else values.round()).astype(dtype)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("a.png", ramp(0, 65535, np.uint16)),
        ("a.png", ramp(900, 1400, np.uint16)),  # twelve bits of a microscope, or a thermal camera
        ("a.tiff", ramp(900, 1400, np.uint16)),
        ("a.tiff", ramp(900, 1400, ">u2")),
        ("a.tiff", ramp(-500, 3000, np.int16)),  # Hounsfield units
        ("a.tiff", ramp(-(2**31), 2**31 - 1, np.int32)),
        ("a.tiff", ramp(10**9, 10**9 + 400, np.int32)),
        ("a.tiff", ramp(0, 2**32 - 1, np.uint32)),
        ("a.tiff", ramp(-128, 127, np.int8)),
        ("a.tiff", ramp(0, 2048, np.float16)),
        ("a.tiff", ramp(0.2, 0.7, np.float32)),
        ("a.tiff", ramp(-1e38, 1e38, np.float32)),
        ("a.tiff", ramp(20.5, 36.75, np.float64)),
        ("a.tiff", np.stack([ramp(0, 0.5, np.float32)] * 3, axis=2)),
    ],
    ids=lambda value: value if isinstance(value, str) else str(value.dtype),
)
def test_gray_is_scaled_by_its_own_range(saved, name, values):
    pixels = saved(values, name)
    expected = np.linspace(0, 255, 64 * 32).reshape(32, 64)
    assert np.abs(pixels - expected[..., None]).max() <= 1
    assert pixels.min() == 0 and pixels.max() == 255


def test_what_is_no_number_is_black_and_scales_nothing(saved):
    values = ramp(1, 2, np.float32)
    values[0, :4] = np.nan, np.inf, -np.inf, 1.5
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pixels = saved(values, "a.tiff")[..., 0]
    assert pixels[0, :3].tolist() == [0, 255, 0] and pixels[0, 3] in (127, 128)
    assert pixels[-1, -1] == 255 and pixels[1, 0] < 12


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("a.png", np.full((8, 8), 700, np.uint16)),
        ("a.tiff", np.full((8, 8), 0.5, np.float32)),
        ("a.tiff", np.full((8, 8), np.nan, np.float32)),
    ],
)
def test_an_image_of_one_value_is_black(saved, name, values):
    assert saved(values, name).max() == 0


def test_deep_colors_are_scaled_together(saved):
    deep = np.stack([ramp(100, 300, np.uint16), ramp(100, 200, np.uint16),
                     np.full((32, 64), 100, np.uint16)], axis=2)  # fmt: skip
    planes = deep.transpose(2, 0, 1)
    for pixels in (
        saved(deep[..., ::-1], "a.png"),
        saved(deep, "a.tiff"),
        saved(planes, "b.tiff", planarconfig="separate"),
        saved(planes.astype(np.float32), "c.tiff", planarconfig="separate"),
    ):
        red, green, blue = pixels.reshape(-1, 3).max(0).tolist()
        assert (red, blue) == (255, 0) and green in (127, 128)
        assert pixels.min() == 0


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.float32, np.float64])
def test_the_least_is_white_where_a_tiff_says_so(saved, dtype):
    pixels = saved(ramp(0, 255, dtype), "a.tiff", photometric="miniswhite")
    expected = np.linspace(255, 0, 64 * 32).reshape(32, 64)
    assert np.abs(pixels - expected[..., None]).max() <= 1


def test_colors_that_are_neither_gray_nor_rgb_are_said(saved):
    bands = np.zeros((8, 8, 5), np.uint16)
    with pytest.raises(UnreadableImage, match="it has 5 channels of uint16"):
        saved(bands, "a.tiff", photometric="minisblack", planarconfig="contig")


def test_what_is_transparent_is_black(tmp_path, saved):
    rgba = np.dstack([corners(), np.full((32, 48), 255, np.uint8)])
    np.testing.assert_array_equal(saved(Image.fromarray(rgba), "a.png"), corners())
    rgba[:16, :, 3] = 0
    rgba[16:, :24, 3] = 128
    pixels = saved(Image.fromarray(rgba), "a.png")
    assert pixels[:16].max() == 0
    assert pixels[20, 5].tolist() == [0, 0, 128] and pixels[20, 40].tolist() == [255] * 3
    deep = cv2.cvtColor(rgba, cv2.COLOR_RGBA2BGRA).astype(np.uint16) * 257
    np.testing.assert_array_equal(saved(deep, "b.png"), pixels)
    palette = Image.fromarray(corners()).quantize(4)
    palette.info["transparency"] = palette.getpixel((0, 0))
    assert saved(palette, "c.png")[:16, :24].max() == 0
    gray = Image.fromarray(rgba).convert("LA")
    assert saved(gray, "d.png")[:16].max() == 0
    assert saved(gray, "d.png")[20, 40].tolist() == [255] * 3


_READS_YCBCR = pytest.mark.skipif(
    int(PIL.__version__.split(".")[0]) < 13, reason="Pillow 12 reads no such TIFF that it wrote"
)


@pytest.mark.parametrize(
    ("mode", "name"),
    [("1", "a.png"), ("L", "a.bmp"), ("P", "a.gif"), ("CMYK", "a.tiff"), ("RGB", "a.ppm"),
     pytest.param("YCbCr", "a.tiff", marks=_READS_YCBCR),
     ("RGB", "a.jp2"), ("RGB", "a.avif"), ("RGB", "a.tga")],
)  # fmt: skip
def test_other_formats_and_modes(saved, mode, name):
    pixels = saved(Image.fromarray(corners()).convert(mode), name)
    expected = np.asarray(Image.fromarray(corners()).convert(mode).convert("RGB"))
    assert np.abs(pixels.astype(int) - expected)[4:-4, 4:-4].mean() < 12


def test_of_several_frames_the_first(saved):
    frames = [Image.fromarray(np.full((16, 16, 3), 60 * number, np.uint8)) for number in (1, 2, 3)]
    for name in ("a.gif", "a.webp", "a.tiff"):
        pixels = saved(frames[0], name, save_all=True, append_images=frames[1:])
        assert abs(int(pixels.mean()) - 60) < 3


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.bmp", "a.tiff", "a.webp", "a.gif"])
def test_one_limit_for_every_format(saved, monkeypatch, name):
    image = Image.fromarray(corners())
    # above Pillow's own limit, which others may rely on
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert saved(image, name).shape == (32, 48, 3)
    assert Image.MAX_IMAGE_PIXELS == 100
    monkeypatch.setattr(decoding, "MAX_PIXELS", 32 * 48 - 1)
    with pytest.raises(UnreadableImage, match=r"megapixels.*cut it into tiles"):
        saved(image, name)


def test_the_orientation_of_a_large_photo_is_read(saved, monkeypatch):
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert saved(Image.fromarray(corners()), "a.jpg", exif=exif).shape == (48, 32, 3)


def test_the_header_of_a_jpeg_is_found_behind_what_comes_first(tmp_path):
    exif = Image.Exif()
    exif[0x010E] = "x" * 5000
    path = tmp_path / "a.jpg"
    Image.new("RGB", (70, 50)).save(
        path, exif=exif, progressive=True, comment=b"c" * 900, icc_profile=b"i" * 70_000
    )
    data = path.read_bytes()
    assert decoding._jpeg_header(data)[:2] == ((70, 50, 3), True)
    filled = data[:2] + b"\xff\xff" + data[2:]
    assert decoding._jpeg_header(filled)[:2] == ((70, 50, 3), True)
    for cut in range(40):
        with pytest.raises(RuntimeError, match="size"):
            decoding._jpeg_header(data[:cut])


def test_a_jpeg_with_strange_bytes_is_upright_and_has_the_limit(tmp_path, monkeypatch):
    """Between its segments, where a reader passes over them that looks for the next marker."""
    path, exif = tmp_path / "a.jpg", Image.Exif()
    exif[ORIENTATION] = 6
    Image.fromarray(corners()).save(path, exif=exif)
    data = path.read_bytes()
    end = 4 + int.from_bytes(data[4:6], "big") - 2
    path.write_bytes(data[:end] + b"??" + data[end:])
    assert read_pixels(str(path)).shape == (48, 32, 3)
    monkeypatch.setattr(decoding, "MAX_PIXELS", 32 * 48 - 1)
    with pytest.raises(UnreadableImage, match="megapixels"):
        read_pixels(str(path))


def test_a_turned_photo_is_embedded_as_the_upright_one(tmp_path):
    """Of a patch, and not of the part of the stored picture that has its place."""
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    turned = Image.fromarray(corners())
    turned.save(tmp_path / "turned.png", exif=exif)
    upright = np.asarray(turned.rotate(-90, expand=True))
    Image.fromarray(upright).save(tmp_path / "upright.png")
    vectors = embedded(tmp_path / "turned.png", tmp_path / "upright.png")
    np.testing.assert_array_equal(*vectors)
    np.testing.assert_allclose(vectors[0][:3], [0, 0, 255], atol=1)  # lower left of what is stored


@pytest.mark.parametrize("name, dtype", [("a.png", np.uint16), ("a.tiff", np.uint32)])
def test_deep_grays_are_embedded_as_what_is_shown_of_them(tmp_path, name, dtype):
    shown = ramp(0, 255, np.uint8)
    deep = shown.astype(dtype) * (np.iinfo(dtype).max // 255)
    if name.endswith(".png"):
        cv2.imwrite(str(tmp_path / name), deep)
    else:
        tifffile.imwrite(tmp_path / name, deep, photometric="minisblack")
    Image.fromarray(shown).save(tmp_path / "shown.png")
    vectors = embedded(tmp_path / name, tmp_path / "shown.png")
    np.testing.assert_allclose(*vectors, atol=1)
    assert 0 < vectors[0].mean() < 128


def embedded(*paths):
    """The embeddings of the upper left quarter of some files, (n, 6)."""
    table = make_table([str(path) for path in paths], [[0, 0, 0.5, 0.5]] * len(paths))
    return embed_patches(table, MeanColor(times=2), use_store=False).vectors
