"""Seconds to a map: this engine's neighbors and UMAP, against umap-learn's default call.

Every run has a process of its own: its first map is the cold one, its second the warm one. Both
sides take turns. numba's cache, where this engine keeps compiled functions, is filled by a run that
is not counted but reported ("first ever").
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from .report import Aim, quick, write

SIZES = [(10_000, 1280, 4.0), (100_000, 512, 2.0)]
# scikit-learn's trustworthiness is quadratic in memory, so it is taken of a part
_JUDGED = 5000

_CODE = """
import json, sys, time, warnings
import numpy as np
warnings.simplefilter("ignore")
from labelvet.bench.data import synthetic_embeddings
side, n, dimension, out, again = sys.argv[1], *map(int, sys.argv[2:4]), sys.argv[4], sys.argv[5]
vectors = synthetic_embeddings(n, dimension)
def ours():
    from labelvet.embeddings.neighbors import build_neighbor_graph
    from labelvet.embeddings.projection import UMAP, project
    return project(vectors, UMAP(), build_neighbor_graph(vectors, 15))[0]
def default():
    import umap
    return umap.UMAP().fit_transform(vectors)
seconds = []
for _ in range(1 + int(again)):
    start = time.perf_counter()
    points = ours() if side == "ours" else default()
    seconds.append(time.perf_counter() - start)
np.save(out, points)
print(json.dumps(seconds))
"""


def run(folder: Path) -> None:
    """Runs the bench."""
    figures: dict[str, Any] = {}
    targets: list[Aim] = []
    for n, dimension, times in SIZES[:1] if quick() else SIZES:
        key = f"{n} x {dimension}"
        measured = figures[key] = _measure(n, dimension, folder, turns=2)
        cold = measured["median_cold"]
        trust = measured["trustworthiness"]
        targets += [
            Aim(f"{key}: times as fast, cold", cold["default"] / cold["ours"], ">=", times),
            Aim(f"{key}: trustworthiness gained", trust["ours"] - trust["default"], ">=", -0.01),
            Aim(f"{key}: recall@15", measured["recall_at_15"], ">=", 0.95),
        ]
    write("reduce", figures, targets)


def _measure(n: int, dimension: int, folder: Path, turns: int) -> dict[str, Any]:
    first_ever = _once("ours", n, dimension, folder, again=False)
    seconds: dict[str, list[list[float]]] = {"ours": [], "default": []}
    for _ in range(turns):
        for side, runs in seconds.items():
            runs.append(_once(side, n, dimension, folder, again=True))
            print(f"{n} x {dimension} {side}: cold, warm {np.round(runs[-1], 1)}", flush=True)
    return {
        "seconds_cold_and_warm": {side: np.round(s, 2).tolist() for side, s in seconds.items()},
        "median_cold": {side: median(s[0] for s in runs) for side, runs in seconds.items()},
        "median_warm": {side: median(s[1] for s in runs) for side, runs in seconds.items()},
        "ours_first_ever": first_ever[0],
        **_judge(n, dimension, folder),
    }


def _once(side: str, n: int, dimension: int, folder: Path, again: bool) -> list[float]:
    arguments = [side, str(n), str(dimension), str(folder / f"{side}.npy"), str(int(again))]
    result = subprocess.run(
        [sys.executable, "-c", _CODE, *arguments],
        env={**os.environ, "NUMBA_CACHE_DIR": str(folder / "numba")},
        capture_output=True,
        text=True,
        check=True,
    )
    seconds: list[float] = json.loads(result.stdout.splitlines()[-1])
    return seconds


def _judge(n: int, dimension: int, folder: Path) -> dict[str, Any]:
    from labelvet.embeddings.neighbors import build_neighbor_graph
    from sklearn.manifold import trustworthiness
    from sklearn.neighbors import NearestNeighbors

    from .data import synthetic_embeddings

    vectors = synthetic_embeddings(n, dimension)
    judged = np.random.default_rng(0).choice(n, _JUDGED, replace=False)
    nearest = build_neighbor_graph(vectors, 15).indices[judged]
    exact = NearestNeighbors(n_neighbors=15, algorithm="brute").fit(vectors)
    truth = exact.kneighbors(vectors[judged], return_distance=False)
    hits = [len(np.intersect1d(a, b)) for a, b in zip(nearest, truth, strict=True)]
    return {
        "recall_at_15": float(np.mean(hits)) / 15,
        "trustworthiness": {
            side: float(
                trustworthiness(
                    vectors[judged], np.load(folder / f"{side}.npy")[judged], n_neighbors=15
                )
            )
            for side in ("ours", "default")
        },
    }
