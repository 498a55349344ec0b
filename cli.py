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

# FiftyOne's words, listed here so that --help loads nothing
_STATES = ("scheduled", "queued", "running", "completed", "failed")


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line.

    Args:
        arguments: the arguments, by default those of the process
    """
    parser = argparse.ArgumentParser(
        prog="labelvet",
        description="Find wrong labels in FiftyOne: the commands that run outside the App.",
        epilog="'labelvet COMMAND --help' describes each.",
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    cache = commands.add_parser("cache", help="show or clear the embeddings that are kept on disk")
    cache.add_argument("--clear", action="store_true", help="remove them all")
    cache.set_defaults(run=_cache)
    _add_worker(commands)
    _add_runs(commands)
    parsed = parser.parse_args(arguments)
    from labelvet.core.errors import LabelvetError
    from pymongo.errors import ConnectionFailure

    try:
        parsed.run(parsed)
    except LabelvetError as error:
        sys.exit(str(error))
    except ConnectionFailure as error:
        sys.exit(f"FiftyOne's database does not answer: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


def _add_worker(commands: Any) -> None:
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
        help="if this worker is lost, or its run hangs, let another of its name go on with the run",
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
    from labelvet.workers.cluster import ClusterSettings, describe_cluster
    from labelvet.workers.serving import describe_machine, serve
    from labelvet.workers.targets import Worker

    trust(arguments.trust_models)  # the runs' processes and a cluster's nodes inherit it
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
        stall_limit=None if arguments.stall_limit is None else 60 * arguments.stall_limit,
    )


def _add_runs(commands: Any) -> None:
    runs = commands.add_parser("runs", help="list, show, cancel and re-run what was scheduled")
    actions = runs.add_subparsers(title="actions", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="list runs, the newest first")
    listing.add_argument("--dataset", metavar="NAME", help="of one dataset")
    listing.add_argument("--state", action="append", choices=_STATES, help="may be repeated")
    listing.add_argument("--limit", type=int, default=20, metavar="N", help="20 by default")
    listing.set_defaults(run=_list_runs)
    for name, action, description in (
        ("show", _show_run, "show the inputs, progress, error and log of a run"),
        ("cancel", _cancel_run, "stop a run and keep what is done"),
        ("rerun", _rerun_run, "queue a run again with the same inputs"),
        ("mark-failed", _mark_run_failed, "mark a run as failed that no worker runs any more"),
        ("delete", _delete_run, "remove a run from the list"),
    ):
        parser = actions.add_parser(name, help=description)
        parser.add_argument("ids", nargs="+", metavar="ID")
        parser.set_defaults(run=_for_each, action=action)


def _list_runs(arguments: argparse.Namespace) -> None:
    from labelvet.workers.claims import settle_lost
    from labelvet.workers.operations import list_operations

    if arguments.limit < 1:
        sys.exit("--limit must be 1 or more.")
    settle_lost()
    dataset_id = None
    if arguments.dataset:
        import fiftyone as fo

        if not fo.dataset_exists(arguments.dataset):
            sys.exit(f"There is no dataset '{arguments.dataset}'.")
        dataset_id = fo.load_dataset(arguments.dataset)._doc.id
    found = list_operations(dataset_id, tuple(arguments.state or ()), arguments.limit)
    if not found:
        print("No runs match.")
    for run in found:
        percent = f"{100 * run.progress:3.0f}%" if run.progress is not None else "    "
        print(f"{run.id}  {run.state:9}  {percent}  {run.target or '-'}  {run.label}")
        for said in (run.error if run.state == "failed" else run.line, run.stalled):
            if said:
                print(f"{'':26}{said}")


def _for_each(arguments: argparse.Namespace) -> None:
    for id_ in arguments.ids:
        arguments.action(id_)


def _show_run(id_: str) -> None:
    from labelvet.workers.operations import get_operation

    run = get_operation(id_)
    facts = {
        name.replace("_", " "): value
        for name, value in asdict(run).items()
        if name not in ("inputs", "error", "trace", "log") and value not in (None, False)
    }
    for name, value in (facts | run.inputs).items():
        print(f"{name:16} {value}")
    for title, text in (("error", run.trace or run.error), ("log", run.log)):
        if text:
            print(f"\n{title}:\n{text}")


def _cancel_run(id_: str) -> None:
    from labelvet.workers.operations import cancel

    print(cancel(id_))


def _rerun_run(id_: str) -> None:
    from labelvet.workers.operations import rerun

    print(f"Queued as {rerun(id_)}.")


def _mark_run_failed(id_: str) -> None:
    from labelvet.workers.operations import mark_failed

    print(mark_failed(id_))


def _delete_run(id_: str) -> None:
    from labelvet.workers.operations import delete

    delete(id_)
    print("Deleted.")


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
