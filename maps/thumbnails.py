"""Patches as small pictures with a margin of context, for a person to look at."""

from __future__ import annotations

import io
import os
from base64 import b64encode
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import fiftyone as fo
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..core.errors import NoPatches
from ..core.table import pair_ids
from ..dataset.documents import hex_ids
from ..dataset.label_shapes import Shape, read_shapes
from ..dataset.memory import Memory
from ..dataset.patches import PatchTable, read_stored, read_tags
from ..embeddings.crops import CropSettings, pixel_windows
from ..embeddings.decoding import UnreadableImage, read_pixels
from .drawings import Drawing, draw_shape
from .map import Map

_QUALITY = 85
_KEPT_BYTES = 64 * 2**20
_THREADS = min(8, 2 * (os.cpu_count() or 1))

_GONE = "It was deleted since the map was computed."


Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class ThumbnailSettings:
    """How patches are cut out of their images, to be looked at.

    Attributes:
        size: the longest side of a picture in pixels; smaller patches are not enlarged
        margin: how much of its surroundings a patch gets on each side, as a part of its own size
    """

    size: int
    margin: float


@dataclass(frozen=True)
class Thumbnail:
    """A crop and what it shows.

    Attributes:
        row: the row of the map
        id: the id of the label, or of the sample for whole images
        sample_id: the id of the sample
        image: a ``data:`` URI of a JPEG, None where there is a problem
        box: the label's box ``[x, y, width, height]`` relative to the crop
        window: what the crop shows of the image, ``[x, y, width, height]`` relative to the image
        label, confidence, tags: of the label, or the sample's tags
        field: the field of the label, where the map has several
        problem: why there is no image, as a sentence
        shape: the label's shape, None where it has no more than its box
        shape_problem: why its shape is not there, as a sentence
    """

    row: int
    id: str
    sample_id: str
    image: str | None = None
    box: Box | None = None
    window: Box | None = None
    label: str | None = None
    confidence: float | None = None
    tags: tuple[str, ...] = ()
    field: str | None = None
    problem: str | None = None
    shape: Drawing | None = None
    shape_problem: str | None = None


def make_thumbnails(
    dataset: fo.Dataset,
    shown: Map,
    rows: list[int],
    settings: ThumbnailSettings,
    around: Sequence[Sequence[float] | None] = (),
) -> list[Thumbnail]:
    """Cuts the patches of some rows out of their images.

    Args:
        dataset: the dataset of the map
        shown: the map
        rows: the rows; images are decoded once for all of their patches
        settings: how
        around: of each row another box, relative to its image, that is shown too; None for none

    Raises:
        InvalidParameter: if the media are not images
        UnknownField: if the patches field does not exist any more
    """
    if len(shown.parts) > 1:
        return _of_fields(dataset, shown, rows, settings, around)
    storage, field = shown.info.storage(dataset), shown.info.patches_field
    ids, sample_ids = hex_ids(shown.ids[rows]), hex_ids(shown.sample_ids[rows])
    try:
        table = read_stored(storage, shown.info.field, sorted(set(sample_ids)))
    except NoPatches:
        return [
            Thumbnail(row, *pair, problem=_GONE)
            for row, pair in zip(rows, zip(ids, sample_ids, strict=True), strict=True)
        ]
    tags = read_tags(storage, field, sorted(set(sample_ids)))
    shapes = read_shapes(storage, field, list(zip(sample_ids, ids, strict=True)))
    found = {pair: place for place, pair in enumerate(table.pairs.tolist())}
    wanted = pair_ids(sample_ids, None if table.label_ids is None else ids).tolist()
    places = [found.get(pair) for pair in wanted]
    cut = sorted({place for place in places if place is not None})
    outer = table.boxes.copy()
    for place, other in zip(places, around, strict=False):
        if place is not None and other is not None:
            outer[place] = _union(outer[place], np.asarray(other, dtype=np.float64))
    pictures = _cut(shown.collection, table, outer, cut, settings)
    labels = table.labels
    thumbnails = []
    of_rows = zip(rows, ids, sample_ids, wanted, places, strict=True)
    for row, id_, sample_id, pair, place in of_rows:
        if place is None:
            thumbnails.append(Thumbnail(row, id_, sample_id, problem=_GONE))
            continue
        confidence, picture = float(table.confidences[place]), pictures[place]
        thumbnail = Thumbnail(
            row,
            id_,
            sample_id,
            label=labels[place],
            confidence=confidence if np.isfinite(confidence) else None,
            tags=tuple(tags.get(pair) or ()),
        )
        if isinstance(picture, str):
            thumbnails.append(replace(thumbnail, problem=picture))
            continue
        image, box, window = picture
        shape, problem = _draw(
            shapes.get((sample_id, id_)), table.boxes[place], window, settings.size
        )
        thumbnails.append(
            replace(
                thumbnail, image=image, box=box, window=window, shape=shape, shape_problem=problem
            )
        )
    return thumbnails


def _draw(
    shape: Shape | None, box: NDArray[np.float64], window: Box, size: int
) -> tuple[Drawing | None, str | None]:
    """Returns a label's shape, None where it has no more than its box, or why it is not there."""
    if shape is None:
        return None, None
    try:
        drawing = draw_shape(shape, box, window, size)
    except UnreadableImage:
        if isinstance(shape.mask, bytes):
            return None, "Its mask is damaged."
        path = shape.mask or ""
        said = "cannot be read" if os.path.exists(path) else "does not exist"
        return None, f"The mask '{os.path.basename(path)}' {said}."
    if drawing.lines or drawing.points:
        return drawing, None
    return None, "Its mask covers nothing."


def _of_fields(
    dataset: fo.Dataset,
    shown: Map,
    rows: list[int],
    settings: ThumbnailSettings,
    around: Sequence[Sequence[float] | None],
) -> list[Thumbnail]:
    others = [*around, *[None] * (len(rows) - len(around))]
    thumbnails: dict[int, Thumbnail] = {}
    for number, own, within in shown.split(np.array(rows, np.int64)):
        places, part = np.flatnonzero(own).tolist(), shown.parts[number]
        boxes = [others[place] for place in places]
        made = make_thumbnails(dataset, part, within.tolist(), settings, boxes)
        for place, one in zip(places, made, strict=True):
            thumbnails[place] = replace(one, row=rows[place], field=part.info.patches_field)
    return [thumbnails[place] for place in range(len(rows))]


def cut_box(path: str, box: Sequence[float], settings: ThumbnailSettings) -> str | None:
    """Cuts a box out of an image.

    Args:
        path: the image
        box: ``[x, y, width, height]`` relative to it
        settings: how it is cut

    Returns:
        a ``data:`` URI of a JPEG, None where there is none
    """
    numbers = np.array(box, dtype=np.float64)
    picture = _cut_image("", path, {0: (numbers, numbers)}, settings)[0]
    return None if isinstance(picture, str) else picture[0]


_Picture = tuple[str, Box, Box]


def _union(box: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the smallest box around two."""
    start = np.minimum(box[:2], other[:2])
    end = np.maximum(box[:2] + box[2:], other[:2] + other[2:])
    return np.concatenate([start, end - start])


def _cut(
    collection: str,
    table: PatchTable,
    outer: NDArray[np.float64],
    places: list[int],
    settings: ThumbnailSettings,
) -> dict[int, _Picture | str]:
    """Returns a picture, or what is wrong, for each of the table's rows ``places``.

    What it shows is a box of ``outer`` (n, 4), with its margin.
    """
    by_image: dict[int, list[int]] = {}
    for place in places:
        by_image.setdefault(int(table.media[place]), []).append(place)

    def of_image(item: tuple[int, list[int]]) -> dict[int, _Picture | str]:
        media, of_it = item
        boxes = {place: (table.boxes[place], outer[place]) for place in of_it}
        return _cut_image(collection, str(table.filepaths[media]), boxes, settings)

    pictures: dict[int, _Picture | str] = {}
    with ThreadPoolExecutor(_THREADS) as threads:
        for some in threads.map(of_image, by_image.items()):
            pictures |= some
    return pictures


def _cut_image(
    collection: str,
    path: str,
    boxes: dict[int, tuple[NDArray[np.float64], NDArray[np.float64]]],
    settings: ThumbnailSettings,
) -> dict[int, _Picture | str]:
    """Cuts one image; ``boxes`` are those of the patches, and what is shown of each."""
    pictures: dict[int, _Picture | str] = {}
    try:
        changed = os.stat(path).st_mtime_ns
    except OSError:
        return dict.fromkeys(boxes, f"The image '{os.path.basename(path)}' does not exist.")
    keys = {
        place: (collection, path, changed, box.tobytes(), outer.tobytes(), settings)
        for place, (box, outer) in boxes.items()
    }
    for place, (box, _) in boxes.items():
        if not np.isfinite(box).all() or (box[2:] <= 0).any():
            pictures[place] = "Its box is missing, not a number or without area."
        elif (kept := _pictures.find(keys[place])) is not None:
            pictures[place] = kept
    missing = [place for place in boxes if place not in pictures]
    if not missing:
        return pictures
    try:
        pixels = read_pixels(path)
    except UnreadableImage as error:
        name = os.path.basename(path)
        # Pillow's own words name the whole path, which is nobody's business in a browser
        sentence = f"The image '{name}' cannot be read: {str(error).replace(path, name)}."
        return {**dict.fromkeys(missing, sentence), **pictures}
    height, width = pixels.shape[:2]
    scale = np.array([width, height] * 2)
    own, shown = (np.stack(some) for some in zip(*(boxes[place] for place in missing), strict=True))
    tight = np.clip(np.column_stack([own[:, :2], own[:, :2] + own[:, 2:]]), 0, 1)
    windows = pixel_windows(shown, width, height, CropSettings(alpha=2 * settings.margin))
    for place, window, box in zip(missing, windows, tight, strict=True):
        start, end = np.split(window / scale, 2)
        x, y, right, bottom = (
            ((box - np.tile(start, 2)) / np.tile(end - start, 2)).round(4).tolist()
        )
        crop = pixels[window[1] : window[3], window[0] : window[2]]
        left, top, wide, high = np.concatenate([start, end - start]).tolist()
        picture = (
            _jpeg(Image.fromarray(crop), settings.size),
            (x, y, right - x, bottom - y),
            (left, top, wide, high),
        )
        _pictures.put(keys[place], picture)
        pictures[place] = picture
    return pictures


def _jpeg(crop: Image.Image, size: int) -> str:
    crop.thumbnail((size, size))
    data = io.BytesIO()
    crop.save(data, "JPEG", quality=_QUALITY)
    return "data:image/jpeg;base64," + b64encode(data.getvalue()).decode()


# a hand that hovers comes back
_pictures: Memory[_Picture] = Memory(_KEPT_BYTES, lambda picture: len(picture[0]))
