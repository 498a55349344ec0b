"""Images are decoded in threads, ahead of whoever needs them, and broken ones say why."""

from __future__ import annotations

import io
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from labelvet.core.errors import Cancelled
from labelvet.embeddings import decoding
from labelvet.embeddings.decoding import DecodingThreads, UnreadableImage, read_given, read_pixels
from PIL import Image, ImageOps


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


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"quality": 30, "optimize": True}])
def test_jpegs_have_the_pixels_that_pillow_reads(tmp_path, mode, options):
    path = str(tmp_path / "image.jpg")
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    noise = Image.effect_noise((33, 47), 80).resize((330, 470))
    Image.merge("CMYK", [noise] * 4).convert(mode).save(path, exif=exif, **options)
    expected = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
    np.testing.assert_array_equal(read_pixels(path), np.asarray(expected))


@pytest.mark.parametrize("options", [{}, {"progressive": True}])
def test_what_pillow_cannot_decode_is_unreadable(tmp_path, options):
    """OpenCV gives the part that it has read."""
    path = tmp_path / "image.jpg"
    noise = np.random.default_rng(0).integers(0, 256, (480, 640), dtype=np.uint8)
    Image.fromarray(noise).save(path, **options)
    content = path.read_bytes()
    half = len(content) // 2
    marked = content[:half] + b"\xff\xa9" + content[half:]
    for broken in (content[:-2], content[:-99], content[:half], marked):
        path.write_bytes(broken)
        with pytest.raises(UnreadableImage):
            read_pixels(str(path))
    path.write_bytes(content + b"what a camera adds")
    assert read_pixels(str(path)).shape == (480, 640, 3)


def test_no_model_is_loaded_to_look_at_a_picture(tmp_path):
    """The App's server shows crops, and needs neither torch nor torchvision for them."""
    path = tmp_path / "image.jpg"
    Image.effect_noise((64, 48), 80).save(path)
    script = (
        "import sys; from labelvet.embeddings.decoding import read_pixels; "
        "read_pixels(sys.argv[1]); print('torch' in sys.modules)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True
    )
    assert ended.stdout.strip() == "False"


def test_what_is_no_jpeg_is_not_read_whole_to_see_that(tmp_path, monkeypatch):
    file = tmp_path / "deep.tif"
    pixels = np.arange(12, dtype=np.uint16).reshape(3, 4)
    Image.fromarray(pixels).save(file)
    monkeypatch.setattr(decoding, "_jpeg_header", None)
    assert read_pixels(str(file)).shape == (3, 4, 3)


def test_an_image_that_is_handed_over_is_read_as_a_file_is(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    noise = Image.effect_noise((31, 47), 80).convert("RGB")
    noise.save(tmp_path / "turned.jpg", exif=exif)
    noise.convert("P").save(tmp_path / "few.gif")
    noise.save(tmp_path / "image.webp")
    for file in tmp_path.iterdir():
        np.testing.assert_array_equal(read_given(file.read_bytes()), read_pixels(str(file)))


def test_only_pictures_of_a_few_formats_and_of_some_size_are_taken():
    def saved(format_, size=(8, 8)):
        buffer = io.BytesIO()
        Image.new("L" if format_ == "EPS" else "1", size).save(buffer, format_)
        return buffer.getvalue()

    svg = b'<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"/>'
    # a reader of EPS starts Ghostscript
    for content in (b"", b"no image", svg, saved("EPS"), saved("PPM")):
        with pytest.raises(UnreadableImage, match=r"^it is no JPEG, PNG, WebP, GIF, BMP or TIFF$"):
            read_given(content)
    with pytest.raises(UnreadableImage, match="60 megapixels, and 50 can be read: make it smaller"):
        read_given(saved("PNG", (10_000, 6_000)))
    with pytest.raises(UnreadableImage, match="truncated"):
        read_given(saved("TIFF", (300, 300))[:-900])


def test_results_come_in_order_and_no_further_ahead_than_needed():
    asked = []

    def tasks():
        for number in range(50):
            asked.append(number)
            yield number

    with DecodingThreads(2) as threads:
        results = threads.work_ahead(lambda number: number * 2, tasks())
        assert [next(results) for _ in range(3)] == [(0, 0), (1, 2), (2, 4)]
        assert len(asked) < 15
        assert list(results) == [(number, number * 2) for number in range(3, 50)]


def test_an_image_that_cannot_be_read_stops_nothing_and_other_errors_do():
    def work(path):
        if path == "bad":
            raise UnreadableImage("broken")
        if path == "worse":
            raise MemoryError
        return path

    with DecodingThreads(1) as threads:
        (_, first), (_, bad), (_, last) = threads.work_ahead(work, ["a", "bad", "b"])
        assert (first, str(bad), last) == ("a", "broken", "b")
        with pytest.raises(MemoryError):
            list(threads.work_ahead(work, ["worse"]))


def test_what_is_queued_is_dropped_when_a_run_ends_early():
    started = []

    def work(number):
        started.append(number)
        time.sleep(0.3)
        return number

    with pytest.raises(Cancelled), DecodingThreads(1) as threads:
        for _ in threads.work_ahead(work, range(5)):
            raise Cancelled
    assert len(started) < 5


def test_threads_that_decode_leave_the_others_theirs():
    import torch

    before = torch.get_num_threads()
    with DecodingThreads(1) as threads:
        assert list(threads.work_ahead(lambda _: torch.get_num_threads(), [0])) == [(0, 1)]
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(torch.get_num_threads).result() == before
    assert torch.get_num_threads() == before
