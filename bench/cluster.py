"""The embedding stage on a Ray cluster of two nodes on this machine, a core and a thread each:
against the plain engine, with one worker and with two, and with two of which some are killed."""

from __future__ import annotations

import multiprocessing
import os
import random
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import psutil

from .data import noise_table
from .report import Aim, quick, write

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests" / "helpers"))

_LOST = 0.05
_MODEL = "efficientnet-lite0"
# each worker has as much to do with another beside it as alone
_PATCHES_PER_WORKER = 600 if quick() else 10_000
_ROUNDS = 2


def run(folder: Path) -> None:
    """Runs the bench."""
    os.environ |= {"LABELVET_CACHE_DIR": str(folder / "store"), "OMP_NUM_THREADS": "1"}
    from raycluster import RayCluster

    table = noise_table(folder / "noise", 2 * _PATCHES_PER_WORKER)
    cores = sorted(os.sched_getaffinity(0))[:2]
    cluster = RayCluster(folder)
    try:
        for core in cores:
            with _on_core(core):
                cluster.add_node()
        os.environ |= {k: v for k, v in cluster.environment.items() if k.startswith("RAY_")}
        rates, losses = _measure(cluster.address, table, cores)
    finally:
        cluster.stop()
    plain, one, two, lost = (
        median(rates[name]) for name in ("plain", "one", "two", "two_and_some_lost")
    )
    figures = {
        "patches_per_worker": _PATCHES_PER_WORKER,
        "patches_per_second": rates,
        "losses": losses,
        "rate_of_two_plain_processes_over_one": median(rates["two_plain_processes"]) / plain,
    }
    write(
        "cluster",
        figures,
        [
            Aim("two workers, rate over one worker's", two / one, ">=", 1.8),
            Aim("one worker, time over the plain engine's", plain / one, "<=", 1.1),
            Aim("5% of shards lost, time over none lost", two / lost, "<=", 1.1),
        ],
    )


def _measure(
    address: str, table: Any, cores: list[int]
) -> tuple[dict[str, list[float]], list[dict[str, Any]]]:
    """Returns the patches a second of each way, and what was lost in each round."""
    alone = table.extract(np.arange(_PATCHES_PER_WORKER))
    rates: dict[str, list[float]] = {}
    losses = []

    def note(name: str, patches: int, seconds: float) -> None:
        rates.setdefault(name, []).append(patches / seconds)
        print(f"{name}: {patches} patches in {seconds:.1f} s", file=sys.stderr, flush=True)

    note("plain", len(alone), _embed_in_processes([alone], cores))
    note("one", len(alone), _embed_on_cluster(address, alone, 1)[0])
    halves = [table.extract(rows) for rows in np.array_split(np.arange(len(alone)), 2)]
    note("two_plain_processes", len(alone), _embed_in_processes(halves, cores))
    rng = random.Random(51)
    for number in range(_ROUNDS):
        seconds, shards = _embed_on_cluster(address, table, 2)
        note("two", len(table), seconds)
        kills = max(1, round(_LOST * shards))
        # spread over the run, and over its halves from round to round
        moments = [seconds * (i + (number % 2 + rng.random()) / 2) / kills for i in range(kills)]
        disturbed, _ = _embed_on_cluster(address, table, 2, moments)
        note("two_and_some_lost", len(table), disturbed)
        losses.append({"shards": shards, "lost_after_seconds": moments})
    return rates, losses


def _embed_in_processes(tables: list[Any], cores: list[int]) -> float:
    """Returns the seconds that one process for each table takes, each on a core of its own."""
    from labelvet.embeddings.store import clear_store

    context = multiprocessing.get_context("spawn")
    with ExitStack() as stack:
        pools = [
            stack.enter_context(ProcessPoolExecutor(1, context, os.sched_setaffinity, (0, {core})))
            for core in cores[: len(tables)]
        ]

        def embed(parts: list[Any]) -> None:
            futures = [
                pool.submit(_embed_plainly, part) for pool, part in zip(pools, parts, strict=True)
            ]
            for future in futures:
                future.result()

        embed([table.extract(np.arange(64)) for table in tables])
        clear_store()
        begun = time.perf_counter()
        embed(tables)
        return time.perf_counter() - begun


_backbones: list[Any] = []


def _embed_plainly(table: Any) -> None:
    import torch
    from labelvet.embeddings.backbones import load_backbone
    from labelvet.embeddings.embedder import embed_patches
    from labelvet.embeddings.hardware import Hardware

    torch.set_num_threads(1)
    if not _backbones:
        _backbones.append(load_backbone(_MODEL, precision="fp32"))
    embed_patches(table, _backbones[0], hardware=Hardware(num_workers=1))


def _embed_on_cluster(
    address: str, table: Any, workers: int, moments: list[float] | None = None
) -> tuple[float, int]:
    """Returns the seconds that it takes and the number of shards; kills a worker at each moment."""
    from labelvet.embeddings.embedder import cut_shards, embed_patches
    from labelvet.embeddings.loader import load_for_run
    from labelvet.embeddings.store import clear_store
    from labelvet.workers.cluster import ClusterSettings, embedding_on_ray

    clear_store()
    with (
        embedding_on_ray(ClusterSettings(address, max_workers=workers)),
        ThreadPoolExecutor(1) as beside,
    ):
        backbone: Any = load_for_run(_MODEL, precision="fp32")
        while backbone.num_ready < workers:
            embed_patches(table.extract(np.arange(256)), backbone, use_store=False)
        shards = sum(1 for _ in cut_shards(np.arange(len(table)), table.media, backbone.shard_size))
        begun = time.perf_counter()
        killing = beside.submit(_kill_some, moments or [])
        embed_patches(table, backbone)
        seconds = time.perf_counter() - begun
        killing.result()  # raises where there was nobody to kill
        return seconds, shards


def _kill_some(moments: list[float]) -> None:
    """Kills a worker that has a shard, at each of these seconds from now."""
    rng, begun = random.Random(51), time.perf_counter()
    for moment in moments:
        time.sleep(max(0.0, begun + moment - time.perf_counter()))
        workers = [
            p for p in psutil.process_iter(["name"]) if p.info["name"] == "ray::ShardWorker.embed"
        ]
        rng.choice(workers).kill()


@contextmanager
def _on_core(core: int) -> Iterator[None]:
    """What is started meanwhile runs on this core alone, as on a machine that has no other."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)
