"""``make demo``: a dataset, its visualization, and the App, with everything in one folder."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ..core.app_server import AppServer, app_server
from ..core.environment import claim, use_private_fiftyone
from ..core.errors import LabelvetError
from ..core.processes import running
from ..core.signals import interrupt_on_signals, wait_for_interrupt
from ..core.versions import PLUGIN

NAME = "labelvet-demo"
BRAIN_KEY = "yolow_patches"
TARGET = "this-machine"


def main() -> None:
    """Runs the demo until Ctrl-C or SIGTERM, then ends everything that it started."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--port", type=int, help="the App's port, 5151 where it is free")
    parser.add_argument("--folder", type=Path, default=PLUGIN / ".demo")
    parser.add_argument("--composed", action="store_true", help="do not look for quickstart")
    parser.add_argument("--check", action="store_true", help="prepare everything, open nothing")
    arguments = parser.parse_args()
    interrupt_on_signals()
    try:
        claim(
            arguments.folder,
            "it is already running in another terminal; end that one with Ctrl-C first.",
        )
        use_private_fiftyone(arguments.folder)
        with ExitStack() as stack:
            prepared, fiftyone = arguments.folder / "prepared", version("fiftyone")
            is_prepared = prepared.exists() and prepared.read_text() == fiftyone
            server = None
            # a database is made, or brought to another version, by one process alone
            if is_prepared and not arguments.check:
                server = stack.enter_context(app_server(arguments.port))
            dataset = prepare(arguments.folder, arguments.composed)
            prepared.write_text(fiftyone)
            if not arguments.check:
                server = server or stack.enter_context(app_server(arguments.port))
                _show(dataset, server, arguments.folder)
    except KeyboardInterrupt:
        print("\nStopped. 'make demo' opens it again in seconds.")
    except (LabelvetError, RuntimeError) as error:
        sys.exit(f"The demo cannot start: {error}")


def prepare(folder: Path, composed: bool = False) -> Any:
    """Returns the demo's dataset with its visualization; makes only what is missing.

    Args:
        folder: the demo's folder
        composed: whether to compose the dataset even where quickstart can be fetched

    Raises:
        RuntimeError: if there is no way to make a dataset here
    """
    import fiftyone as fo

    from .dataset import PREDICTIONS, composed_dataset, quickstart_dataset

    if fo.dataset_exists(NAME):
        dataset = fo.load_dataset(NAME)
    else:
        # it gets its name once it is complete, so a demo that was interrupted starts over
        building = f"{NAME}-building"
        dataset = None
        if not composed:
            print("Looking for FiftyOne's quickstart dataset", flush=True)
            try:
                dataset = quickstart_dataset(building)
            except OSError:
                print("It cannot be fetched here, so scenes are composed instead", flush=True)
        if dataset is None:
            cache = PLUGIN / ".cache" / "stamps"
            dataset = composed_dataset(building, folder / "scenes", cache)
        dataset.name = NAME

    if not dataset.has_brain_run(BRAIN_KEY):
        print("Computing the visualization", flush=True)
        from labelvet import compute_visualization

        run = compute_visualization(
            dataset, patches_field=PREDICTIONS, brain_key=BRAIN_KEY, seed=51, progress=True
        )
        print(run.summary(), flush=True)
    if not dataset.has_field(f"{PREDICTIONS}.detections.issue"):
        print("Finding label issues", flush=True)
        from ..issues.find import find_label_issues

        print(find_label_issues(dataset, BRAIN_KEY).summary(), flush=True)
    return dataset


def _show(dataset: Any, server: AppServer, folder: Path) -> None:
    """Shows the dataset in the App until Ctrl-C, with a worker of its own."""
    from ..dataset.app import app

    with app(dataset, server, review=True) as address:
        print(
            f"\nThe demo is open: {address}\nIt begins with the review of what is probably wrong, "
            "beside the map; q goes back to the map. Ctrl-C here ends the demo.",
            flush=True,
        )
        with _worker(folder / "worker.log"):
            wait_for_interrupt()


@contextmanager
def _worker(log: Path) -> Iterator[None]:
    """Runs a worker, so that *Schedule* works; it starts once the App is up, not to slow that."""
    command = [sys.executable, "-m", "labelvet", "worker", "--name", TARGET]
    with log.open("w") as file, running(command, file):
        yield


if __name__ == "__main__":
    main()
