"""Patch tables of the tests' own, and the shards that embedding them leaves."""

import numpy as np
from labelvet.core.table import PatchTable


def make_table(paths, boxes):
    n, per_image = len(boxes), len(boxes) // len(paths)
    return PatchTable(
        patches_field="boxes",
        sample_ids=np.array([f"{i // per_image:024x}" for i in range(n)]),
        label_ids=np.array([f"{i:024x}" for i in range(n)]),
        media=np.repeat(np.arange(len(paths), dtype=np.int32), per_image),
        filepaths=np.array(paths, dtype=object),
        boxes=np.asarray(boxes, dtype=np.float64),
        codes=np.zeros(n, dtype=np.int32),
        classes=np.array(["a"], dtype=object),
        confidences=np.full(n, np.nan, dtype=np.float32),
    )


def shards(folder):
    return sorted(folder.glob("embeddings/*/*.safetensors"))


def fewest_steps(method):
    """The parameters with which a method takes its fewest steps, where how good a map is does not
    matter."""
    return {"max_iters": 250} if method == "tsne" else {}
