"""Resident memory, as the kernel counted it, of processes of their own and those they start."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from .report import Aim, quick, write

_STAGES = """
import json, resource, sys, time, warnings
from pathlib import Path
import numpy as np
warnings.simplefilter("ignore")
from labelvet.bench.data import synthetic_embeddings
from labelvet.embeddings.crops import CropSettings
from labelvet.embeddings.neighbors import build_neighbor_graph
from labelvet.embeddings.projection import UMAP, project
from labelvet.embeddings.store import SHARD_PATCHES, EmbeddingStore
n, dimension = map(int, sys.argv[1:3])
def memory(what):
    status = Path("/proc/self/status").read_text()
    return int(status.split(what + ":")[1].split()[0]) / 2**20
out, start = {}, time.perf_counter()
def done(stage, peak):
    out[stage] = {"peak_gb": round(peak, 2), "seconds": round(time.perf_counter() - start, 1)}
    print(stage, out[stage], file=sys.stderr, flush=True)
store = EmbeddingStore("synthetic", "none", "float32", CropSettings())
keys = np.random.default_rng(0).integers(0, 256, (n, 16), dtype=np.uint8).view("V16").reshape(-1)
for number, first in enumerate(range(0, n, 50_000)):
    rows = keys[first:first + 50_000]
    some = synthetic_embeddings(len(rows), dimension, seed=51)
    some += np.random.default_rng(number).normal(0, 0.1, some.shape).astype(np.float32)
    for at in range(0, len(rows), SHARD_PATCHES):
        store.write(rows[at:at + SHARD_PATCHES], some[at:at + SHARD_PATCHES])
del some
vectors, found = store.gather(keys)
assert found.all()
done("store", memory("VmHWM"))
graph = build_neighbor_graph(vectors, 15)
# the search has a process of its own, whose memory counts too
search = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
done("neighbors", max(memory("VmHWM"), memory("VmRSS") + search))
points, _ = project(vectors, UMAP(), graph)
assert np.isfinite(points).all() and points.shape == (n, 2)
done("projection", memory("VmHWM"))
print(json.dumps(out))
"""

_EMBED = """
import json, sys
from pathlib import Path
import torch
from labelvet.bench.data import noise_table
from labelvet.embeddings.backbones import load_backbone
from labelvet.embeddings.embedder import embed_patches
table = noise_table(Path(sys.argv[2]), int(sys.argv[1]))
embedded = embed_patches(table, load_backbone())
assert len(embedded.rows) == len(table)
status = Path("/proc/self/status").read_text()
peak = int(status.split("VmHWM:")[1].split()[0]) / 2**20
print(json.dumps({"peak_gb": peak, "of_which_result_gb": embedded.vectors.nbytes / 2**30}))
"""


def run(folder: Path) -> None:
    """Runs the bench."""
    n = 100_000 if quick() else 1_000_000
    stages = _run(_STAGES, str(n), "512")
    few, many = (2500, 5000) if quick() else (10_000, 40_000)
    embedding = {}
    for size in (few, many):
        embedding[size] = _run(_EMBED, str(size), str(folder / "noise"))
        shutil.rmtree(os.environ["LABELVET_CACHE_DIR"])
    peaks = {size: gb["peak_gb"] - gb["of_which_result_gb"] for size, gb in embedding.items()}
    figures = {
        f"{n} x 512": stages,
        "embedding": {
            str(images): {name: round(size, 3) for name, size in gb.items()}
            for images, gb in embedding.items()
        },
    }
    targets = [
        Aim(
            f"{n} x 512 through store, neighbors and projection: peak GB",
            max(stage["peak_gb"] for stage in stages.values()),
            "<=",
            6,
        ),
        Aim(
            f"embedding {many} patches: peak without the result, times that of {few}",
            peaks[many] / peaks[few],
            "<=",
            1.1,
        ),
    ]
    write("memory", figures, targets)


def _run(code: str, *arguments: str) -> Any:
    result = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(result.stdout.splitlines()[-1])
