"""Runs on a real Ray cluster of two nodes, on loopback."""

from __future__ import annotations

import pickle
import re
from contextlib import suppress

import numpy as np
import psutil
import pytest
from labelvet.embeddings.embedder import cut_shards
from labelvet.workers.child import CANCELLED
from labelvet.workers.cluster import shard_size
from labelvet.workers.operations import cancel, get_operation
from running import PATIENCE, SLOW, save_trap, schedule, wait_for_state, wait_until
from tables import make_table


@pytest.fixture
def cluster_worker(ray_cluster, start_worker):
    """Starts a worker that serves the cluster as 'gpu-cluster'."""

    def start(*options, **env):
        return start_worker(
            "gpu-cluster", "--ray", ray_cluster.address, *options,
            env={**ray_cluster.environment, **env},
        )  # fmt: skip

    return start


def test_the_cluster_embeds_what_this_machine_would(coco128, cluster_worker, tmp_path, monkeypatch):
    import labelvet

    some = coco128.limit(48)
    monkeypatch.setenv("LABELVET_CACHE_DIR", str(tmp_path / "here"))
    labelvet.compute_visualization(
        some, "predictions", "here", method="pca", precision="fp32", overwrite=True
    )
    worker = cluster_worker(LABELVET_CACHE_DIR=str(tmp_path / "there"))
    assert "a Ray cluster of 3 nodes, 2 CPUs" in worker.printed
    id_ = schedule(some, "there", "gpu-cluster", precision="fp32")
    done = wait_for_state(id_, "completed", "failed")
    assert done.state == "completed", done.trace
    coco128.reload()
    here, there = (coco128.load_brain_results(key) for key in ("here", "there"))
    assert list(here.label_ids) == list(there.label_ids)
    # batches are composed differently
    np.testing.assert_allclose(here.points, there.points, atol=1e-2)


def embedding(id_):
    """How many patches are embedded, 0 before that begins."""
    line = get_operation(id_).line or ""
    match = re.match(r"Embedding patches · ([\d,]+) of", line)
    return int(match[1].replace(",", "")) if match else 0


def test_a_run_survives_its_ray_worker_and_its_worker_and_stops_when_told(
    coco128, ray_cluster, cluster_worker, tmp_path
):
    store = {"LABELVET_CACHE_DIR": str(tmp_path / "store")}
    first = cluster_worker("--take-over", **store)
    some = coco128.limit(48)
    patches = some.count("predictions.detections")
    id_ = schedule(some, "taken_over", "gpu-cluster", **SLOW)
    wait_until(lambda: embedding(id_) > 0)
    # a Ray worker dies, which costs its shard
    ray_cluster.workers[0].kill()
    before = embedding(id_)
    wait_until(lambda: embedding(id_) > before)
    assert get_operation(id_).state == "running"
    # the worker itself dies, and its part of the cluster's work with it
    first.kill()
    second = cluster_worker("--take-over", **store)
    wait_until(lambda: get_operation(id_).attempts == 2)
    done = wait_for_state(id_, "completed", "failed")
    assert done.state == "completed", done.trace
    reused = int(re.search(r"(\d+) embeddings had been computed before", done.line)[1])
    assert 0 < before <= reused < patches
    coco128.reload()
    assert len(coco128.load_brain_results("taken_over").points) == patches

    # cancelled, it leaves nothing running on the cluster
    id_ = schedule(coco128, "stopped", "gpu-cluster", **SLOW, alpha=0.1)
    wait_until(lambda: embedding(id_) > 0)
    assert ray_cluster.workers
    cancel(id_)
    assert wait_for_state(id_, "failed").error == CANCELLED
    wait_until(lambda: not ray_cluster.workers)
    assert second.stop() == 0


def test_a_node_that_joins_is_used(coco128, ray_cluster, cluster_worker, tmp_path):
    cluster_worker(LABELVET_CACHE_DIR=str(tmp_path / "store"))
    id_ = schedule(coco128.limit(48), "grown", "gpu-cluster", **SLOW, alpha=0.2)
    wait_until(lambda: embedding(id_) > 0)
    busy = ray_cluster.workers
    for worker in busy:  # so that something is left to do when the node is there
        worker.suspend()
    node = ray_cluster.add_node()
    try:
        wait_until(lambda: len(ray_cluster.workers) > len(busy))
        before = embedding(id_)
        wait_until(lambda: embedding(id_) > before)
        for worker in busy:
            worker.resume()
        done = wait_for_state(id_, "completed", "failed")
        assert done.state == "completed", done.trace
    finally:
        for worker in busy:
            with suppress(psutil.NoSuchProcess):
                worker.resume()
        ray_cluster.stop_node(node)


def test_a_cluster_that_is_not_there_is_named(start_worker):
    worker = start_worker("nowhere", "--ray", "127.0.0.1:1", wait=False)
    assert worker.process.wait(PATIENCE) == 1
    assert "The Ray cluster at '127.0.0.1:1' cannot be used from here" in worker.printed
    assert "Traceback" not in worker.printed


def test_a_worker_without_the_token_is_refused(ray_cluster, start_worker):
    env = ray_cluster.environment | {"RAY_AUTH_TOKEN": "0" * 64}
    worker = start_worker("intruder", "--ray", ray_cluster.address, env=env, wait=False)
    assert worker.process.wait(PATIENCE) == 1
    assert f"The Ray cluster at '{ray_cluster.address}' cannot be used from here" in worker.printed


def test_shards_shrink_towards_the_end():
    assert shard_size(100_000, workers=2) == 2048
    # half of a worker's share of what is left
    assert shard_size(4000, workers=2) == 1000
    assert shard_size(100, workers=2) == 64


def test_no_shard_ends_within_an_image():
    media = np.repeat(np.arange(60), np.arange(60)).astype(np.int32)
    rows = np.arange(len(media))[5:]
    cut = list(cut_shards(rows, media, lambda left: shard_size(left, workers=2)))
    assert np.concatenate(cut).tolist() == rows.tolist() and len(cut) > 5
    of_shards = [set(media[shard].tolist()) for shard in cut]
    assert sum(map(len, of_shards)) == len(set.union(*of_shards))


def test_what_a_patch_weighs_on_its_way():
    table = make_table(["/a.jpg"], [[0, 0, 1, 1]] * 2048)
    assert round(len(pickle.dumps(table.extract(np.arange(2048)))) / 2048, -1) == 240


def test_a_model_file_runs_no_code_on_the_cluster_unless_it_is_trusted(
    coco128, cluster_worker, tmp_path
):
    (trusted := tmp_path / "trusted").mkdir()
    sprung, opened = tmp_path / "sprung", tmp_path / "opened"
    trap = save_trap(tmp_path / "yolo11n-cls.pt", sprung)
    chosen = save_trap(trusted / "yolo11n-cls.pt", opened)
    cluster_worker("--trust-models", str(trusted))
    ids = [
        schedule(coco128.limit(2), key, "gpu-cluster", model=file)
        for key, file in (("trapped", trap), ("trusted", chosen))
    ]
    failed, other = (wait_for_state(id_, "failed", "completed") for id_ in ids)
    assert failed.state == "failed" and "could not be loaded" in failed.error
    assert "LABELVET_TRUSTED_MODELS" in failed.error and not sprung.exists()
    assert opened.exists(), other.trace
