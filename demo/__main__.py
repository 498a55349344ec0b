"""``make demo``: a dataset, its visualization, and the App, with everything in one folder."""

from __future__ import annotations

import argparse
import fcntl
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, TextIO

from .environment import PLUGIN, use_private_fiftyone
from .mongod import free_port

NAME = "labelvet-demo"
BRAIN_KEY = "yolow_patches"
_USUAL_PORT = 5151


def main() -> None:
    """Runs the demo until Ctrl-C or SIGTERM, then ends everything that it started."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--port", type=int, help="the App's port, 5151 where it is free")
    parser.add_argument("--folder", type=Path, default=PLUGIN / ".demo")
    parser.add_argument("--composed", action="store_true", help="do not look for quickstart")
    parser.add_argument("--check", action="store_true", help="prepare everything, open nothing")
    arguments = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        _lock = _claim(arguments.folder)
        use_private_fiftyone(arguments.folder)
        dataset = prepare(arguments.folder, arguments.composed)
        if not arguments.check:
            with _app(dataset, arguments.port or _free_usual_port()):
                threading.Event().wait()
    except KeyboardInterrupt:
        print("\nStopped. 'make demo' opens it again in seconds.")
    except RuntimeError as error:
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
    return dataset


@contextmanager
def _app(dataset: Any, port: int) -> Iterator[None]:
    """Shows the dataset in the App, with *Label embeddings* open beside the samples."""
    import fiftyone as fo

    panels = [fo.Panel(type="Samples", pinned=True), fo.Panel(type="label_embeddings")]
    spaces = [fo.Space(children=[panel], active_child=panel.component_id) for panel in panels]
    session = fo.launch_app(
        dataset,
        port=port,
        address="127.0.0.1",
        auto=False,
        remote=False,
        spaces=fo.Space(children=spaces, orientation="horizontal"),
    )
    try:
        print(
            f"\nThe demo is open: http://127.0.0.1:{port}/datasets/{NAME}\n"
            f"In Label embeddings choose {BRAIN_KEY}; Ctrl-C here ends the demo.",
            flush=True,
        )
        yield
    finally:
        session.close()
        fo.close_app()


def _claim(folder: Path) -> TextIO:
    """Returns an open file that holds the demo's folder until the process ends.

    Raises:
        RuntimeError: if another demo holds it
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = open(folder / "lock", "w")  # noqa: SIM115
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise RuntimeError(
            "it is already running in another terminal; end that one with Ctrl-C first."
        ) from None
    return lock


def _free_usual_port() -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", _USUAL_PORT))
        except OSError:
            return free_port()
    return _USUAL_PORT


def _interrupt(number: int, frame: FrameType | None) -> None:
    # once is enough: a second Ctrl-C must not interrupt the cleaning up
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
