"""What the benches run on."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
from labelvet.dataset.patches import PatchTable
from numpy.typing import NDArray
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
STAMPS = ROOT / ".cache" / "stamps"
COCO128 = Path(os.environ.get("LABELVET_COCO128", ROOT.parent / "shared" / "data" / "coco128"))


def coco128_dataset(
    field: str, label_of: Callable[[dict[str, Any]], str] = itemgetter("label")
) -> Any:
    """Returns a dataset of coco128 with its true boxes in a field.

    Args:
        field: the field
        label_of: returns the class that a true label is given
    """
    import fiftyone as fo

    truth = json.loads((COCO128 / "ground_truth.json").read_text())
    dataset = fo.Dataset()
    for path in sorted((COCO128 / "images").glob("*.jpg")):
        labels = [
            fo.Detection(label=label_of(entry), bounding_box=entry["box"])
            for entry in truth.get(path.name, [])
        ]
        dataset.add_sample(fo.Sample(str(path), **{field: fo.Detections(detections=labels)}))
    return dataset


def real_boxes(folder: Path, num_images: int) -> tuple[str, list[str], list[list[list[float]]]]:
    """Returns a name, image paths and boxes per image: of coco128, or else of composed scenes."""
    if COCO128.is_dir():
        predictions = json.loads((COCO128 / "predictions.json").read_text())
        paths = sorted((COCO128 / "images").glob("*.jpg"))[:num_images]
        boxes = [
            [p["box"] for p in predictions.get(path.name, []) if p["confidence"] > 0.2]
            for path in paths
        ]
        return "coco128", [str(path) for path in paths], boxes

    from labelvet.demo.scenes import compose_scene
    from labelvet.demo.stamps import load_stamps

    stamps = load_stamps(STAMPS)
    rng = np.random.default_rng(51)
    folder.mkdir(parents=True, exist_ok=True)
    paths, boxes = [], []
    for number in range(num_images):
        scene = compose_scene(stamps, rng)
        paths.append(folder / f"{number}.jpg")
        scene.image.save(paths[-1], quality=90)
        boxes.append(scene.boxes.tolist())
    return "composed scenes", [str(path) for path in paths], boxes


def noise_table(folder: Path, num_patches: int, per_image: int = 50) -> PatchTable:
    """Returns a table of distinct random boxes in images of noise, which it makes."""
    rng = np.random.default_rng(51)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number in range(-(-num_patches // per_image)):
        path = folder / f"{number}.jpg"
        if not path.exists():
            small = rng.integers(0, 255, (24, 32, 3), dtype=np.uint8)
            Image.fromarray(small).resize((640, 480)).save(path)
        paths.append(str(path))
    rng = np.random.default_rng(52)  # of its own: the images may exist already
    sizes = rng.uniform(0.1, 0.4, (num_patches, 2))
    boxes = np.concatenate([rng.random((num_patches, 2)) * (1 - sizes), sizes], axis=1)
    media = np.arange(num_patches, dtype=np.int32) // per_image
    return PatchTable(
        patches_field="boxes",
        sample_ids=np.array([f"{i:024x}" for i in media]),
        label_ids=np.array([f"{i:024x}" for i in range(num_patches)]),
        media=media,
        filepaths=np.array(paths, dtype=object),
        boxes=boxes,
        codes=np.zeros(num_patches, dtype=np.int32),
        classes=np.array(["thing"], dtype=object),
        confidences=np.full(num_patches, np.nan, dtype=np.float32),
    )


def synthetic_embeddings(n: int, dimension: int, seed: int = 51) -> NDArray[np.float32]:
    """Returns what embeddings look like: 80 clusters of unequal size, 24 dimensions of meaning, a
    rectifier and some noise; (n, dimension) float32."""
    rng = np.random.default_rng(seed)
    meaning, clusters = 24, 80
    basis = rng.normal(size=(meaning, dimension)).astype(np.float32) / np.sqrt(meaning)
    centers = 1.5 * rng.normal(size=(clusters, meaning)).astype(np.float32)
    weights = rng.dirichlet(np.full(clusters, 0.5))
    vectors = np.empty((n, dimension), dtype=np.float32)
    for start in range(0, n, 50_000):
        rows = min(50_000, n - start)
        meant = centers[rng.choice(clusters, rows, p=weights)]
        meant = meant + rng.standard_normal((rows, meaning), dtype=np.float32)
        noise = np.abs(rng.standard_normal((rows, dimension), dtype=np.float32))
        vectors[start : start + rows] = np.maximum(meant @ basis, 0) + 0.15 * noise
    return vectors
