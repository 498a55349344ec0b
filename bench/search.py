"""Search by an image: is a label found by its own crop, what else is, and how long does it take?

Of words nothing is measured: no model that knows them comes with its weights.
"""

from __future__ import annotations

import io
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from labelvet.embeddings.crops import CropSettings, cut_crops
from labelvet.embeddings.decoding import read_pixels
from labelvet.embeddings.neighbors import distances_to
from labelvet.embeddings.store import EmbeddingStore
from labelvet.maps.map import load_map
from labelvet.maps.search import open_search
from labelvet.maps.similar import nearest_rows
from labelvet.visualization.compute import compute_visualization
from PIL import Image

from .data import COCO128, coco128_dataset, synthetic_embeddings
from .report import Aim, quick, write

_FIELD, _KEY = "ground_truth", "patches"
_ASKED = 300
_NEAREST = 10
_VECTORS, _DIMENSION = 100_000, 1280
_PART = 2048
_TURNS = 5


def run(folder: Path) -> None:
    """Runs the bench."""
    figures: dict[str, Any] = {}
    if COCO128.is_dir():
        figures["coco128"] = _coco128()
    many = figures["many"] = _many(folder)
    targets = [Aim(f"nearest of {many['vectors']:,} vectors, s", many["nearest"], "<=", 1.0)]
    if "coco128" in figures:
        first = figures["coco128"]["own_label_first"]
        targets.append(Aim("labels found first by their own crop", first, ">=", 0.99))
    write("search", figures, targets)


def _coco128() -> dict[str, Any]:
    dataset = coco128_dataset(_FIELD)
    compute_visualization(dataset, _FIELD, _KEY, method="pca", progress=False)
    shown = load_map(dataset, _KEY)
    labels = {
        one.id: (sample.filepath, one) for sample in dataset for one in sample[_FIELD].detections
    }
    ids = dataset.load_brain_results(_KEY).label_ids
    of_row = [labels[id_] for id_ in ids]
    classes = np.array([label.label for _, label in of_row])
    start = time.perf_counter()
    find = open_search(dataset, shown)
    figures: dict[str, Any] = {
        "labels": len(shown),
        "classes": len(set(classes)),
        "open": round(time.perf_counter() - start, 2),
    }
    rng = np.random.default_rng(51)
    rows = rng.choice(len(shown), min(len(shown), 30 if quick() else _ASKED), replace=False)
    firsts, small_firsts, alike, seconds = [], [], [], []
    for row in rows.tolist():
        path, label = of_row[row]
        (crop,) = cut_crops(read_pixels(path), np.array([label.bounding_box]), CropSettings())
        content = _saved(crop, "PNG")
        start = time.perf_counter()
        near = find.near_image(content, _NEAREST + 1).tolist()
        seconds.append(time.perf_counter() - start)
        firsts.append(near[0] == row)
        others = [one for one in near if one != row][:_NEAREST]
        alike.append(float((classes[others] == label.label).mean()))
        half = Image.fromarray(crop).reduce(2) if min(crop.shape[:2]) >= 32 else None
        if half is not None:
            small = find.near_image(_saved(np.asarray(half), "JPEG", quality=80), 1)
            small_firsts.append(int(small[0]) == row)
    chance = [float((classes == classes[row]).mean()) for row in rows]
    dataset.delete()
    return figures | {
        "asked": len(rows),
        "own_label_first": round(float(np.mean(firsts)), 4),
        "asked_at_half_size": len(small_firsts),
        "own_label_first_at_half_size_as_jpeg": round(float(np.mean(small_firsts)), 4),
        "same_class_among_the_next_10": round(float(np.mean(alike)), 4),
        "same_class_by_chance": round(float(np.mean(chance)), 4),
        "search": round(median(seconds), 4),
    }


def _saved(pixels: Any, format_: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format_, **options)
    return buffer.getvalue()


def _many(folder: Path) -> dict[str, Any]:
    n = _VECTORS // (10 if quick() else 1)
    vectors = synthetic_embeddings(n, _DIMENSION)
    keys = np.frombuffer(np.random.default_rng(51).bytes(16 * n), "V16")
    store = EmbeddingStore("bench", "0", "fp32", CropSettings(), folder / "store")
    for start in range(0, n, _PART):
        part = slice(start, start + _PART)
        store.write(keys[part], vectors[part])
    begin = time.perf_counter()
    read, found = store.gather(keys)
    figures: dict[str, Any] = {
        "vectors": n,
        "dimension": _DIMENSION,
        "read_from_the_store": round(time.perf_counter() - begin, 2),
    }
    if not found.all():
        raise RuntimeError("the store did not find what was written")
    for metric in ("euclidean", "cosine"):
        seconds, busy = [], []
        for turn in range(_TURNS):
            begin, began = time.perf_counter(), time.process_time()
            near = nearest_rows(distances_to(vectors[turn], read, metric), 50)
            seconds.append(time.perf_counter() - begin)
            busy.append(time.process_time() - began)
            if int(near[0]) != turn:
                raise RuntimeError("a vector was not its own nearest")
        figures[metric] = round(median(seconds), 3)
        figures[f"{metric}_of_the_processor"] = round(median(busy), 3)
    return figures | {"nearest": max(figures["euclidean"], figures["cosine"])}
