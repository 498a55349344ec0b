"""The embedding stage on a Ray cluster: the same engine, over shards of the patch table.

Each Ray worker holds the backbone and embeds one shard after another; the vectors flow back, every
few seconds, to the process that runs the operation, which keeps them in its store. A worker that
dies costs what it had not sent yet, a node that joins is used, and the code of this package travels
with Ray's ``py_modules``: the nodes need Python, torch and this package's other requirements, but
neither FiftyOne's database nor labelvet. Who may use the cluster is for Ray's own authentication to
say. Tried with Ray 2.60.

This module and what it imports load no FiftyOne.
"""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import ClusterUnavailable, InvalidParameter
from ..core.sentences import count, first_line
from ..core.table import PatchTable
from ..embeddings.backbones import load_backbone
from ..embeddings.crops import CropSettings
from ..embeddings.decoding import DecodingThreads, num_workers_beside
from ..embeddings.embedder import embed_shard
from ..embeddings.hardware import Hardware
from ..embeddings.loader import using_loader
from ..embeddings.model_files import TRUSTED_MODELS
from ..embeddings.store import SHARD_PATCHES
from ..embeddings.vectors import Embeddings

_ROOT = Path(__file__).resolve().parents[1]
# what the nodes run
_SHIPPED = ("core", "embeddings", "workers")

_CONNECT_SECONDS = 10.0
_GROW_SECONDS = 2.0
_WAIT_SECONDS = 0.5
# A shard that kills its worker again and again is not the worker's fault.
_MAX_ATTEMPTS = 4
# Each shard is this part of a worker's share of what is left, so that the last ones are small and
# the workers finish together (guided self-scheduling: Polychronopoulos and Kuck, 1987), ...
_SHARDS_PER_SHARE = 2
# ... while sending and storing a shard stays cheap beside embedding it.
_MIN_SHARD_PATCHES = 64

_NOTHING = Embeddings(np.empty(0, np.int64), np.empty((0, 0), np.float32))


@dataclass(frozen=True)
class ClusterSettings:
    """How a Ray cluster is used.

    Attributes:
        address: of the cluster, as ``ray.init`` takes it
        gpus_per_worker: GPUs that each Ray worker gets, which may be a fraction
        cpus_per_worker: CPUs that each gets; it decodes images in as many threads
        max_workers: at most so many; None takes what the cluster has
    """

    address: str
    gpus_per_worker: float = 0.0
    cpus_per_worker: float = 1.0
    max_workers: int | None = None

    def __post_init__(self) -> None:
        """Raises ``InvalidParameter`` for what no Ray worker could be given."""
        if not self.gpus_per_worker >= 0 or not self.cpus_per_worker > 0:
            raise InvalidParameter(
                "A Ray worker needs some CPUs and no less than 0 GPUs: --cpus-per-worker 1."
            )
        if self.max_workers is not None and self.max_workers < 1:
            raise InvalidParameter("A Ray cluster needs at least one worker: --max-workers 1.")


@contextmanager
def embedding_on_ray(settings: ClusterSettings) -> Iterator[None]:
    """Has the backbones of this process run on a Ray cluster, for as long as this lasts.

    Raises:
        ClusterUnavailable: if Ray is not installed, or the cluster does not answer
    """
    with _connected(settings.address):
        loaded: list[RayBackbone] = []

        def load(model: Any, **options: Any) -> RayBackbone:
            loaded.append(RayBackbone(settings, model, options))
            return loaded[-1]

        try:
            with using_loader(load):
                yield
        finally:
            for backbone in loaded:
                backbone.close()


def describe_cluster(settings: ClusterSettings) -> tuple[str, tuple[str, ...]]:
    """Returns one line on a cluster, and the names of its accelerators.

    Raises:
        ClusterUnavailable: see :func:`embedding_on_ray`
    """
    with _connected(settings.address) as ray:
        nodes = [node for node in ray.nodes() if node["Alive"]]
        total = ray.cluster_resources()
    devices = {
        name.removeprefix("accelerator_type:")
        for name in total
        if name.startswith("accelerator_type:")
    }
    parts = [count(len(nodes), "node"), f"{total.get('CPU', 0):g} CPUs"]
    if total.get("GPU"):
        parts.append(f"{total['GPU']:g} GPUs")
    return f"a Ray cluster of {', '.join(parts)}", tuple(sorted(devices))


class ShardWorker:
    """What runs on the cluster: a backbone that embeds one shard after another.

    Args:
        model: see :func:`labelvet.embeddings.backbones.load_backbone`
        options: its other arguments
        cores: how many the worker has
    """

    def __init__(self, model: Any, options: dict[str, Any], cores: int) -> None:
        self._arguments = model, options, cores

    def load(self) -> tuple[str, str | None, str]:
        """Loads the backbone and returns its name, fingerprint and precision.

        What an actor's constructor raises reaches its owner as text only, hence a method.
        """
        model, options, cores = self._arguments
        backbone = self._backbone = load_backbone(model, **options)
        self._threads = DecodingThreads(num_workers_beside(backbone.device, cores))
        return backbone.name, backbone.fingerprint, backbone.precision

    def embed(
        self,
        table: PatchTable,
        crops: CropSettings,
        hardware: Hardware,
    ) -> Iterator[tuple[int, Embeddings]]:
        """Embeds a shard, as :func:`labelvet.embeddings.embedder.embed_shard` says."""
        if hardware.num_workers not in (None, self._threads.num_workers):
            self._threads = DecodingThreads(hardware.num_workers)
        # a generator, so that Ray streams what it yields
        yield from embed_shard(table, self._backbone, crops, hardware, self._threads)


def shard_size(left: int, workers: int) -> int:
    """Returns how many patches the next shard should have, of ``left`` that are in none yet."""
    part = left // (_SHARDS_PER_SHARE * workers)
    return min(max(part, _MIN_SHARD_PATCHES), SHARD_PATCHES)


class RayBackbone:
    """A backbone on a cluster, as :class:`labelvet.embeddings.embedder.ShardedBackbone` says.

    Args:
        settings: how the cluster is used
        model: see :func:`labelvet.embeddings.backbones.load_backbone`
        options: its other arguments
    """

    def __init__(self, settings: ClusterSettings, model: Any, options: dict[str, Any]) -> None:
        self._settings = settings
        self._arguments = (model, options, max(1, int(settings.cpus_per_worker)))
        self._workers: dict[Any, bool] = {}  # worker → whether its backbone is loaded
        self._loading: dict[Any, Any] = {}  # call that ends then → worker
        self._grown = 0.0
        self._slots = self._capacity()  # workers that fit the cluster, as last seen
        self._start()
        # the precision that "auto" means is for the cluster's devices to say
        self.name, self.fingerprint, self.precision = self._first_description()

    def shard_size(self, left: int) -> int:
        """Returns how many patches the next shard should have, of ``left`` that are in none yet."""
        return shard_size(left, self._slots)

    def embed_shards(
        self,
        table: PatchTable,
        shards: Iterator[NDArray[np.int64]],
        crops: CropSettings,
        hardware: Hardware,
    ) -> Iterator[tuple[NDArray[np.int64], Embeddings]]:
        """Yields what is embedded as it comes back, and nothing while nothing does.

        Raises:
            ClusterUnavailable: if a shard was lost several times
            LabelvetError: whatever the engine raises on a worker
        """
        import ray

        waiting = deque((shard, 1) for shard in shards)
        # call → its worker, what is left of its shard and which attempt it is
        running: dict[Any, tuple[Any, NDArray[np.int64], int]] = {}
        while waiting or running:
            self._grow(len(waiting) + len(running))
            for worker in self._free(running, len(waiting)):
                if waiting:
                    rows, attempt = waiting.popleft()
                    part = table.extract(rows)
                    call = worker.embed.remote(part, crops, hardware)
                    running[call] = (worker, rows, attempt)
            calls = [*running, *self._loading]
            done: list[Any]  # streams, which Ray's types do not know to be waited for
            done, _ = ray.wait(calls, num_returns=1, timeout=_WAIT_SECONDS)
            if not done:
                yield np.empty(0, np.int64), _NOTHING
            for call in done:
                if call in self._loading:
                    self._loaded(call)
                    continue
                worker, rows, attempt = running[call]
                try:
                    count, piece = ray.get(next(call))
                except StopIteration:
                    del running[call]
                    continue
                except ray.exceptions.RayTaskError as failed:
                    raise failed.cause from failed
                except ray.exceptions.RayError as lost:
                    self._workers.pop(worker, None)
                    self._grown = 0.0  # another takes its place at once
                    if attempt == _MAX_ATTEMPTS:
                        raise ClusterUnavailable(
                            f"A shard was lost on the cluster {attempt} times ({lost}): see "
                            "whether its nodes have enough memory. What was embedded is kept."
                        ) from lost
                    queued = [one for one, (of, _, _) in running.items() if of == worker]
                    # those behind this one had not begun
                    for one in reversed(queued[queued.index(call) + 1 :]):
                        _, unbegun, before = running.pop(one)
                        waiting.appendleft((unbegun, before))
                    del running[call]
                    if len(rows):
                        waiting.appendleft((rows, attempt + 1))
                    continue
                running[call] = (worker, rows[count:], attempt)
                yield rows[:count], piece

    @property
    def num_ready(self) -> int:
        """The number of workers that have loaded the backbone."""
        return sum(self._workers.values())

    def close(self) -> None:
        """Ends the workers, whatever they are doing."""
        import ray

        for worker in self._workers:
            ray.kill(worker)
        self._workers.clear()
        self._loading.clear()

    def _start(self) -> Any:
        import ray

        worker = (
            ray.remote(ShardWorker)
            .options(
                num_cpus=self._settings.cpus_per_worker, num_gpus=self._settings.gpus_per_worker
            )
            .remote(*self._arguments)
        )
        self._workers[worker] = False
        return worker

    def _first_description(self) -> tuple[str, str | None, str]:
        import ray

        for _ in range(_MAX_ATTEMPTS):
            (worker,) = self._workers
            try:
                description: tuple[str, str | None, str] = ray.get(worker.load.remote())
            except ray.exceptions.RayTaskError as failed:
                raise failed.cause from None
            except ray.exceptions.ActorDiedError:
                self._workers.clear()
                self._start()
                continue
            self._workers[worker] = True
            return description
        raise ClusterUnavailable(
            "The cluster's workers die while they load the backbone: see whether its nodes have "
            "enough memory."
        )

    def _grow(self, shards: int) -> None:
        """Starts workers on what the cluster has, which may be more than it had."""
        if self._workers and time.monotonic() - self._grown < _GROW_SECONDS:
            return
        self._grown = time.monotonic()
        self._slots = self._capacity()
        for _ in range(min(self._slots, shards) - len(self._workers)):
            worker = self._start()
            self._loading[worker.load.remote()] = worker

    def _loaded(self, call: Any) -> None:
        import ray

        worker = self._loading.pop(call)
        try:
            ray.get(call)
            self._workers[worker] = True
        except ray.exceptions.RayError:
            self._workers.pop(worker, None)  # the next takes its place

    def _capacity(self) -> int:
        """Returns how many workers fit the cluster; one at least, for which it may grow."""
        import ray

        if self._settings.max_workers is not None:
            return self._settings.max_workers
        needed = {"CPU": self._settings.cpus_per_worker, "GPU": self._settings.gpus_per_worker}
        fitting = (
            min(int(node["Resources"].get(name, 0) / n + 1e-6) for name, n in needed.items() if n)
            for node in ray.nodes()
            if node["Alive"]
        )
        return max(1, sum(fitting))

    def _free(self, running: dict[Any, Any], waiting: int) -> list[Any]:
        """Returns the workers that can take a shard, once for each; while there is plenty, each
        has its next shard before it has finished its last."""
        busy: dict[Any, int] = {}
        for worker, _, _ in running.values():
            busy[worker] = busy.get(worker, 0) + 1
        depth = 2 if waiting > len(self._workers) else 1
        ready = [worker for worker, loaded in self._workers.items() if loaded]
        return [w for level in range(depth) for w in ready if busy.get(w, 0) <= level]


@contextmanager
def _connected(address: str) -> Iterator[Any]:
    try:
        import ray
    except ImportError as error:
        raise ClusterUnavailable("A Ray cluster needs Ray: pip install ray.") from error
    with tempfile.TemporaryDirectory(prefix="labelvet-ray-") as folder:
        package = Path(folder, "labelvet")
        for name in _SHIPPED:
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(_ROOT / name, package / name, ignore=ignored)
        shutil.copy(_ROOT / "__init__.py", package)
        try:
            _raise_if_unreachable(address)
            environment = {"py_modules": [str(package)], "env_vars": _inherited()}
            ray.init(address, runtime_env=environment, namespace="labelvet")
        # Ray raises ConnectionError, RuntimeError, AuthenticationError and more
        except Exception as error:
            raise ClusterUnavailable(
                f"The Ray cluster at '{address}' cannot be used from here: {first_line(error)}."
            ) from error
        try:
            yield ray
        finally:
            ray.shutdown()


def _inherited() -> dict[str, str]:
    """What the nodes' processes take over from the environment of this one."""
    return {name: os.environ[name] for name in (TRUSTED_MODELS,) if name in os.environ}


def _raise_if_unreachable(address: str) -> None:
    """Raises ``OSError`` where nothing listens, for which Ray would wait minutes."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), _CONNECT_SECONDS).close()
