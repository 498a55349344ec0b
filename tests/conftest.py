"""A database, folders and datasets of the tests' own: nothing of the user's is seen or touched.

All of it is set before any test module imports FiftyOne, which reads it then.
"""

from __future__ import annotations

import gc
import json
import os
import shutil
import sys
import uuid
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / ".cache"
COCO128 = Path(os.environ.get("LABELVET_COCO128", ROOT.parent / "shared" / "data" / "coco128"))
_MEMORY = 8 * 2**30  # bytes, of which the processes of the tests take a few


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("dist", "no") != "no" and not hasattr(config, "workerinput"):
        return  # the tests run in other processes, which come here too

    from labelvet.core.environment import use_temporary_fiftyone

    folder = use_temporary_fiftyone("labelvet-tests-", _folder_in_memory())
    os.environ |= {
        "FIFTYONE_SHOW_PROGRESS_BARS": "false",
        "YOLO_OFFLINE": "1",
        "YOLO_CONFIG_DIR": str(folder),
        # two processes of several threads each would wait for one another, and compute as they wait
        "OMP_NUM_THREADS": "1",
    }


def _folder_in_memory() -> str | None:
    """Where the database does not wait for a disk, with which the tests take a seventh longer; None
    where there is no room."""
    memory = "/dev/shm"
    is_writable = os.access(memory, os.W_OK)
    return memory if is_writable and shutil.disk_usage(memory).free > _MEMORY else None


# what a test needs that takes minutes, by the fixture that gives it
_NEEDS = {
    "page": "browser",
    "ray_cluster": "ray",
    "detector_file": "training",
    "start_worker": "processes",
    "home": "processes",
    "wheel": "processes",
}


def pytest_itemcollected(item: pytest.Item) -> None:
    """Marks the tests that ``make test-fast`` leaves out."""
    for fixture in _NEEDS.keys() & set(getattr(item, "fixturenames", ())):
        item.add_marker(_NEEDS[fixture])


# Where tests run in several processes, these keep to one: the detector is trained once for all of
# the first, and there is one Ray cluster for all of the second. The longest come first, so that all
# processes end at about the same time.
_GROUPS = {
    "detector": ("autolabel/", "operators/test_auto_label.py"),
    "ray": ("workers/test_cluster.py", "browser/test_runs.py"),
}
# each of these has an App or a worker of its own
_ALONE = ("browser/", "workers/test_serving.py")
_LONG = ("checking/", "demo/", "workers/", "embeddings/")


def _scope(nodeid: str) -> str:
    """Names what a test runs in one process with."""
    for name, beginnings in _GROUPS.items():
        if nodeid.startswith(beginnings):
            return name
    return nodeid if nodeid.startswith(_ALONE) else nodeid.partition("::")[0]


def _turn(item: pytest.Item) -> int:
    """The groups begin, and what is quick fills what is left at the end."""
    if _scope(item.nodeid) in _GROUPS:
        return 0
    return 1 if item.nodeid.startswith(_ALONE) else 2 if item.nodeid.startswith(_LONG) else 3


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_turn)


def pytest_collection_finish() -> None:
    """What the libraries hold is not looked through for garbage again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return _scope(nodeid)

    return Scheduling(config, log)


_began = pytest.StashKey[datetime]()


def pytest_runtest_setup(item: pytest.Item) -> None:
    item.stash[_began] = datetime.now(timezone.utc).replace(tzinfo=None) - timedelta(seconds=1)
    if "labelvet.dataset.changes" in sys.modules:
        from invariants import check_after_each_change

        check_after_each_change()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Whatever a test did, every dataset that it wrote to opens after it, before it is deleted."""
    if "fiftyone" in sys.modules and _began in item.stash:
        from invariants import check_all_open

        if "monkeypatch" in getattr(item, "funcargs", {}):
            item.funcargs["monkeypatch"].undo()
        check_all_open(item.stash[_began])


@pytest.fixture
def make_dataset():
    """Makes empty datasets, which are deleted after the test."""
    import fiftyone as fo

    names = []

    def make() -> fo.Dataset:
        names.append(f"test-{uuid.uuid4().hex[:12]}")
        return fo.Dataset(names[-1])

    yield make
    for name in names:
        if fo.dataset_exists(name):
            fo.delete_dataset(name)


@pytest.fixture(scope="session")
def coco128_folder() -> Path:
    """The folder of 128 real images, their ground truth and real predictions."""
    if not COCO128.is_dir():
        pytest.skip("coco128 is not here: set LABELVET_COCO128 to its folder")
    return COCO128


@pytest.fixture
def coco128(_coco128):
    """128 real images with ``ground_truth`` and the 628 ``predictions`` above 0.2, and no runs."""
    _coco128.reload()
    _coco128.delete_brain_runs()
    return _coco128


@pytest.fixture(scope="session")
def _coco128(coco128_folder):
    import fiftyone as fo

    truth = json.loads((coco128_folder / "ground_truth.json").read_text())
    predictions = json.loads((coco128_folder / "predictions.json").read_text())
    dataset = fo.Dataset(f"coco128-{uuid.uuid4().hex[:12]}", persistent=True)
    dataset.add_samples(
        [
            fo.Sample(
                filepath=str(path),
                ground_truth=_detections(truth.get(path.name, [])),
                predictions=_detections(
                    p for p in predictions.get(path.name, []) if p["confidence"] > 0.2
                ),
            )
            for path in sorted(coco128_folder.glob("images/*.jpg"))
        ]
    )
    yield dataset
    dataset.delete()


@pytest.fixture(scope="session")
def cut_outs():
    """The cut-outs of the classes that ``detector_file`` knows."""
    from labelvet.demo.stamps import StampsUnavailable
    from labelvet.demo.training import load_detector_stamps

    try:
        with FileLock(CACHE / "stamps.lock"):
            return load_detector_stamps(CACHE / "stamps")
    except StampsUnavailable as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def detector_file(cut_outs):
    """A real detector of composed scenes, trained in minutes where it is not cached."""
    from labelvet.demo.training import trained_detector

    with FileLock(CACHE / "detector.lock"):
        return str(trained_detector(CACHE / "detector", CACHE / "stamps"))


@pytest.fixture(scope="session")
def scene_files(cut_outs, tmp_path_factory):
    """A dozen scenes that the detector was not trained on."""
    import numpy as np
    from labelvet.demo.scenes import compose_scene

    rng, folder = np.random.default_rng(7), tmp_path_factory.mktemp("scenes")
    files = [folder / f"{number:02d}.jpg" for number in range(12)]
    for file in files:
        compose_scene(cut_outs, rng).image.save(file)
    return [str(file) for file in files]


@pytest.fixture
def scenes(make_dataset, scene_files):
    """A dataset of those scenes, without labels."""
    import fiftyone as fo

    dataset = make_dataset()
    dataset.add_samples([fo.Sample(file) for file in scene_files])
    return dataset


@pytest.fixture
def start_worker(tmp_path):
    """Starts workers, which end with the test and are not offered to the next one."""
    import fiftyone.core.odm as foo
    from labelvet.workers.targets import COLLECTION
    from running import WorkerProcess

    workers = []

    def start(name, *options, wait=True, env=None, cwd=None):
        log = tmp_path / f"worker-{len(workers)}.log"
        workers.append(WorkerProcess(name, *options, log=log, env=env, cwd=cwd))
        if wait:
            workers[-1].wait_for("serves this database")
        return workers[-1]

    yield start
    for worker in workers:
        if worker.process.poll() is None:
            worker.kill()
    # a killed one stays on the list for some seconds
    theirs = {"process": {"$in": [worker.process.pid for worker in workers]}}
    foo.get_db_conn()[COLLECTION].delete_many(theirs)


@pytest.fixture
def empty_queue():
    """Leaves the queue empty."""
    import fiftyone.core.odm as foo

    yield
    foo.get_db_conn().delegated_ops.delete_many({})


@pytest.fixture(scope="session")
def _ray_clusters():
    """The cluster that is up, which ends with the session at the latest."""
    clusters = []
    yield clusters
    for cluster in clusters:
        cluster.stop()


@pytest.fixture
def ray_cluster(request, _ray_clusters, tmp_path_factory):
    """A Ray cluster of two nodes with one CPU each, the same for all tests: it ends with the last
    that needs it, for it computes even while nobody asks it for anything."""
    pytest.importorskip("ray")
    from raycluster import RayCluster

    if not _ray_clusters:
        _ray_clusters.append(RayCluster(tmp_path_factory.mktemp("ray")))
        for _ in range(2):
            _ray_clusters[0].add_node()
    yield _ray_clusters[0]
    *_, last = (one for one in request.session.items if "ray_cluster" in one.fixturenames)
    if request.node is last:
        _ray_clusters.pop().stop()


def _detections(entries):
    import fiftyone as fo

    return fo.Detections(
        detections=[
            fo.Detection(label=e["label"], bounding_box=e["box"], confidence=e.get("confidence"))
            for e in entries
        ]
    )


@pytest.fixture
def judged(make_dataset, tmp_path):
    """8 images of 3 predictions each with two maps: ``ours`` of the patches, ``theirs`` of the
    images, computed by fiftyone-brain."""
    import fiftyone as fo
    import fiftyone.brain as fob
    import labelvet
    import numpy as np
    from alike import add_alike
    from PIL import Image

    dataset = make_dataset()

    def sample(number):
        path = tmp_path / f"{number}.jpg"
        Image.new("RGB", (120, 80), (30 * number, 100, 50)).save(path)
        detections = [
            fo.Detection(
                label=("cat", "dog")[place % 2],
                bounding_box=[0.1 + 0.2 * place, 0.2, 0.2, 0.4],
                confidence=None if (number, place) == (0, 0) else (number * 3 + place) / 24,
            )
            for place in range(3)
        ]
        return fo.Sample(
            str(path),
            predictions=fo.Detections(detections=detections),
            weather=fo.Classification(label=("sun", "rain")[number % 2]),
            checked=number < 4,
            tags=["night"] if number == 7 else [],
        )

    add_alike(dataset, map(sample, range(8)))
    rng = np.random.default_rng(51)
    labelvet.compute_visualization(
        dataset, "predictions", "ours", embeddings=rng.random((24, 5)), method="pca", progress=False
    )
    fob.compute_visualization(
        dataset, embeddings=rng.random((8, 5)), method="pca", brain_key="theirs", num_dims=3,
        verbose=False,
    )  # fmt: skip
    return dataset


@pytest.fixture
def compared(judged):
    """``judged`` with ``truth``, whose labels are the first two predictions of each image under the
    same ids, and a map ``both``: the 24 predictions, then the 16 labels of the truth."""
    import labelvet
    import numpy as np

    judged.clone_sample_field("predictions", "truth")
    firsts = [labels[:2] for labels in judged.values("truth.detections")]
    judged.set_values("truth.detections", firsts)
    labelvet.compute_visualization(
        judged, ["predictions", "truth"], "both", method="pca", progress=False,
        embeddings=np.random.default_rng(7).random((40, 5)),
    )  # fmt: skip
    return judged


@pytest.fixture
def flipped_labels(make_dataset):
    """A dataset of 120 labels with the map ``map``, and the ids of the 6 labels that are wrong."""
    from clusters import clusters, labeled_dataset

    return labeled_dataset(make_dataset(), *clusters()[:3])
