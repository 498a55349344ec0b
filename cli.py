"""The command ``labelvet``."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict
from threading import Event
from typing import Any


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line.

    Args:
        arguments: the arguments, by default those of the process
    """
    parser = argparse.ArgumentParser(prog="labelvet", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    cache = commands.add_parser("cache", help="show or clear the embeddings kept on disk")
    cache.add_argument("--clear", action="store_true", help="remove them all")
    cache.set_defaults(run=_cache)
    _add_worker(commands)
    parsed = parser.parse_args(arguments)
    from labelvet.embeddings.errors import LabelvetError

    try:
        parsed.run(parsed)
    except LabelvetError as error:
        sys.exit(str(error))


def _add_worker(commands: Any) -> None:
    worker = commands.add_parser("worker", help="run what the App schedules")
    worker.add_argument("--name", required=True, help="as the App lists it: 'Schedule on NAME'")
    worker.add_argument(
        "--take-over",
        action="store_true",
        help="if this worker is lost, let another of its name go on with its run",
    )
    ray = worker.add_argument_group("a Ray cluster")
    ray.add_argument("--ray", metavar="ADDRESS", help="embed on this cluster: HOST:6379, auto, ...")
    ray.add_argument("--gpus-per-worker", type=float, default=0.0, metavar="N")
    ray.add_argument("--cpus-per-worker", type=float, default=1.0, metavar="N")
    ray.add_argument("--max-workers", type=int, metavar="N", help="all that fit, by default")
    worker.set_defaults(run=_worker)


def _worker(arguments: argparse.Namespace) -> None:
    from labelvet.workers.cluster import ClusterSettings, describe_cluster
    from labelvet.workers.serving import describe_machine, serve
    from labelvet.workers.targets import Worker

    cluster = None
    if arguments.ray:
        cluster = ClusterSettings(
            arguments.ray,
            arguments.gpus_per_worker,
            arguments.cpus_per_worker,
            arguments.max_workers,
        )
    description, devices = describe_cluster(cluster) if cluster else describe_machine()
    kind = "ray" if cluster else "machine"
    stop = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    serve(
        Worker(arguments.name, kind, description, devices),
        stop,
        cluster=json.dumps(asdict(cluster)) if cluster else None,
        take_over=arguments.take_over,
    )


def _cache(arguments: argparse.Namespace) -> None:
    from labelvet.embeddings.store import clear_store, summarize_store

    if arguments.clear:
        print(f"Freed {_megabytes(clear_store())}.")
        return
    summary = summarize_store()
    if not summary.shards:
        print(f"No embeddings are kept in '{summary.folder}'.")
        return
    print(f"{summary.patches:,} embeddings, {_megabytes(summary.size)}, in '{summary.folder}':")
    for backbone, size in sorted(summary.backbones.items()):
        print(f"  {backbone}: {_megabytes(size)}")
    print("'labelvet cache --clear' removes them; LABELVET_CACHE_GB limits them (20).")


def _megabytes(size: int) -> str:
    return f"{size / 2**20:,.1f} MB"
