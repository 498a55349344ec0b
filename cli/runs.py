"""``labelvet runs``: the queue, in a terminal."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from typing import Any

# FiftyOne's words, listed here so that --help loads nothing
_STATES = ("scheduled", "queued", "running", "completed", "failed")


def add(commands: Any) -> None:
    """Adds the commands."""
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
        ("rerun", None, "queue a run again with the same inputs"),
        ("mark-failed", _mark_run_failed, "mark as failed a run that no worker is running anymore"),
        ("delete", _delete_run, "stop a run if it is running, and remove it from the list"),
    ):
        parser = actions.add_parser(name, help=description)
        parser.add_argument("ids", nargs="+", metavar="ID")
        parser.set_defaults(run=_for_each, action=action)
        if name == "rerun":
            parser.add_argument(
                "--replace",
                action="store_true",
                help="allow the run to replace the map that it made before",
            )
            parser.set_defaults(run=_rerun_runs)


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


def _rerun_runs(arguments: argparse.Namespace) -> None:
    from labelvet.workers.operations import rerun

    for id_ in arguments.ids:
        print(f"Queued as {rerun(id_, arguments.replace)}.")


def _mark_run_failed(id_: str) -> None:
    from labelvet.workers.operations import mark_failed

    print(mark_failed(id_))


def _delete_run(id_: str) -> None:
    from labelvet.workers.operations import delete

    delete(id_)
    print("Deleted.")
