"""Runs on a real Ray cluster of two nodes, on loopback."""

from __future__ import annotations

import numpy as np
import pytest
from running import schedule, wait_for_state


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

    monkeypatch.setenv("LABELVET_CACHE_DIR", str(tmp_path / "here"))
    labelvet.compute_visualization(
        coco128, "predictions", "here", method="pca", precision="fp32", overwrite=True
    )
    worker = cluster_worker(LABELVET_CACHE_DIR=str(tmp_path / "there"))
    assert "a Ray cluster of 3 nodes, 2 CPUs" in worker.printed
    id_ = schedule(coco128, "there", "gpu-cluster", precision="fp32")
    done = wait_for_state(id_, "completed", "failed", seconds=120)
    assert done.state == "completed", done.trace
    coco128.reload()
    here, there = (coco128.load_brain_results(key) for key in ("here", "there"))
    assert list(here.label_ids) == list(there.label_ids)
    # batches are composed differently
    np.testing.assert_allclose(here.points, there.points, atol=1e-2)
