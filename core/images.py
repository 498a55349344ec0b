"""What the header of an image file says: the orientation in which people see it, and its size."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from PIL import Image

_EXIF_ORIENTATION = 0x0112
_TIFF_WIDTH, _TIFF_HEIGHT = 256, 257
_lifting = Lock()


def orientation_of(image: Image.Image) -> int:
    """Returns the EXIF orientation of an image; 1, which turns nothing, where there is none."""
    try:
        return int(image.getexif().get(_EXIF_ORIENTATION, 1))
    # malformed metadata raises errors of many kinds, and turns nothing
    except Exception:
        return 1


def is_turned(orientation: int) -> bool:
    """Whether an EXIF orientation swaps width and height."""
    return orientation in (5, 6, 7, 8)


def upright_size(path: Path) -> tuple[int, int]:
    """Returns the width and height of an image as people see it, however large it is.

    Raises:
        OSError: if there is no such file, or Pillow knows no such image; its readers raise errors
            of other kinds, too, of a file that is broken
    """
    with pillows_limit_lifted(), Image.open(path) as image:
        width, height = image.size
        if image.format == "TIFF":  # whose size is turned already, by Pillow 13 and above
            width, height = (image.tag_v2[tag] for tag in (_TIFF_WIDTH, _TIFF_HEIGHT))  # type: ignore[attr-defined]
        return (height, width) if is_turned(orientation_of(image)) else (width, height)


@contextmanager
def pillows_limit_lifted() -> Iterator[None]:
    """Lets one image at a time be larger than Pillow allows."""
    with _lifting:
        before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = before
