"""From media files to pixels as people see them, in threads that work ahead of the model.

All that looks at images decodes them here: the engine, the crops that a panel shows, the detectors.
So a box, which is relative to the upright image that the App shows, is about the same pixels for
each of them.
"""

from __future__ import annotations

import io
import os
import re
import struct
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from tempfile import NamedTemporaryFile
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from ..core.images import is_turned, orientation_of, orientation_of_page, pillows_limit_lifted

# Whoever changes which pixels are read changes "decoded" in labelvet.embeddings.store.
MAX_PIXELS = 500_000_000

# Of what somebody hands over: Pillow has readers that start other programs, and one picture must
# not take the memory of the process.
_GIVEN_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
_MAX_GIVEN_PIXELS = 50_000_000

_JPEG = b"\xff\xd8\xff"
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_SEGMENTS = _JPEG_FRAMES | {0xC4, 0xDA, 0xDB, 0xDD}  # tables, and the headers of scans
_JPEG_END = 0xD9
# of which a scan has two kinds that end nothing: a byte of its data, and where it starts anew
_JPEG_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7]")
# TIFF's tags; of sample formats 1 is for unsigned integers, the default
_BITS, _PHOTOMETRIC, _PLANES, _SAMPLE_FORMAT = 258, 262, 284, 339
_MAX_WORKERS = 16
# so many images are decoded for each thread before the first of them is needed
_AHEAD = 4

Task = TypeVar("Task")
Result = TypeVar("Result")


class UnreadableImage(Exception):
    """An image cannot be decoded; its text says why in a few words."""


def read_pixels(path: str) -> NDArray[np.uint8]:
    """Decodes an image file into (height, width, 3) RGB as people see it.

    It is upright, as its EXIF orientation says, transparent parts are black, and of several frames
    it is the first. Where a channel has more than eight bits, the least value of the image becomes
    0 and the largest 255; what is not a number becomes 0, and an image of one value is black.

    Raises:
        UnreadableImage: if the file is missing, empty, truncated, no image or larger than 500
            megapixels
    """
    try:
        return _read_jpeg(path)
    # it is no JPEG, or an unusual or broken one, of which Pillow says what is wrong
    except (RuntimeError, OSError, ValueError):
        pass
    try:
        try:
            return _read_any(path)
        except (Image.DecompressionBombError, Image.DecompressionBombWarning):
            # the limit of this module counts, which is the same for every format
            with pillows_limit_lifted():
                return _read_any(path)
    except UnreadableImage:
        raise
    except FileNotFoundError:
        raise UnreadableImage("the file does not exist") from None
    # Pillow's decoders raise many kinds of errors on malformed files, SyntaxError among them
    except Exception as error:
        raise UnreadableImage(str(error) or type(error).__name__) from error


def read_given(content: bytes) -> NDArray[np.uint8]:
    """Decodes an image that somebody hands over, as :func:`read_pixels` does a file of a dataset.

    Raises:
        UnreadableImage: if it is no JPEG, PNG, WebP, GIF, BMP or TIFF, is broken, or is larger
            than 50 megapixels
    """
    try:
        with (
            pillows_limit_lifted(),
            Image.open(io.BytesIO(content), formats=_GIVEN_FORMATS) as image,
        ):
            size = image.size
    except Exception:  # as in read_pixels
        raise UnreadableImage("it is no JPEG, PNG, WebP, GIF, BMP or TIFF") from None
    _check_size(*size, _MAX_GIVEN_PIXELS, "make it smaller")
    with NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        return read_pixels(file.name)


def _read_jpeg(path: str) -> NDArray[np.uint8]:
    """Decodes by OpenCV, which gives the same pixels as Pillow in three quarters of the time.

    Raises:
        RuntimeError: if it is not a JPEG, or one that OpenCV may read differently
    """
    import cv2

    with open(path, "rb") as file:
        content = file.read(len(_JPEG))
        if content != _JPEG:  # of which no more than this is read
            raise RuntimeError("it is not a JPEG")
        content += file.read()
    (width, height, channels), has_exif, frame = _jpeg_header(content)
    _check_size(width, height)
    if channels > 3:  # inks
        raise RuntimeError("it has more than three channels")
    if not _is_whole_jpeg(content, frame):  # of which OpenCV may give what it has read
        raise RuntimeError("it does not come to its end")
    flags = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
    pixels = _decode_by_opencv(np.frombuffer(content, np.uint8), flags)
    if pixels is None:
        raise RuntimeError("OpenCV cannot read it")
    # looking for an orientation takes time, and images from the web have none
    if has_exif:
        with pillows_limit_lifted(), Image.open(io.BytesIO(content)) as image:
            pixels = _upright(pixels, orientation_of(image))
    return np.ascontiguousarray(pixels)


def _read_any(path: str) -> NDArray[np.uint8]:
    """Decodes by Pillow, and by others what has more bits of a color than Pillow reads."""
    alpha: NDArray[Any] | None = None
    orientation = 1
    # an open file, as of a path Pillow 13 maps into memory a turned TIFF with its sides swapped
    with open(path, "rb") as file:
        try:
            image = Image.open(file)
        # ultralytics replaces Image.open by one that wants another package for what is not known
        except (UnidentifiedImageError, ModuleNotFoundError):
            values, alpha = _read_deep(path, f"cannot identify image file {path!r}")
        else:
            with image:
                _check_size(*image.size)
                values, alpha = _values_of(image, path)
                # both turn a TIFF upright; Pillow then forgets that it was not
                if image.format != "TIFF":
                    orientation = orientation_of(image)
    pixels = values if values.dtype == np.uint8 else _in_eight_bits(values)
    if alpha is not None and (most := _opaque(alpha)) != alpha.min():
        pixels = (pixels * (alpha / np.float32(most))).round().astype(np.uint8)
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[..., None], 3, axis=2)
    # a copy, as what Pillow gives cannot be written to, which torch warns of
    return np.array(_upright(pixels, orientation), order="C")


def _values_of(image: Image.Image, path: str) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Returns values and opacity of an image that Pillow opened; see :func:`_read_by_opencv`."""
    tags = dict(getattr(image, "tag_v2", {}))
    most_bits = max(np.ravel(tags.get(_BITS, 8)))
    if most_bits > 8 and tags.get(_PLANES) == 2:  # of which Pillow reads the first half
        return _read_deep(path, "it cannot be read with its colors apart")
    if image.mode == "F" or image.mode.startswith("I"):
        values = np.asarray(image)
        if image.mode == "I" and tags and _is_unsigned(tags):
            values = values.view(np.uint32)  # Pillow knows integers with a sign alone
        return (_inverted(values) if tags.get(_PHOTOMETRIC) == 0 else values), None
    if any(";16" in str(tile[3]) for tile in getattr(image, "tile", ())):
        return _read_deep(path, "it cannot be read with 16-bit channels")
    if image.mode == "L" and tags and not _is_unsigned(tags):
        return np.asarray(image).view(np.int8), None
    if image.has_transparency_data:
        values = np.asarray(image.convert("RGBA"))
        return values[..., :3], values[..., 3:]
    return np.asarray(image.convert("RGB")), None


def _read_deep(path: str, reason: str) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Reads values by what knows more formats than Pillow; see :func:`_read_by_opencv`."""
    from tifffile import TiffFile, TiffFileError

    try:
        with TiffFile(path) as file:
            return _read_tiff(file.pages[0])
    except (TiffFileError, ValueError):
        return _read_by_opencv(path, reason)


def _read_tiff(page: Any) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Reads values of a page of a TIFF, upright; see :func:`_read_by_opencv`.

    Raises:
        ValueError: if it is compressed in a way that tifffile does not know by itself
    """
    _check_size(page.imagewidth, page.imagelength)
    apart = page.planarconfig == 2 and page.samplesperpixel > 1
    try:
        values = page.asarray()
    except ValueError as error:
        if apart:  # of which OpenCV reads the first alone
            raise UnreadableImage("its colors are stored apart, and compressed") from error
        raise
    if apart:
        values = np.moveaxis(values, 0, 2)
    values = _upright(values, orientation_of_page(page))
    if page.photometric == 0:
        values = _inverted(values)
    if values.dtype.kind not in "iuf" or values.shape[2:] not in ((), (1,), (3,), (4,)):
        raise UnreadableImage(f"it has {page.samplesperpixel} channels of {values.dtype}")
    if values.ndim == 2 or values.shape[2] == 1:
        return values.reshape(values.shape[:2]), None
    return values[..., :3], values[..., 3:] if values.shape[2] == 4 else None


def _read_by_opencv(path: str, reason: str) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Reads values as they are stored, a TIFF upright. Tried with OpenCV 4.14 and 5.0.

    Args:
        path: the file
        reason: why it cannot be read, where OpenCV cannot read it either

    Returns:
        (height, width) gray or (height, width, 3) RGB, and (height, width, 1) opacity where it has
        that
    """
    import cv2

    read = _decode_by_opencv(np.fromfile(path, dtype=np.uint8), cv2.IMREAD_UNCHANGED)
    if read is None or (read.ndim == 3 and read.shape[2] not in (3, 4)):
        raise UnreadableImage(reason)
    _check_size(read.shape[1], read.shape[0])
    if read.ndim == 2:
        return read, None
    return read[..., 2::-1], read[..., 3:] if read.shape[2] == 4 else None


def _decode_by_opencv(content: NDArray[np.uint8], flags: int) -> NDArray[Any] | None:
    """Decodes a file; returns None where OpenCV cannot, or refuses its size."""
    import cv2

    try:
        return cv2.imdecode(content, flags)
    except cv2.error:
        return None


def _is_unsigned(tags: dict[int, Any]) -> bool:
    return bool(np.all(np.asarray(tags.get(_SAMPLE_FORMAT, 1)) == 1))


def _inverted(values: NDArray[Any]) -> NDArray[Any]:
    """Values of which the least is white, of a type in which they have a range of their own."""
    return -values if values.dtype.kind == "f" else ~values


def _opaque(alpha: NDArray[Any]) -> float:
    return float(np.iinfo(alpha.dtype).max) if alpha.dtype.kind in "iu" else 1.0


def _check_size(
    width: int, height: int, most: int | None = None, advice: str = "cut it into tiles"
) -> None:
    most = most or MAX_PIXELS
    if width * height > most:
        raise UnreadableImage(
            f"it has {width * height / 1e6:,.0f} megapixels, and {most / 1e6:,.0f} can be read: "
            f"{advice}"
        )


def _jpeg_header(data: bytes) -> tuple[tuple[int, int, int], bool, int]:
    """Returns width, height and the number of channels, whether there is EXIF, and where the header
    of the frame begins.

    Raises:
        RuntimeError: if the header of its frame is not where it should be
    """
    has_exif = False
    place = 2
    while place + 10 <= len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if marker == 0xFF:  # which may fill the space before a marker
            place += 1
            continue
        if marker in _JPEG_FRAMES:
            height, width, channels = struct.unpack(">HHB", data[place + 5 : place + 10])
            return (width, height, channels), has_exif, place
        has_exif |= marker == 0xE1
        place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    raise RuntimeError("its size is not where it should be")


def _is_whole_jpeg(content: bytes, place: int) -> bool:
    """Whether nothing but scans and their tables comes before the end of a JPEG's picture.

    Args:
        content: the file
        place: where the header of its frame begins
    """
    while found := _JPEG_MARKER.search(content, place):
        place, marker = found.end(), found[0][1]
        if marker == 0xFF:  # which may fill the space before a marker
            place -= 1
        elif marker == _JPEG_END:
            return True
        elif marker in _JPEG_SEGMENTS:
            place += int.from_bytes(content[place : place + 2], "big")
        else:
            return False
    return False


def _in_eight_bits(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Scales values of any type to [0, 255] by their own range."""
    numbers = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    if numbers.size == 0 or (least := float(numbers.min())) == (most := float(numbers.max())):
        return np.zeros(values.shape, np.uint8)

    def scaled(values: NDArray[Any]) -> NDArray[np.uint8]:
        numbers = (values.astype(np.float64) - least) * (255 / (most - least))
        return np.nan_to_num(numbers, nan=0.0).clip(0, 255).round().astype(np.uint8)

    if values.dtype.kind == "u" and values.itemsize == 2:  # by a table, without floats as large
        return np.asarray(scaled(np.arange(2**16))[values], dtype=np.uint8)
    return scaled(values)


def _upright(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Turns pixels as one of the eight EXIF orientations says."""
    if is_turned(orientation):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels


def num_workers_beside(device: str, cores: int | None = None) -> int:
    """Returns how many threads should decode for a model on a device: one per core, 16 at most, and
    half as many where the model is on the processor and keeps all cores busy itself.

    Args:
        device: the model's, such as ``"cpu"`` or ``"cuda"``
        cores: by default those of the machine
    """
    cores = cores or os.cpu_count() or 1
    return max(1, min(cores // 2 if device == "cpu" else cores, _MAX_WORKERS))


class DecodingThreads:
    """Threads that decode images, for as long as a run takes.

    One set for a whole run: new threads would each get memory of their own from the allocator,
    which it does not give back.
    """

    def __init__(self, num_workers: int) -> None:
        self.num_workers = num_workers
        self._pool = ThreadPoolExecutor(self.num_workers, "labelvet-decode", _use_one_thread)

    def __enter__(self) -> DecodingThreads:
        return self

    def __exit__(self, *_: object) -> None:
        # a cancelled run does not decode what is still queued
        self._pool.shutdown(cancel_futures=True)

    def work_ahead(
        self, work: Callable[[Task], Result], tasks: Iterable[Task]
    ) -> Iterator[tuple[Task, Result | UnreadableImage]]:
        """Works on tasks ahead of whoever takes the results.

        Args:
            work: decodes an image, and does what else can be done in a thread
            tasks: what ``work`` takes; drawn as the results are taken

        Yields:
            each task, in order, with its result, or the :class:`UnreadableImage` that it raised
        """

        def attempt(task: Task) -> tuple[Task, Result | UnreadableImage]:
            try:
                return task, work(task)
            except UnreadableImage as reason:
                return task, reason

        pending: deque[Future[tuple[Task, Result | UnreadableImage]]] = deque()
        for task in tasks:
            pending.append(self._pool.submit(attempt, task))
            if len(pending) > _AHEAD * self.num_workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


def _use_one_thread() -> None:
    """Keeps torch from starting threads that help the calling one, where there is one for each core
    already; the others keep theirs."""
    import torch
    from threadpoolctl import threadpool_limits

    torch.get_num_threads()  # the first call in a thread sets its number, and would do so later
    threadpool_limits(1, user_api="openmp")
