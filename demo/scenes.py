"""Scenes composed of cut-outs, with the true label and box of every object."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter

WIDTH, HEIGHT = 800, 600
_OBJECTS = (4, 9)
# long side of an object, as a fraction of the scene's height
_SIZES = (0.16, 0.5)
_MAX_OVERLAP = 0.1
_ATTEMPTS = 30

# an object that reads differently in a mirror stays as it is
_NEVER_MIRRORED = frozenset({"car", "truck", "ball"})

# (top, bottom, ground) colors of sky and ground
_LANDSCAPES = (
    ((96, 150, 210), (205, 225, 240), (98, 132, 62)),
    ((150, 175, 200), (225, 228, 230), (186, 165, 120)),
    ((235, 190, 150), (245, 225, 200), (120, 105, 80)),
    ((120, 135, 150), (190, 198, 205), (112, 114, 118)),
    ((70, 120, 190), (170, 205, 235), (225, 228, 235)),
)


@dataclass(frozen=True)
class Scene:
    """A picture and what is in it.

    Attributes:
        image: the picture, RGB
        labels: the class of each object
        boxes: float64, shape ``(n, 4)``, ``[x, y, width, height]`` in ``[0, 1]``, FiftyOne's own
        cut_outs: which cut-out of its class each object is
        masks: which pixels of its box show each object, (height, width) bool
    """

    image: Image.Image
    labels: list[str]
    boxes: NDArray[np.float64]
    cut_outs: list[int]
    masks: list[NDArray[np.bool_]]


def compose_scene(
    stamps: dict[str, list[NDArray[np.uint8]]], rng: np.random.Generator
) -> Scene:  # fmt: skip
    """Returns a scene of 4 to 8 objects that hardly overlap, before a landscape without objects.

    Args:
        stamps: RGBA cut-outs by class
        rng: decides everything, so that the same seed gives the same scene
    """
    image = draw_landscape(rng)
    labels: list[str] = []
    # the number of the object that each pixel shows, from 1
    shown = np.zeros((HEIGHT, WIDTH), dtype=np.int64)
    boxes: list[tuple[int, int, int, int]] = []
    cut_outs: list[int] = []
    names = sorted(stamps)
    for _ in range(int(rng.integers(*_OBJECTS))):
        label = names[rng.integers(len(names))]
        number = int(rng.integers(len(stamps[label])))
        cut_out = _vary(stamps[label][number], label, rng)
        place = _place(cut_out.size, boxes, rng)
        if place is None:
            continue
        image.paste(cut_out, place, cut_out)
        labels.append(label)
        opaque = np.asarray(cut_out.getchannel("A")) > 127
        _window(shown, (*place, *cut_out.size))[opaque] = len(labels)
        boxes.append((*place, *cut_out.size))
        cut_outs.append(number)
    scale = np.array([WIDTH, HEIGHT, WIDTH, HEIGHT])
    masks = [_window(shown, box) == number for number, box in enumerate(boxes, start=1)]
    relative = np.array(boxes, dtype=np.float64).reshape(-1, 4) / scale
    return Scene(image, labels, relative, cut_outs, masks)


def _window(pixels: NDArray[np.int64], box: tuple[int, int, int, int]) -> NDArray[np.int64]:
    x, y, width, height = box
    return pixels[y : y + height, x : x + width]


def overlap(box: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the intersection over union of a box, shape ``(4,)``, with each of ``(n, 4)``."""
    near = np.maximum(box[:2], others[:, :2])
    far = np.minimum(box[:2] + box[2:], others[:, :2] + others[:, 2:])
    shared = np.clip(far - near, 0, None).prod(axis=1)
    together = box[2:].prod() + others[:, 2:].prod(axis=1) - shared
    return np.asarray(shared / np.maximum(together, 1e-12))


def _vary(stamp: NDArray[np.uint8], label: str, rng: np.random.Generator) -> Image.Image:
    cut_out = Image.fromarray(stamp)
    if label not in _NEVER_MIRRORED and rng.random() < 0.5:
        cut_out = cut_out.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    cut_out = cut_out.rotate(rng.normal(0, 10), expand=True, resample=Image.Resampling.BICUBIC)
    side = HEIGHT * rng.uniform(*_SIZES)
    ratio = side / max(cut_out.size)
    cut_out = cut_out.resize(
        (max(1, round(cut_out.width * ratio)), max(1, round(cut_out.height * ratio))),
        Image.Resampling.LANCZOS,
    )
    alpha = cut_out.getchannel("A")
    cut_out = cut_out.convert("RGB")
    # light, film and focus, so that the same cut-out is never seen twice
    cut_out = ImageEnhance.Brightness(cut_out).enhance(rng.uniform(0.6, 1.25))
    cut_out = ImageEnhance.Color(cut_out).enhance(rng.uniform(0.3, 1.3))
    cut_out = cut_out.filter(ImageFilter.GaussianBlur(rng.uniform(0, 2)))
    cut_out.putalpha(alpha)
    # a soft shadow of nearly nothing is no part of the object
    return cut_out.crop(alpha.point(lambda value: 255 if value > 32 else 0).getbbox())


def _place(
    size: tuple[int, int], boxes: list[tuple[int, int, int, int]], rng: np.random.Generator
) -> tuple[int, int] | None:
    """Returns where an object of this size hides none of the others, None if nowhere was found."""
    others = np.array(boxes, dtype=np.float64).reshape(-1, 4)
    for _ in range(_ATTEMPTS):
        x = int(rng.integers(0, max(1, WIDTH - size[0])))
        y = int(rng.integers(0, max(1, HEIGHT - size[1])))
        box = np.array([x, y, *size], dtype=np.float64)
        if not len(others) or overlap(box, others).max() < _MAX_OVERLAP:
            return x, y
    return None


def draw_landscape(rng: np.random.Generator) -> Image.Image:
    """Returns sky and ground with some grain, and nothing in it that a detector knows."""
    top, bottom, ground = (
        np.array(color, dtype=np.float64) for color in _LANDSCAPES[rng.integers(len(_LANDSCAPES))]
    )
    horizon = int(HEIGHT * rng.uniform(0.25, 0.6))
    down = np.linspace(0, 1, horizon)[:, None, None]
    sky = np.broadcast_to(top + (bottom - top) * down, (horizon, WIDTH, 3))
    near = np.linspace(0.8, 1.1, HEIGHT - horizon)[:, None, None]
    land = np.broadcast_to(ground * near, (HEIGHT - horizon, WIDTH, 3))
    picture = np.concatenate([sky, land])
    grain = np.full((HEIGHT, 1), 6.0)
    grain[horizon:] = 26.0
    picture = picture + (_noise(rng) * grain)[:, :, None]
    return Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))


def _noise(rng: np.random.Generator) -> NDArray[np.float64]:
    """Returns smooth noise of several scales, shape ``(HEIGHT, WIDTH)``, in about [-1, 1]."""
    total = np.zeros((HEIGHT, WIDTH))
    for cells, weight in ((6, 0.5), (24, 0.3), (96, 0.2), (300, 0.25)):
        coarse = rng.uniform(-1, 1, size=(cells * HEIGHT // WIDTH, cells)).astype(np.float32)
        fine = Image.fromarray(coarse).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
        total += weight * np.asarray(fine)
    return total
