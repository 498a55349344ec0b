"""Types of labels: classes of whole images, one or several, beside cleanlab, crops without their
background, faults of masks, tracks in videos, and the whole loop on a long one.

Digits are scikit-learn's, whose pixels are their embeddings. Cut-outs are those of composed scenes,
each taken for an image of its own.
"""

from __future__ import annotations

import time
import zlib
from dataclasses import replace
from io import BytesIO
from operator import itemgetter
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from labelvet.core.table import WHOLE_IMAGE, PatchTable
from labelvet.embeddings.backbones import load_backbone
from labelvet.embeddings.catalog import DEFAULT_BACKBONE
from labelvet.embeddings.crops import KEPT, REMOVED, CropSettings
from labelvet.embeddings.embedder import embed_patches
from labelvet.issues.suspicion import find_suspects
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.metrics import average_precision_score

from .data import real_boxes, synthetic_embeddings
from .issues_baselines import confident_learning, has_cleanlab
from .issues_data import Labels, flip, scenes
from .issues_measures import best_ranked
from .mask_faults import mask_faults
from .report import Aim, quick, write
from .tag_faults import tag_faults
from .track_scenes import track_faults
from .video_loop import video_loop

_SHARES = (0.01, 0.05, 0.2)
_SCENES = 170
_MANY = 50_000
_SLOWER = 1.2
_LONGER = 8  # with four times the frames: 4 is linear, 16 quadratic


def run(folder: Path) -> None:
    """Runs the bench."""
    if not has_cleanlab():
        print("cleanlab is not measured: pip install cleanlab", flush=True)
    figures: dict[str, Any] = {"masked crops": _masked(folder)}
    # the thresholds were chosen on the other half of the cut-outs
    figures["faults of masks"] = mask_faults(1, odd=True)
    figures["tracks"] = track_faults(folder)
    figures["a video"] = video_loop(folder)
    print(figures, flush=True)
    composed = scenes(folder / "scenes", 0, 40 if quick() else _SCENES, DEFAULT_BACKBONE)
    sets = {
        "digits": _digits(),
        "cut-outs": Labels(_whole(composed.table), composed.vectors),
    }
    for name, labels in sets.items():
        figures[name] = {f"{share:.0%}": _flips(labels, share) for share in _SHARES}
        print(name, figures[name], flush=True)
    figures["several classes"] = tag_faults(
        {"digits": (sets["digits"], np.maximum), "cut-outs": (sets["cut-outs"], np.add)}
    )
    print(figures["several classes"], flush=True)
    if not quick():
        figures["many"] = _many()
    write("types", figures, _targets(figures, tuple(sets)))


def _targets(figures: dict[str, Any], sets: tuple[str, ...]) -> list[Aim]:
    targets = [Aim("masked crops: x plain ones", figures["masked crops"]["ratio"], "<=", _SLOWER)]
    longest = max(figures["a video"]["times"].items(), key=itemgetter(1))
    what = f"a video of four times the frames, {longest[0]}: x the time"
    targets.append(Aim(what, longest[1], "<=", _LONGER))
    for name in sets:
        for share, measured in figures[name].items():
            if "cleanlab" in measured:
                gained = measured["average_precision"] - measured["cleanlab"]
                targets.append(Aim(f"{name}, {share}: AP above cleanlab", gained, ">=", 0))
        for share, of_share in figures["several classes"][name].items():
            for fault, measured in of_share.items():
                if "cleanlab: average_precision" in measured:
                    gained = measured["average_precision"] - measured["cleanlab: average_precision"]
                    what = f"several of {name}, {share} {fault}: AP above cleanlab"
                    targets.append(Aim(what, gained, ">=", 0))
    if many := figures["several classes"].get("many"):
        targets.append(Aim("50,000 images of several classes, s", many["seconds"], "<=", 60))
    return targets


def _whole(table: PatchTable) -> PatchTable:
    """Takes each patch for an image of its own."""
    n = len(table)
    return replace(
        table,
        sample_ids=np.array([f"{row:024x}" for row in range(n)]),
        media=np.arange(n, dtype=np.int32),
        filepaths=np.array([f"{row}.jpg" for row in range(n)], dtype=object),
        boxes=np.tile(np.array(WHOLE_IMAGE), (n, 1)),
    )


def _images(codes: NDArray[Any], names: list[str]) -> PatchTable:
    n = len(codes)
    ids = np.array([f"{row:024x}" for row in range(n)])
    table = PatchTable(
        patches_field="classes",
        sample_ids=ids,
        label_ids=ids,
        media=np.zeros(n, dtype=np.int32),
        filepaths=np.array(["a.jpg"], dtype=object),
        boxes=np.zeros((n, 4)),
        codes=codes.astype(np.int32),
        classes=np.array(names, dtype=object),
        confidences=np.full(n, np.nan, dtype=np.float32),
    )
    return _whole(table)


def _digits() -> Labels:
    pixels, codes = load_digits(return_X_y=True)
    return Labels(_images(codes, [str(digit) for digit in range(10)]), pixels.astype(np.float32))


def _flips(labels: Labels, share: float) -> dict[str, float]:
    """Puts wrong classes in, and looks for them by our scores and by cleanlab's best."""
    ours, theirs = [], []
    for seed in range(1 if quick() else 3):
        table, flipped = flip(labels, share, seed)
        said = find_suspects(table, labels.vectors).mislabeled
        ours.append(float(average_precision_score(flipped, said)))
        if has_cleanlab():
            by_class = confident_learning(table.codes, labels.vectors)
            theirs.append(best_ranked(flipped, by_class)["average_precision"])
    found = {"average_precision": round(mean(ours), 4)}
    return {**found, "cleanlab": round(mean(theirs), 4)} if theirs else found


def _many() -> dict[str, float]:
    """Judges the classes of 50,000 images."""
    vectors = synthetic_embeddings(_MANY, 512)
    centers = vectors[:: _MANY // 20]
    codes = (vectors @ centers.T - (centers**2).sum(axis=1) / 2).argmax(axis=1)
    table, flipped = flip(Labels(_images(codes, [f"c{i}" for i in range(20)]), vectors), 0.05, 0)
    start = time.perf_counter()
    said = find_suspects(table, vectors).mislabeled
    return {
        "seconds": round(time.perf_counter() - start, 1),
        "average_precision": round(float(average_precision_score(flipped, said)), 4),
    }


def _masked(folder: Path) -> dict[str, Any]:
    """Times embeddings of real boxes with and without their background, turn by turn."""
    name, paths, boxes = real_boxes(folder / "images", 24 if quick() else 64)
    pairs = [(media, box) for media, of_image in enumerate(boxes) for box in of_image]
    table = replace(
        _images(np.zeros(len(pairs)), ["thing"]),
        media=np.array([media for media, _ in pairs], dtype=np.int32),
        filepaths=np.array(paths, dtype=object),
        boxes=np.array([box for _, box in pairs]),
    )
    outlined = replace(table, outlines=np.array([_ellipse()] * len(table), dtype=object))
    backbone = load_backbone(DEFAULT_BACKBONE)

    def seconds(table: PatchTable, background: str) -> float:
        start = time.perf_counter()
        embed_patches(table, backbone, CropSettings(background=background), use_store=False)
        return time.perf_counter() - start

    seconds(table, KEPT)  # the first pass allocates
    turns = [(seconds(table, KEPT), seconds(outlined, REMOVED)) for _ in range(5)]
    plain, removed = map(min, zip(*turns, strict=True))
    return {
        "images": name,
        "patches": len(table),
        "plain_s": round(plain, 3),
        "removed_s": round(removed, 3),
        "ratio": round(removed / plain, 3),
    }


def _ellipse() -> bytes:
    """Returns the mask of an ellipse, as it is stored."""
    y, x = np.mgrid[-1:1:128j, -1:1:128j]
    data = BytesIO()
    np.save(data, x**2 + y**2 <= 1)
    return zlib.compress(data.getvalue())
