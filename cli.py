"""The command ``labelvet``."""

from __future__ import annotations

import argparse
import signal
from collections.abc import Sequence
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
    parsed.run(parsed)


def _add_worker(commands: Any) -> None:
    worker = commands.add_parser("worker", help="run what the App schedules")
    worker.add_argument("--name", required=True, help="as the App lists it: 'Schedule on NAME'")
    worker.add_argument(
        "--take-over",
        action="store_true",
        help="if this worker is lost, let another of its name go on with its run",
    )
    worker.set_defaults(run=_worker)


def _worker(arguments: argparse.Namespace) -> None:
    from labelvet.workers.serving import describe_machine, serve
    from labelvet.workers.targets import Worker

    description, devices = describe_machine()
    worker = Worker(arguments.name, "machine", description, devices)
    stop = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    serve(worker, stop, take_over=arguments.take_over)


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
