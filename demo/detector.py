"""A simulated detector: what a real one gets right and wrong, with the truth known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .scenes import overlap

# what happens to a true object; the rest is found as it is
MISSED, WRONG_CLASS, SHIFTED = 0.08, 0.08, 0.07
# boxes on the background, per true object
BACKGROUND = 0.09

# what a detector takes for what
_LOOKALIKES = {
    "apple": ["orange", "ball"],
    "ball": ["orange", "apple"],
    "big cat": ["dog", "horse"],
    "bird": ["insect", "fish"],
    "bovine": ["horse", "sheep", "deer"],
    "car": ["truck"],
    "deer": ["horse", "sheep", "bovine"],
    "dog": ["big cat", "sheep"],
    "fish": ["bird"],
    "flower": ["insect", "orange"],
    "guitar": ["insect"],
    "horse": ["bovine", "deer"],
    "insect": ["flower", "bird"],
    "mushroom": ["flower", "apple"],
    "orange": ["apple", "ball"],
    "sheep": ["dog", "bovine", "deer"],
    "truck": ["car"],
}

# parameters of beta distributions; they overlap, or a threshold would do all the work
_CONFIDENCE_RIGHT = (7.0, 2.2)
_CONFIDENCE_WRONG = (3.2, 3.4)


@dataclass(frozen=True)
class Predictions:
    """What the detector says of one image.

    Attributes:
        labels: the class of each box
        boxes: float64, shape ``(n, 4)``, ``[x, y, width, height]`` in ``[0, 1]``
        confidences: float64, shape ``(n,)``, in ``[0, 1]``
    """

    labels: list[str]
    boxes: NDArray[np.float64]
    confidences: NDArray[np.float64]


def detect(
    labels: list[str], boxes: NDArray[np.float64], classes: list[str], rng: np.random.Generator
) -> Predictions:
    """Returns predictions for the true objects of an image, some of them wrong.

    Args:
        labels: the true class of each object
        boxes: float64, shape ``(n, 4)``, ``[x, y, width, height]`` in ``[0, 1]``
        classes: every class that the detector knows
        rng: decides everything
    """
    found: list[tuple[str, NDArray[np.float64], float]] = []
    for label, box in zip(labels, boxes, strict=True):
        fate = rng.random()
        if fate < MISSED:
            continue
        if fate < MISSED + WRONG_CLASS:
            found.append((_confuse(label, classes, rng), _jitter(box, rng), _doubtful(rng)))
        elif fate < MISSED + WRONG_CLASS + SHIFTED:
            found.append((label, _shift(box, rng), _doubtful(rng)))
        else:
            found.append((label, _jitter(box, rng), float(rng.beta(*_CONFIDENCE_RIGHT))))
    for _ in range(rng.binomial(max(1, len(labels)), BACKGROUND)):
        empty = _empty_place(boxes, rng)
        if empty is not None:
            found.append((classes[rng.integers(len(classes))], empty, _doubtful(rng)))
    return Predictions(
        [label for label, _, _ in found],
        np.array([box for _, box, _ in found], dtype=np.float64).reshape(-1, 4),
        np.array([confidence for _, _, confidence in found], dtype=np.float64),
    )


def _doubtful(rng: np.random.Generator) -> float:
    return float(rng.beta(*_CONFIDENCE_WRONG))


def _confuse(label: str, classes: list[str], rng: np.random.Generator) -> str:
    alike = [name for name in _LOOKALIKES.get(label, []) if name in classes]
    alike = alike or [name for name in classes if name != label]
    return alike[rng.integers(len(alike))]


def _jitter(box: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    return _inside(box + rng.normal(0, 0.02, 4) * np.tile(box[2:], 2))


def _shift(box: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Returns the box moved by half its size or so, which hits only a part of the object."""
    direction = rng.choice([-1.0, 1.0], size=2)
    moved = box.copy()
    moved[:2] += direction * rng.uniform(0.35, 0.6, 2) * box[2:]
    return _inside(moved)


def _empty_place(
    boxes: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64] | None:
    for _ in range(30):
        size = rng.uniform(0.1, 0.35, 2)
        box = np.array([*(rng.random(2) * (1 - size)), *size])
        if not len(boxes) or overlap(box, boxes).max() < 0.02:
            return box
    return None


def _inside(box: NDArray[np.float64]) -> NDArray[np.float64]:
    near = np.clip(box[:2], 0, 0.98)
    far = np.clip(box[:2] + box[2:], near + 0.02, 1)
    return np.concatenate([near, far - near])
