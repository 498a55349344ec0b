"""What label issues are measured on: real boxes with a truth, and composed scenes."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from labelvet.dataset.patches import PatchTable
from labelvet.embeddings.backbones import load_backbone
from labelvet.embeddings.embedder import embed_patches
from labelvet.issues.numerics import box_overlaps
from numpy.typing import NDArray

from .data import COCO128, ROOT, STAMPS

ACCEPTED = 0.2
_MATCH_IOU = 0.5

_Row = tuple[int, str, Any, float]
"""The image of a label, its class, its box and its confidence."""


@dataclass(frozen=True, eq=False)
class Labels:
    """Labels and their embeddings.

    Attributes:
        table: n labels
        vectors: (n, d) float32
        groups: (n,) which cut-out each shows, None for real images
    """

    table: PatchTable
    vectors: NDArray[np.float32]
    groups: NDArray[np.int64] | None = None

    def take(self, rows: NDArray[Any]) -> Labels:
        """Returns some of them."""
        groups = None if self.groups is None else self.groups[rows]
        return Labels(self.table.take(rows), self.vectors[rows], groups)


def coco128(backbone: str) -> tuple[Labels, Labels]:
    """Returns the true labels of coco128, and a real detector's; needs the folder."""
    paths = sorted((COCO128 / "images").glob("*.jpg"))
    both = []
    for name in ("ground_truth", "predictions"):
        of_image = json.loads((COCO128 / f"{name}.json").read_text())
        rows = [
            (number, entry["label"], entry["box"], entry.get("confidence", np.nan))
            for number, path in enumerate(paths)
            for entry in of_image.get(path.name, [])
        ]
        both.append(_embed(name, [str(path) for path in paths], rows, backbone))
    return both[0], both[1]


def scenes(folder: Path, seed: int, num_scenes: int, backbone: str) -> Labels:
    """Composes scenes of cut-outs and returns their true labels."""
    from labelvet.demo.stamps import load_stamps

    paths, rows, cut_outs = _compose(folder, seed, num_scenes, load_stamps(STAMPS))
    shown = [f"{row[1]}/{cut_out}" for row, cut_out in zip(rows, cut_outs, strict=True)]
    groups = np.unique(shown, return_inverse=True)[1]
    return replace(_embed("truth", paths, rows, backbone), groups=groups.astype(np.int64))


def detected_scenes(
    folder: Path, seed: int, num_scenes: int, backbone: str
) -> tuple[PatchTable, Labels]:
    """Composes scenes for a small real detector, which was trained on others.

    Returns:
        a tuple of the true labels, and of what it finds with a confidence above 0.1
    """
    from labelvet.autolabel.detectors import load_detector
    from labelvet.demo.training import load_detector_stamps, trained_detector
    from labelvet.embeddings.decoding import read_pixels

    weights = trained_detector(ROOT / ".cache" / "detector", STAMPS)
    detector = load_detector(str(weights), confidence=0.1, device="cpu")
    paths, truth, _ = _compose(folder, 1000 + seed, num_scenes, load_detector_stamps(STAMPS))
    found = [
        (number, detection.label, detection.bounding_box, detection.confidence)
        for number, path in enumerate(paths)
        for labels in detector.detect([detector.prepare(read_pixels(path))])
        for detection in labels.detections
    ]
    return _table("truth", paths, truth), _embed("predictions", paths, found, backbone)


def _compose(
    folder: Path, seed: int, num_scenes: int, stamps: dict[str, list[NDArray[np.uint8]]]
) -> tuple[list[str], list[_Row], list[int]]:
    """Writes scenes; returns their files, their true labels and the cut-outs that these show."""
    from labelvet.demo.scenes import compose_scene

    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    paths: list[str] = []
    rows: list[_Row] = []
    cut_outs: list[int] = []
    for number in range(num_scenes):
        scene = compose_scene(stamps, rng)
        paths.append(str(folder / f"{number}.jpg"))
        scene.image.save(paths[-1], quality=90)
        rows += [
            (number, label, box, np.nan)
            for label, box in zip(scene.labels, scene.boxes, strict=True)
        ]
        cut_outs += scene.cut_outs
    return paths, rows, cut_outs


def flip(labels: Labels, share: float, seed: int) -> tuple[PatchTable, NDArray[np.bool_]]:
    """Gives a share of the labels a random other class; returns the table, and which they are."""
    rng = np.random.default_rng(seed)
    codes = labels.table.codes.copy()
    rows = rng.choice(len(codes), round(share * len(codes)), replace=False)
    other = rng.integers(len(labels.table.classes) - 1, size=len(rows))
    codes[rows] = other + (other >= codes[rows])
    flipped = np.zeros(len(codes), dtype=bool)
    flipped[rows] = True
    return replace(labels.table, codes=codes), flipped


def wrong_boxes(predictions: PatchTable, truth: PatchTable) -> NDArray[np.bool_]:
    """Says which predictions match no object: of the class, an overlap of .5, the most confident
    first and each object once."""
    wrong = np.ones(len(predictions), dtype=bool)
    for prediction, _ in matches(predictions, truth):
        wrong[prediction] = False
    return wrong


def matches(predictions: PatchTable, truth: PatchTable) -> list[tuple[int, int]]:
    """Matches predictions with objects; returns pairs of their rows."""
    names, true_names = predictions.labels, truth.labels
    pairs = []
    for media in np.unique(predictions.media):
        rows, objects = (np.flatnonzero(table.media == media) for table in (predictions, truth))
        if not len(objects):
            continue
        iou, _ = box_overlaps(predictions.boxes[rows], truth.boxes[objects])
        free = np.ones(len(objects), dtype=bool)
        for place in np.argsort(-predictions.confidences[rows], kind="stable"):
            row = int(rows[place])
            same = np.array([true_names[other] == names[row] for other in objects])
            fits = np.where(free & same, iou[place], 0)
            best = int(fits.argmax())
            if fits[best] >= _MATCH_IOU:
                free[best] = False
                pairs.append((row, int(objects[best])))
    return pairs


def missed_objects(accepted: PatchTable, truth: PatchTable) -> NDArray[np.int64]:
    """Returns the rows of the objects that no accepted box shows.

    As TIDE defines it (Bolya et al. 2020): no box of the class overlaps them by .1, which would be
    badly placed, and none of another class by .5, which would be mislabeled.
    """
    missed = []
    names, true_names = accepted.labels, truth.labels
    for row in range(len(truth)):
        near = np.flatnonzero(accepted.media == truth.media[row])
        iou, _ = box_overlaps(accepted.boxes[near], truth.boxes[row : row + 1])
        needed = [0.1 if names[other] == true_names[row] else _MATCH_IOU for other in near]
        if not (iou[:, 0] >= needed).any():
            missed.append(row)
    return np.array(missed, dtype=np.int64)


def _embed(field: str, paths: list[str], rows: list[_Row], backbone: str) -> Labels:
    table = _table(field, paths, rows)
    embeddings = embed_patches(table, load_backbone(backbone))
    return Labels(table.take(embeddings.rows), embeddings.vectors)


def _table(field: str, paths: list[str], rows: list[_Row]) -> PatchTable:
    media, names, boxes, confidences = zip(*rows, strict=True)
    classes, codes = np.unique(names, return_inverse=True)
    return PatchTable(
        patches_field=field,
        sample_ids=np.array([f"{number:024x}" for number in media]),
        label_ids=np.array([f"{row:024x}" for row in range(len(rows))]),
        media=np.array(media, dtype=np.int32),
        filepaths=np.array(paths, dtype=object),
        boxes=np.array(boxes, dtype=np.float64),
        codes=codes.astype(np.int32),
        classes=classes.astype(object),
        confidences=np.array(confidences, dtype=np.float32),
    )
