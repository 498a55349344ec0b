"""A run forks nobody and calls nobody: not in a process of the user's, and not in a worker's."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from running import schedule, wait_for_state

# Python imports a module of this name when it starts: every process says what it does.
WATCHING = """
import ctypes, os, sys

def say(*what):
    with open(os.environ["WATCHED"], "a") as file:
        print(*what, sep="\\t", file=file)

def watch(event, args):
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        address = args[1]
        if isinstance(address, tuple) and address[0] not in ("127.0.0.1", "::1", "localhost"):
            say("connects", os.getpid(), address)
    elif event == "socket.getaddrinfo" and args[0] not in ("127.0.0.1", "::1", "localhost", None):
        say("asks for", os.getpid(), args[0])

say("starts", os.getpid(), sys.orig_argv)
# a library that is no Python forks without asking it, so the C library is asked
before = ctypes.CFUNCTYPE(None)(lambda: say("forks", os.getpid(), sys.orig_argv))
ctypes.CDLL(None).__register_atfork(before, None, None, None)
sys.addaudithook(watch)
"""

COMPUTE = """
import sys
import fiftyone as fo
import labelvet
from labelvet.issues.find import find_label_issues

dataset = fo.load_dataset(sys.argv[1])
run = labelvet.compute_visualization(dataset, "predictions", "direct", progress=False)
assert {"openvino", "umap"} <= set(sys.modules) and run.num_points == 24, run.summary()
print(run.summary())
print(find_label_issues(dataset, "direct").summary())
"""

LABEL = """
import sys
import fiftyone as fo
import labelvet

done = labelvet.auto_label(
    fo.load_dataset(sys.argv[1]), "yolo11n.yaml", "found", "first", device="cpu", progress=False
)
assert "ultralytics" in sys.modules and done.images == 7 and len(done.unreadable) == 1, done
print(done.summary())
"""

PROJECT = """
import sys
import numpy as np
from labelvet.embeddings.neighbor_search import search_neighbors
from labelvet.embeddings.projection import TSNE, project

vectors = np.random.default_rng(51).random((300, 8), dtype=np.float32)
rows, _ = search_neighbors(vectors, 15, "euclidean", None, lambda done, most: None)
points, notes = project(vectors, TSNE(max_iters=250), None, lambda done, total: None)
assert len(rows) == len(points) == 300 and notes == [] and "sklearn.manifold" in sys.modules, notes
"""

# what the tests have set so that libraries ask nobody, and a user has not
_QUIET = ("YOLO_OFFLINE", "YOLO_AUTOINSTALL", "FIFTYONE_DO_NOT_TRACK")


@pytest.fixture
def watched(tmp_path):
    """The environment of processes that say what they do, and what they said, by kind."""
    folder = tmp_path / "watching"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(WATCHING)
    path = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))
    said = tmp_path / "said.txt"
    said.touch()

    def listen(kind):
        lines = said.read_text().splitlines()
        return [line for line in lines if line.startswith(f"{kind}\t")]

    home = tmp_path / "home"
    home.mkdir()
    environment = {"PYTHONPATH": path, "WATCHED": str(said), "HOME": str(home)}
    return environment | {"LABELVET_CACHE_DIR": str(tmp_path / "cache")}, listen


@pytest.mark.processes
def test_the_watching_can_find_something(watched):
    env, listen = watched
    code = """
    import ctypes, multiprocessing, os, socket, subprocess, sys
    process = multiprocessing.get_context("fork").Process(target=print)
    process.start()
    process.join()
    if not (process := ctypes.CDLL(None).fork()):
        os._exit(0)
    os.waitpid(process, 0)
    subprocess.run([sys.executable, "-c", ""])  # which is spawned
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("192.0.2.1", 9))
    try:
        socket.create_connection(("192.0.2.1", 9), 0.1)
    except OSError:
        pass
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], env=os.environ | env, timeout=60)
    assert len(listen("forks")) == len(listen("connects")) == len(listen("starts")) == 2


def run_quietly(code, watched, environment, *arguments):
    """Runs a program in a process that forks nobody and calls nobody."""
    env, listen = watched
    result = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=environment | env,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert result.returncode == 0, result.stderr
    assert len(listen("starts")) >= 1
    assert listen("forks") == [] and listen("connects") == [] and listen("asks for") == []


@pytest.mark.processes
def test_a_run_forks_nobody_and_calls_nobody(judged, watched):
    pytest.importorskip("openvino", reason="pip install openvino")
    env, _ = watched
    run_quietly(COMPUTE, watched, os.environ, judged.name)
    assert not os.path.exists(os.path.join(env["HOME"], "intel"))


@pytest.mark.processes
def test_t_sne_and_the_search_for_neighbors_fork_nobody_and_call_nobody(watched):
    _, listen = watched
    run_quietly(PROJECT, watched, os.environ)
    assert any("labelvet.embeddings.neighbor_search" in line for line in listen("starts"))


@pytest.mark.processes
def test_auto_label_forks_nobody_and_calls_nobody(judged, watched):
    """With a model that is not trained, and an image that cannot be read."""
    pytest.importorskip("ultralytics")
    _, listen = watched
    as_of_a_user = {name: value for name, value in os.environ.items() if name not in _QUIET}
    Path(judged.first().filepath).write_bytes(b"\xff\xd8 this is no JPEG")
    run_quietly(LABEL, watched, as_of_a_user, judged.name)
    assert not [line for line in listen("starts") if "pip" in line]


def test_a_worker_forks_nobody_and_calls_nobody(judged, watched, start_worker, empty_queue):
    env, listen = watched
    start_worker("quiet", env=env)
    id_ = schedule(judged, "by_worker", "quiet")
    assert wait_for_state(id_, "completed", "failed", seconds=250).state == "completed"
    assert any("labelvet.workers.child" in line for line in listen("starts"))
    assert listen("forks") == [] and listen("connects") == [] and listen("asks for") == []
