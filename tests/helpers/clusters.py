"""Labels in clusters of their class, with and without a dataset."""

from __future__ import annotations

import fiftyone as fo
import labelvet
import numpy as np
from alike import add_alike
from labelvet.dataset.patches import PatchTable


def clusters(n=120, num_classes=4, seed=0, confidence=True):
    """Labels in clusters of their class, the first 6 flipped; returns table, vectors, flipped."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, num_classes, n)
    vectors = (3 * np.eye(num_classes, 16)[truth] + 0.3 * rng.normal(size=(n, 16))).astype("f4")
    flipped = np.arange(n) < (6 if num_classes > 1 else 0)
    codes = np.where(flipped, (truth + 1) % num_classes, truth).astype(np.int32)
    table = PatchTable(
        patches_field="labels",
        sample_ids=np.array([f"{i // 3:024x}" for i in range(n)]),
        label_ids=np.array([f"{i:024x}" for i in rng.permutation(n)]),
        media=(np.arange(n) // 3).astype(np.int32),
        filepaths=np.array([f"{i}.jpg" for i in range(n)], dtype=object),
        boxes=np.column_stack([rng.random((n, 2)) / 2, rng.uniform(0.1, 0.3, (n, 2))]),
        codes=codes,
        classes=np.array([f"c{i}" for i in range(num_classes)], dtype=object),
        confidences=rng.uniform(0.3, 1, n).astype("f4") if confidence else np.full(n, np.nan, "f4"),
    )
    return table, vectors, flipped, truth


def labeled_dataset(dataset, table, vectors, flipped):
    """Fills a dataset with a table's labels and maps them; returns it and the flipped ids."""

    def sample(start):
        detections = [
            fo.Detection(
                label=str(table.labels[row]),
                bounding_box=table.boxes[row].tolist(),
                vector=vectors[row],
                **({"confidence": float(c)} if np.isfinite(c := table.confidences[row]) else {}),
            )
            for row in range(start, start + 3)
        ]
        return fo.Sample(filepath=f"/{start}.jpg", labels=fo.Detections(detections=detections))

    add_alike(dataset, map(sample, range(0, len(table), 3)))
    labelvet.compute_visualization(
        dataset, "labels", "map", embeddings="vector", method="pca", progress=False
    )
    ids = np.array(dataset.values("labels.detections.id", unwind=True))
    return dataset, ids[flipped].tolist()
