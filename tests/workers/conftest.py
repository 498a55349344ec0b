"""Real workers, started as their users start them."""

from __future__ import annotations

import pytest
from running import WorkerProcess


@pytest.fixture
def start_worker(tmp_path):
    """Starts workers, which end with the test."""
    workers = []

    def start(name, *options, wait=True, env=None):
        log = tmp_path / f"worker-{len(workers)}.log"
        workers.append(WorkerProcess(name, *options, log=log, env=env))
        if wait:
            workers[-1].wait_for("serves this database")
        return workers[-1]

    yield start
    for worker in workers:
        if worker.process.poll() is None:
            worker.kill()


@pytest.fixture(autouse=True)
def no_operations():
    """Leaves the queue empty."""
    import fiftyone.core.odm as foo

    yield
    foo.get_db_conn().delegated_ops.delete_many({})


@pytest.fixture(scope="session")
def ray_cluster(tmp_path_factory):
    """A Ray cluster of two nodes with one CPU each."""
    pytest.importorskip("ray")
    from raycluster import RayCluster

    cluster = RayCluster(tmp_path_factory.mktemp("ray"))
    try:
        cluster.add_node()
        cluster.add_node()
        yield cluster
    finally:
        cluster.stop()
