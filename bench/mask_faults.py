"""Faults put into exact masks of composed scenes, and which of them label issues name."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import cv2
import numpy as np
from labelvet.core.table import PatchTable
from labelvet.demo.scenes import HEIGHT, WIDTH, Scene, compose_scene
from labelvet.demo.stamps import load_stamps
from labelvet.issues.masks import COVERS, HOLES, ISLANDS, LOOSE_BOX, find_masks
from numpy.typing import NDArray

from .data import STAMPS
from .report import quick

# what each fault should be called
FAULTS = {
    "box shifted": LOOSE_BOX,
    "box grown": LOOSE_BOX,
    "part dropped": LOOSE_BOX,
    "hole": HOLES,
    "island": ISLANDS,
    "covers another": COVERS,
}
# what else may be said of one
_ALSO = {("covers another", ISLANDS)}
_SHARE = 0.3
_SCALE = np.array([WIDTH, HEIGHT, WIDTH, HEIGHT])

_Mask = NDArray[np.bool_]


@dataclass(eq=False)
class _Object:
    """A mask in the pixels of its image, its box in pixels, and what was done to it."""

    mask: _Mask
    box: list[int]
    fault: str | None = None


def mask_faults(seed: int, odd: bool) -> dict[str, Any]:
    """Puts a fault into three of ten masks, one each, and looks for them.

    Args:
        seed: of everything that is random
        odd: whether the scenes are made of the cut-outs of odd number, or of the others

    Returns:
        by name how many it was said of, how many of these rightly, and by fault how many were found
    """
    rng = np.random.default_rng(seed)
    stamps = {name: some[odd::2] for name, some in load_stamps(STAMPS).items() if some[odd::2]}
    named, rightly = dict.fromkeys(FAULTS.values(), 0), dict.fromkeys(FAULTS.values(), 0)
    there, seen = dict.fromkeys(FAULTS, 0), dict.fromkeys(FAULTS, 0)
    masks = 0
    for _ in range(40 if quick() else 400):
        objects = _disturbed(compose_scene(stamps, rng), rng)
        if not objects:
            continue
        found = find_masks(_table(objects))
        masks += len(objects)
        for row, thing in enumerate(objects):
            fault = thing.fault or "none"
            for name in named:
                named[name] += bool(found[name][row])
                right = FAULTS.get(fault) == name or (fault, name) in _ALSO
                rightly[name] += bool(found[name][row]) and right
            if thing.fault:
                there[fault] += 1
                seen[fault] += bool(found[FAULTS[fault]][row])
    return {
        "masks": masks,
        "precision": {
            name: [rightly[name], named[name], round(rightly[name] / max(named[name], 1), 3)]
            for name in named
        },
        "recall": {
            fault: [seen[fault], there[fault], round(seen[fault] / max(there[fault], 1), 3)]
            for fault in there
        },
    }


def _disturbed(scene: Scene, rng: np.random.Generator) -> list[_Object]:
    objects = []
    for mask, box in zip(scene.masks, (scene.boxes * _SCALE).round().astype(int), strict=True):
        if not mask.any():
            continue
        whole = np.zeros((HEIGHT, WIDTH), dtype=bool)
        x, y, width, height = box.tolist()
        whole[y : y + height, x : x + width] = mask
        # an annotator's box is not as tight as could be
        left, top, right, bottom = rng.uniform(0, 0.05, 4)
        x, y, width, height = _around(whole)
        objects.append(
            _Object(
                whole,
                _within(
                    [
                        x - left * width, y - top * height,
                        width * (1 + left + right), height * (1 + top + bottom),
                    ]
                ),
            )
        )  # fmt: skip
    exact = [thing.mask for thing in objects]
    for number, thing in enumerate(objects):
        if rng.random() < _SHARE:
            fault = list(FAULTS)[rng.integers(len(FAULTS))]
            others = [mask for other, mask in enumerate(exact) if other != number]
            if _put(fault, thing, others, rng):
                thing.fault = fault
    return objects


def _put(fault: str, thing: _Object, others: list[_Mask], rng: np.random.Generator) -> bool:
    """Puts a fault into a mask or its box; returns whether it could."""
    x, y, width, height = thing.box
    area = int(thing.mask.sum())
    if fault == "box shifted":
        move = rng.uniform(0.15, 0.5, 2) * rng.choice([-1, 1], 2) * rng.permutation([1, 0.3])
        thing.box = _within([x + move[0] * width, y + move[1] * height, width, height])
    elif fault == "box grown":
        by = rng.uniform(0.2, 1.0, 2) * rng.permutation([1, 0.3])
        start = rng.random(2) * by
        thing.box = _within(
            [x - start[0] * width, y - start[1] * height, width * (1 + by[0]), height * (1 + by[1])]
        )
    elif fault == "part dropped":
        rows, columns = np.nonzero(thing.mask)
        along = columns * (turn := rng.normal(size=2))[0] + rows * turn[1]
        dropped = along > np.quantile(along, rng.uniform(0.4, 0.8))
        thing.mask = thing.mask.copy()
        thing.mask[rows[dropped], columns[dropped]] = False
    elif fault == "hole":
        blob, (rows, columns) = _blob(area * rng.uniform(0.01, 0.15), rng), np.nonzero(thing.mask)
        for place in rng.integers(len(rows), size=50):
            hole = _stamped(blob, rows[place], columns[place])
            around = cv2.dilate(hole.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
            if (thing.mask & around).sum() == around.sum():
                thing.mask = thing.mask & ~hole
                return True
        return False
    elif fault == "island":
        blob = _blob(area * rng.uniform(0.02, 0.2), rng)
        near = max(width, height)
        for _ in range(50):
            row, column = (
                rng.integers(y - near // 2, y + height + near // 2),
                rng.integers(x - near // 2, x + width + near // 2),
            )
            island = _stamped(blob, row, column)
            clear = cv2.dilate(thing.mask.astype(np.uint8), np.ones((15, 15), np.uint8)) > 0
            if island.sum() >= 0.9 * blob.sum() and not (island & clear).any():
                thing.mask = thing.mask | island
                thing.box = _around(thing.mask)
                return True
        return False
    else:
        if not others:
            return False
        centers = [np.mean(np.nonzero(mask), axis=1) for mask in others]
        own = np.mean(np.nonzero(thing.mask), axis=1)
        nearest = int(np.argmin([np.hypot(*(center - own)) for center in centers]))
        other = others[nearest]
        # the nearest part of it, as a brush that went too far would cover
        rows, columns = np.nonzero(other)
        away = np.hypot(rows - own[0], columns - own[1])
        taken = away <= np.quantile(away, rng.uniform(0.4, 1.0))
        thing.mask = thing.mask.copy()
        thing.mask[rows[taken], columns[taken]] = True
        thing.box = _around(thing.mask)
    left, top, width, height = thing.box
    return bool(thing.mask[top : top + height, left : left + width].any())


def _blob(area: float, rng: np.random.Generator) -> _Mask:
    """An ellipse of about an area."""
    aspect = np.exp(rng.uniform(-0.5, 0.5))
    axes = np.maximum(np.sqrt(area / np.pi) * np.array([aspect, 1 / aspect]), 1)
    half = np.ceil(axes).astype(int)
    y, x = np.mgrid[-half[1] : half[1] + 1, -half[0] : half[0] + 1]
    return np.asarray((x / axes[0]) ** 2 + (y / axes[1]) ** 2 <= 1)


def _stamped(blob: _Mask, row: Any, column: Any) -> _Mask:
    """A blob around a pixel of an empty image, cut off at its border."""
    wide = np.zeros((HEIGHT + 2 * blob.shape[0], WIDTH + 2 * blob.shape[1]), dtype=bool)
    top, left = (
        int(np.clip(place + size // 2 + 1, 0, size + most))
        for place, size, most in zip((row, column), blob.shape, (HEIGHT, WIDTH), strict=True)
    )
    wide[top : top + blob.shape[0], left : left + blob.shape[1]] = blob
    return wide[blob.shape[0] : -blob.shape[0], blob.shape[1] : -blob.shape[1]]


def _around(mask: _Mask) -> list[int]:
    return list(cv2.boundingRect(mask.astype(np.uint8)))


def _within(box: list[float]) -> list[int]:
    x, y = max(0, round(box[0])), max(0, round(box[1]))
    right, bottom = min(WIDTH, round(box[0] + box[2])), min(HEIGHT, round(box[1] + box[3]))
    return [x, y, max(1, right - x), max(1, bottom - y)]


def _table(objects: list[_Object]) -> PatchTable:
    """One image of some objects, each with the part of its mask that is in its box."""
    n = len(objects)
    ids = np.array([f"{row:024x}" for row in range(n)])
    masks = np.full(n, None, dtype=object)
    for row, thing in enumerate(objects):
        x, y, width, height = thing.box
        masks[row] = pack(thing.mask[y : y + height, x : x + width])
    return PatchTable(
        patches_field="masks",
        sample_ids=np.full(n, f"{0:024x}"),
        label_ids=ids,
        media=np.zeros(n, dtype=np.int32),
        filepaths=np.array(["a.jpg"], dtype=object),
        boxes=np.array([thing.box for thing in objects]) / _SCALE,
        codes=np.zeros(n, dtype=np.int32),
        classes=np.array(["thing"], dtype=object),
        confidences=np.full(n, np.nan, dtype=np.float32),
        outlines=masks,
    )


def pack(mask: _Mask) -> bytes:
    """Returns a mask as FiftyOne stores it."""
    data = BytesIO()
    np.save(data, mask)
    return zlib.compress(data.getvalue())
