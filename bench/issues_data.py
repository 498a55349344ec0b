"""What label issues are measured on: real boxes with a truth, and composed scenes."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from labelvet.dataset.patches import PatchTable
from labelvet.embeddings.backbones import load_backbone
from labelvet.embeddings.embedder import embed_patches
from labelvet.issues.kinds import BACKGROUND, BADLY_PLACED, DUPLICATE, RIGHT, WRONG_CLASS
from labelvet.issues.numerics import unit_rows
from numpy.typing import NDArray

from .data import COCO128, ROOT, STAMPS
from .overlaps import box_overlaps

# detector → (its file, the confidence above which its boxes are accepted)
DETECTORS = {
    "SSDLite": ("predictions", 0.2),
    "NanoDet": ("predictions_nanodet", 0.3),
    "CenterNet": ("predictions_centernet", 0.2),
}
ACCEPTED = 0.2
_MATCH_IOU, _PLACED_IOU = 0.5, 0.1

Row = tuple[int, str, Any, float]
"""The image of a label, its class, its box and its confidence."""


@dataclass(frozen=True, eq=False)
class Labels:
    """Labels and their embeddings.

    Attributes:
        table: n labels
        vectors: (n, d) float32
    """

    table: PatchTable
    vectors: NDArray[np.float32]

    def take(self, rows: NDArray[Any]) -> Labels:
        """Returns some of them."""
        return Labels(self.table.take(rows), self.vectors[rows])


def coco128_truth(backbone: str) -> Labels:
    """Returns the true labels of coco128; needs the folder."""
    return embed(_coco128_table("ground_truth"), backbone)


def coco128_boxes(detector: str, above: float = 0.0) -> PatchTable:
    """Returns what a real detector found on coco128, above a confidence."""
    return _coco128_table(DETECTORS[detector][0], above)


def coco128(detector: str, backbone: str, above: float | None = None) -> Labels:
    """Returns the same with embeddings, by default above the confidence that is accepted."""
    name, accepted = DETECTORS[detector]
    return embed(_coco128_table(name, accepted if above is None else above), backbone)


def _coco128_table(name: str, above: float = 0.0) -> PatchTable:
    paths = sorted((COCO128 / "images").glob("*.jpg"))
    of_image = json.loads((COCO128 / f"{name}.json").read_text())
    rows = [
        (number, entry["label"], entry["box"], entry.get("confidence", np.nan))
        for number, path in enumerate(paths)
        for entry in of_image.get(path.name, [])
        if not entry.get("confidence", 1.0) <= above
    ]
    return table_of(name, [str(path) for path in paths], rows)


def scenes(folder: Path, seed: int, num_scenes: int, backbone: str) -> Labels:
    """Composes scenes of cut-outs and returns their true labels."""
    from labelvet.demo.stamps import load_stamps

    paths, rows = _compose(folder, seed, num_scenes, load_stamps(STAMPS))
    return embed(table_of("truth", paths, rows), backbone)


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
    paths, truth = _compose(folder, 1000 + seed, num_scenes, load_detector_stamps(STAMPS))
    found = [
        (number, detection.label, detection.bounding_box, detection.confidence)
        for number, path in enumerate(paths)
        for labels in detector.detect([detector.prepare(read_pixels(path))])
        for detection in labels.detections
    ]
    return table_of("truth", paths, truth), embed(table_of("predictions", paths, found), backbone)


def _compose(
    folder: Path, seed: int, num_scenes: int, stamps: dict[str, list[NDArray[np.uint8]]]
) -> tuple[list[str], list[Row]]:
    """Writes scenes; returns their files and their true labels."""
    from labelvet.demo.scenes import compose_scene

    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    paths: list[str] = []
    rows: list[Row] = []
    for number in range(num_scenes):
        scene = compose_scene(stamps, rng)
        paths.append(str(folder / f"{number}.jpg"))
        scene.image.save(paths[-1], quality=90)
        rows += [
            (number, label, box, np.nan)
            for label, box in zip(scene.labels, scene.boxes, strict=True)
        ]
    return paths, rows


def flip(
    labels: Labels, share: float, seed: int, similar: float = 0.0
) -> tuple[PatchTable, NDArray[np.bool_]]:
    """Gives a share of the labels another class; returns the table, and which they are.

    Args:
        labels: the true ones
        share: how many of them
        seed: of the choice
        similar: the share of these that get the class whose average embedding is the most similar;
            the others get a random one
    """
    rng = np.random.default_rng(seed)
    codes, k = labels.table.codes.copy(), len(labels.table.classes)
    rows = rng.choice(len(codes), round(share * len(codes)), replace=False)
    other = rng.integers(k - 1, size=len(rows))
    other += other >= codes[rows]
    units = unit_rows(labels.vectors)
    averages = unit_rows(np.stack([units[codes == code].mean(axis=0) for code in range(k)]))
    likeness = averages @ averages.T
    np.fill_diagonal(likeness, -1)
    confused = rng.random(len(rows)) < similar
    codes[rows] = np.where(confused, likeness.argmax(axis=1)[codes[rows]], other)
    flipped = np.zeros(len(codes), dtype=bool)
    flipped[rows] = True
    return replace(labels.table, codes=codes), flipped


def drop(truth: PatchTable, share: float, seed: int) -> tuple[PatchTable, PatchTable]:
    """Returns the true labels without a share of them, and those."""
    order = np.random.default_rng(seed).permutation(len(truth))
    dropped, kept = np.split(order, [round(share * len(truth))])
    return truth.take(np.sort(kept)), truth.take(np.sort(dropped))


def disturb(truth: Labels, share: float, seed: int, backbone: str) -> tuple[Labels, NDArray[Any]]:
    """Puts errors into true labels: as many of wrong class, shifted, added and doubled.

    Shifted boxes overlap what they were by .1 to .5; added ones are of a true box's class and about
    its size, where nothing of the class overlaps by .1; doubled ones overlap theirs by .6 to .9.
    (As in Schubert et al., WACV 2024.)

    Returns:
        a tuple of the labels, and the kind of each
    """
    rng = np.random.default_rng(seed)
    table = truth.table
    n, count = len(table), round(share * len(table))
    chosen = rng.permutation(n)[: 4 * count]
    flipped, shifted, added, doubled = np.split(chosen, 4)
    codes, _ = flip(truth, 1.0, seed, similar=0.5)
    boxes = table.boxes.copy()
    moved = {int(row): _moved(boxes[row], rng, 0.1, 0.5) for row in shifted}
    for row, box in moved.items():
        boxes[row] = box
    extra = [(int(row), _moved(table.boxes[row], rng, 0.6, 0.9), DUPLICATE) for row in doubled]
    for row in added:
        others = table.boxes[(table.media == table.media[row]) & (table.codes == table.codes[row])]
        extra.append((int(row), _moved(table.boxes[row], rng, 0.0, 0.1, others), BACKGROUND))
    rows = np.concatenate([np.arange(n), [row for row, _, _ in extra]]).astype(np.int64)
    kinds = np.zeros(len(rows), dtype=np.int64)
    kinds[flipped], kinds[shifted] = WRONG_CLASS, BADLY_PLACED
    kinds[n:] = [kind for _, _, kind in extra]
    new_codes = table.codes[rows].copy()
    new_codes[flipped] = codes.codes[flipped]
    new = replace(
        table.take(rows),
        label_ids=np.array([f"{row:024x}" for row in rng.permutation(len(rows))]),
        codes=new_codes,
        boxes=np.concatenate([boxes, [box for _, box, _ in extra]]),
        patches_field=f"disturbed-{seed}",
    )
    at = np.concatenate([np.sort(shifted), np.arange(n, len(rows))])
    vectors = truth.vectors[rows].copy()
    vectors[at] = embed(new.take(at), backbone).vectors
    return Labels(new, vectors), kinds


def _moved(
    box: NDArray[np.float64],
    rng: np.random.Generator,
    low: float,
    high: float,
    others: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Moves and scales a box until it overlaps itself, or some other one the most, so much."""
    against = box[None] if others is None else others
    for attempt in range(2000):
        far = others is not None or attempt > 1000
        size = np.clip(box[2:] * np.exp(rng.normal(0, 0.25, 2)), 0.01, 1.0)
        offset = rng.random(2) * (1 - size) if far else box[:2] + rng.normal(0, 0.4, 2) * box[2:]
        new = np.concatenate([np.clip(offset, 0, 1 - size), size])
        if low <= box_overlaps(against, new[None])[0].max() < high:
            break
    return new


def kinds_of(predictions: PatchTable, truth: PatchTable) -> NDArray[np.int64]:
    """Returns the kind of each prediction, as TIDE defines them.

    The most confident first, each object once: right with an overlap of .5 with a free object of
    its class, duplicate where that is taken, wrong class with .5 of an object of another class,
    badly placed with .1 of one of its class, and background.
    """
    kinds = np.full(len(predictions), BACKGROUND)
    names, true_names = predictions.labels, truth.labels
    for media in np.unique(predictions.media):
        rows, objects = (np.flatnonzero(table.media == media) for table in (predictions, truth))
        if not len(objects):
            continue
        iou, _ = box_overlaps(predictions.boxes[rows], truth.boxes[objects])
        free = np.ones(len(objects), dtype=bool)
        for place in np.argsort(-predictions.confidences[rows], kind="stable"):
            row = rows[place]
            same = np.array([name == names[row] for name in true_names[objects]])
            of_class, of_others = np.where(same, iou[place], 0), np.where(same, 0, iou[place])
            if (of_class * free).max() >= _MATCH_IOU:
                kinds[row] = RIGHT
                free[(of_class * free).argmax()] = False
            elif of_class.max() >= _MATCH_IOU:
                kinds[row] = DUPLICATE
            elif of_others.max() >= _MATCH_IOU:
                kinds[row] = WRONG_CLASS
            elif of_class.max() >= _PLACED_IOU:
                kinds[row] = BADLY_PLACED
    return kinds


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


def embed(table: PatchTable, backbone: str) -> Labels:
    """Embeds patches, or reads what an earlier bench embedded."""
    key = hashlib.sha256(repr(table.filepaths.tolist()).encode())
    for column in (table.media, table.boxes):
        key.update(np.ascontiguousarray(column).tobytes())
    kept = (
        ROOT / ".cache" / "bench" / f"{table.patches_field}-{backbone}-{key.hexdigest()[:16]}.npy"
    )
    if kept.is_file():
        return Labels(table, np.load(kept))
    embeddings = embed_patches(table, load_backbone(backbone))
    if len(embeddings.rows) == len(table):
        kept.parent.mkdir(parents=True, exist_ok=True)
        np.save(kept, embeddings.vectors)
    return Labels(table.take(embeddings.rows), embeddings.vectors)


def table_of(field: str, paths: list[str], rows: list[Row]) -> PatchTable:
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
