"""What the header of an image file says: the orientation in which people see it, and its size."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

from PIL import Image, UnidentifiedImageError

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
        OSError: if there is no such file, or it is no image that is known; readers raise errors of
            other kinds, too, of a file that is broken
    """
    try:
        with pillows_limit_lifted(), Image.open(path) as image:
            width, height = image.size
            if image.format == "TIFF":  # whose size is turned already, by Pillow 13 and above
                width, height = (image.tag_v2[tag] for tag in (_TIFF_WIDTH, _TIFF_HEIGHT))  # type: ignore[attr-defined]
            orientation = orientation_of(image)
    # ultralytics replaces Image.open by one that wants another package for what is not known
    except (UnidentifiedImageError, ModuleNotFoundError):
        width, height, orientation = _size_of_tiff(path)
    return (height, width) if is_turned(orientation) else (width, height)


def orientation_of_page(page: Any) -> int:
    """Returns the orientation of a page of a TIFF that tifffile opened, 1 where there is none."""
    tag = page.tags.get("Orientation")
    return 1 if tag is None else int(tag.value)


def _size_of_tiff(path: Path) -> tuple[int, int, int]:
    """Returns width and height as they are stored, and the orientation, of a TIFF that Pillow does
    not know."""
    from tifffile import TiffFile, TiffFileError

    try:
        with TiffFile(path) as file:
            page: Any = file.pages[0]
            return page.imagewidth, page.imagelength, orientation_of_page(page)
    except TiffFileError as error:
        raise OSError(f"cannot identify image file '{path}'") from error


@contextmanager
def pillows_limit_lifted() -> Iterator[None]:
    """Lets one image at a time be larger than Pillow allows."""
    with _lifting:
        before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = before
