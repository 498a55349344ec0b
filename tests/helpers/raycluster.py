"""A Ray cluster on loopback, of as many nodes as a test wants; Ray's token authentication is on."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil
from labelvet.core.ports import free_port

RAY = str(Path(sys.executable).with_name("ray"))
# Nodes need neither FiftyOne nor labelvet, and have none here: Python imports this as it starts.
_ABSENT = """
import sys
from importlib.machinery import PathFinder

class Absent:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "labelvet":  # but for what Ray brings along
            brought = [folder for folder in sys.path if "py_modules_files" in folder]
            found = PathFinder.find_spec(name, brought)
            if found is not None:
                return found
        if name in ("fiftyone", "labelvet"):
            raise ModuleNotFoundError(f"A node has no {name}.", name=name)

sys.meta_path.insert(0, Absent)
"""
# 75 MB is the least that Ray takes
_STORE_BYTES = 100 * 2**20


class RayCluster:
    """Its head has no CPUs to embed with: those are its nodes'."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.address = f"127.0.0.1:{free_port()}"
        self.environment = {
            **os.environ,
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
            "RAY_AUTH_MODE": "token",
            "RAY_USAGE_STATS_ENABLED": "0",
        }
        nodes = folder / "nodes"
        nodes.mkdir()
        (nodes / "sitecustomize.py").write_text(_ABSENT)
        self._node_environment = {
            **{k: v for k, v in self.environment.items() if not k.startswith("FIFTYONE_")},
            "PYTHONPATH": str(nodes),
        }
        self._processes: list[subprocess.Popen[bytes]] = []
        port = self.address.rpartition(":")[2]
        self._start("--head", f"--port={port}", "--num-cpus=0", "--include-dashboard=false")

    def add_node(self, cpus: int = 1) -> subprocess.Popen[bytes]:
        return self._start(f"--address={self.address}", f"--num-cpus={cpus}")

    def _start(self, *options: str) -> subprocess.Popen[bytes]:
        log = self._folder / f"ray-{len(self._processes)}.log"
        with open(log, "wb") as file:
            process = subprocess.Popen(
                [
                    *(RAY, "start", *options, "--block", "--disable-usage-stats"),
                    "--include-log-monitor=false",  # which reads files all the time
                    *("--node-ip-address=127.0.0.1", f"--object-store-memory={_STORE_BYTES}"),
                ],
                env=self._node_environment,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._processes.append(process)
        while b"runtime started" not in log.read_bytes():
            try:
                process.wait(0.1)
            except subprocess.TimeoutExpired:
                continue
            raise RuntimeError(f"Ray did not start:\n{log.read_text()}")
        return process

    @property
    def workers(self) -> list[psutil.Process]:
        """The processes on its nodes that embed shards; other clusters may run here as well."""
        found = []
        for node in self._processes:
            with suppress(psutil.NoSuchProcess):
                for process in psutil.Process(node.pid).children(recursive=True):
                    with suppress(psutil.NoSuchProcess):
                        if "ShardWorker" in process.name():
                            found.append(process)
        return found

    def stop(self) -> None:
        for process in reversed(self._processes):
            self.stop_node(process)

    @staticmethod
    def stop_node(process: subprocess.Popen[bytes]) -> None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(10)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
