"""The big datasets of the panel's bench, written into the database directly.

FiftyOne's own writers would take longer than what is measured; the schema, the indexes and the runs
are FiftyOne's own.
"""

from __future__ import annotations

import os
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import fiftyone as fo
import numpy as np
from bson import ObjectId
from labelvet.dataset.documents import samples_of
from PIL import Image

FIELD = "predictions"
KEY = "patches"

_CLASSES = 80
_IMAGES = 200


def make_dataset(folder: Path, name: str, num_images: int, per_image: int) -> fo.Dataset:
    """Makes a dataset with a map of its patches.

    Args:
        folder: where the images go: a few hundred, hard-linked
        name: the dataset's name
        num_images: how many samples
        per_image: how many detections each has

    Returns:
        the dataset, with the run ``KEY`` of fiftyone-brain's own classes
    """
    rng = np.random.default_rng(51)
    paths = _images(folder, num_images, rng)
    dataset = fo.Dataset(name, persistent=True)
    # one sample written by FiftyOne makes the schema
    dataset.add_sample(fo.Sample(paths[0], **{FIELD: fo.Detections(detections=[_detection()])}))
    (like,) = samples_of(dataset).find()
    samples_of(dataset).delete_many({})
    label_like = like[FIELD]["detections"][0]

    n = num_images * per_image
    centers = rng.normal(0, 10, (_CLASSES, 2))
    classes = rng.choice(_CLASSES, n, p=rng.dirichlet(np.full(_CLASSES, 0.6)))
    points = (centers[classes] + rng.normal(0, 0.8, (n, 2))).astype(np.float32)
    confidences = rng.beta(4, 2, n)
    shown = np.where(rng.random(n) < 0.02, rng.integers(0, _CLASSES, n), classes)
    corners, sizes = rng.random((n, 2)) * 0.6, rng.uniform(0.1, 0.4, (n, 2))
    boxes = np.concatenate([corners, sizes], axis=1).tolist()
    label_ids = [ObjectId() for _ in range(n)]
    sample_ids = [ObjectId() for _ in range(num_images)]
    now = datetime.now(timezone.utc)
    documents: list[dict[str, Any]] = []
    for number, (id_, path) in enumerate(zip(sample_ids, paths, strict=True)):
        rows = range(number * per_image, (number + 1) * per_image)
        labels = [
            {
                **label_like,
                "_id": label_ids[row],
                "label": f"class {shown[row]:02d}",
                "confidence": float(confidences[row]),
                "bounding_box": boxes[row],
                "tags": [],
            }
            for row in rows
        ]
        documents.append(
            {
                **like,
                "_id": id_,
                "filepath": path,
                FIELD: {**like[FIELD], "detections": labels},
                "created_at": now,
                "last_modified_at": now,
            }
        )
        if len(documents) == 5_000 or number + 1 == num_images:
            samples_of(dataset).insert_many(documents, ordered=False)
            documents = []
    dataset.reload()
    _write_run(dataset, points, np.repeat(list(map(str, sample_ids)), per_image), label_ids)
    return dataset


def _write_run(dataset: fo.Dataset, points: Any, sample_ids: Any, label_ids: Any) -> None:
    """Writes the run as fiftyone-brain does, without its look at every sample first."""
    import fiftyone.brain.visualization as fbv

    config = fbv.UMAPVisualizationConfig(patches_field=FIELD, model="none")
    method = config.build()
    method.register_run(dataset, KEY, overwrite=True)
    results = fbv.VisualizationResults(
        dataset.limit(0), config, KEY, points, np.array([]), np.array([])
    )
    results._samples = dataset
    results.points = points
    results.sample_ids = np.array(sample_ids)
    results.label_ids = np.array(list(map(str, label_ids)))
    method.save_run_results(dataset, KEY, results)
    # beside another run, the panel does not open this one by itself: a click on its card is timed
    method.register_run(dataset, f"{KEY}_beside", overwrite=True)


def _detection() -> fo.Detection:
    return fo.Detection(label="a", bounding_box=[0.1, 0.1, 0.2, 0.2], confidence=0.5)


def _images(folder: Path, count: int, rng: np.random.Generator) -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number:06d}.jpg" for number in range(count)]
    for number, path in enumerate(paths):
        if path.exists():
            continue
        if number < _IMAGES:
            small = rng.integers(0, 255, (24, 32, 3), dtype=np.uint8)
            Image.fromarray(small).resize((320, 240)).save(path)
        else:
            os.link(paths[number % _IMAGES], path)
    return list(map(str, paths))
