"""``labelvet worker``: what runs scheduled operations."""

from __future__ import annotations

import argparse
import json
import signal
from dataclasses import asdict
from functools import partial
from threading import Event
from typing import Any


def add(commands: Any) -> None:
    """Adds the command."""
    worker = commands.add_parser(
        "worker",
        help="run what the App schedules, until Ctrl-C",
        description="Runs what is scheduled on NAME in the App, one run at a time, until Ctrl-C. "
        "Several workers may share a name.",
    )
    worker.add_argument("--name", required=True, help="as the App lists it: 'Schedule on NAME'")
    worker.add_argument(
        "--take-over",
        action="store_true",
        help="if this worker is lost, or its run hangs, let another of its name continue the run",
    )
    worker.add_argument(
        "--stall-limit",
        type=float,
        metavar="MINUTES",
        help="end a run that makes no progress for this many minutes; without it, such a run is "
        "reported and, with --take-over, handed on",
    )
    worker.add_argument(
        "--trust-models",
        action="append",
        default=[],
        metavar="FOLDER",
        help="let the model files of this folder, or this file, run code when they are opened",
    )
    ray = worker.add_argument_group("a Ray cluster")
    ray.add_argument("--ray", metavar="ADDRESS", help="embed on this cluster: HOST:6379, auto, ...")
    ray.add_argument("--gpus-per-worker", type=float, default=0.0, metavar="N")
    ray.add_argument("--cpus-per-worker", type=float, default=1.0, metavar="N")
    ray.add_argument("--max-workers", type=int, metavar="N", help="all that fit, by default")
    worker.set_defaults(run=_worker)


def _worker(arguments: argparse.Namespace) -> None:
    from labelvet.embeddings.model_files import trust
    from labelvet.workers.serving import describe_machine, serve
    from labelvet.workers.targets import Worker

    trust(arguments.trust_models)  # the runs' processes and a cluster's nodes inherit it
    cluster = None
    if arguments.ray:
        from labelvet.workers.cluster import ClusterSettings, describe_cluster

        cluster = ClusterSettings(
            arguments.ray,
            arguments.gpus_per_worker,
            arguments.cpus_per_worker,
            arguments.max_workers,
        )
        kind, (description, devices) = "ray", describe_cluster(cluster)
    else:
        kind, (description, devices) = "machine", describe_machine()
    stop = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    serve(
        Worker(arguments.name, kind, description, devices),
        stop,
        cluster=json.dumps(asdict(cluster)) if cluster else None,
        take_over=arguments.take_over,
        stall_limit=None if arguments.stall_limit is None else 60 * arguments.stall_limit,
        say=partial(print, flush=True),  # a log or a service's journal is read while it runs
    )
