"""The embedding stage on a Ray cluster of two nodes on this machine, one thread each: against the
plain engine, with one worker and with two, and with workers that are killed."""

from __future__ import annotations

import multiprocessing
import os
import random
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from .data import noise_table
from .report import Target, quick, write

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests" / "workers"))

_LOST = 0.05
_MODEL = "efficientnet-lite0"


def run(folder: Path) -> None:
    """Runs the bench."""
    os.environ |= {"LABELVET_CACHE_DIR": str(folder / "store"), "OMP_NUM_THREADS": "1"}
    from raycluster import RayCluster

    table = noise_table(folder / "noise", 1_200 if quick() else 12_000)
    cluster = RayCluster(folder)
    try:
        cluster.add_node()
        cluster.add_node()
        os.environ |= {k: v for k, v in cluster.environment.items() if k.startswith("RAY_")}
        seconds = _measure(cluster.address, table)
    finally:
        cluster.stop()
    n, plain, one, two = len(table), seconds["plain"], seconds["one"], seconds["two"]
    figures = {
        "patches": n,
        "seconds": seconds,
        "patches_per_second": {"plain": n / plain, "one": n / one, "two": n / two},
        "rate_of_two_plain_processes_over_one": plain / seconds["two_plain_processes"],
    }
    write(
        "cluster",
        figures,
        [
            Target("two workers, rate over one worker's", one / two, ">=", 1.8),
            Target("one worker, time over the plain engine's", one / plain, "<=", 1.1),
            Target("5% of shards lost, time over none lost", seconds["lost"] / two, "<=", 1.1),
        ],
    )


def _measure(address: str, table: Any) -> dict[str, float]:
    from labelvet.embeddings.store import clear_store

    seconds = {}
    for processes in (1, 2):
        halves = np.array_split(np.arange(len(table)), processes)
        name = "plain" if processes == 1 else "two_plain_processes"
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(processes, context) as pool:
            list(pool.map(_embed_plainly, [table.extract(half[:64]) for half in halves]))
            clear_store()
            begun = time.perf_counter()
            list(pool.map(_embed_plainly, [table.extract(half) for half in halves]))
            seconds[name] = time.perf_counter() - begun
    for name, workers, lost in (("one", 1, 0.0), ("two", 2, 0.0), ("lost", 2, _LOST)):
        seconds[name] = _embed_on_cluster(address, table, workers, lost, seconds["plain"] / workers)
    return seconds


_backbones: list[Any] = []


def _embed_plainly(table: Any) -> None:
    import torch
    from labelvet.embeddings.backbones import load_backbone
    from labelvet.embeddings.embedder import embed_patches

    torch.set_num_threads(1)
    if not _backbones:
        _backbones.append(load_backbone(_MODEL, precision="fp32"))
    embed_patches(table, _backbones[0], num_workers=1)


def _embed_on_cluster(
    address: str, table: Any, workers: int, lost: float, expected: float
) -> float:
    from labelvet.embeddings.embedder import embed_patches
    from labelvet.embeddings.placement import place_backbone
    from labelvet.embeddings.store import clear_store
    from labelvet.workers.cluster import ClusterSettings, embedding_on_ray

    clear_store()
    with embedding_on_ray(ClusterSettings(address, max_workers=workers)):
        backbone: Any = place_backbone(_MODEL, precision="fp32")
        while backbone.num_ready < workers:
            embed_patches(table.extract(np.arange(256)), backbone, use_store=False)
        shards = len(table) / backbone.shard_size(len(table))
        kills = max(1, round(lost * shards)) if lost else 0
        killer = threading.Thread(target=_kill_some, args=(kills, expected))
        begun = time.perf_counter()
        killer.start()
        embed_patches(table, backbone)
        elapsed = time.perf_counter() - begun
        killer.join()
    return elapsed


def _kill_some(count: int, expected: float) -> None:
    """Kills so many workers at moments spread over the run."""
    rng = random.Random(51)
    for _ in range(count):
        time.sleep(rng.uniform(0.3, 0.7) * expected / count)
        workers = [p for p in psutil.process_iter(["name"]) if "ShardWorker" in p.info["name"]]
        rng.choice(workers).kill()
