"""The App, opened at a dataset with panels beside the samples."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import fiftyone as fo

from ..core.app_server import AppServer

# read by fiftyone.core.service, tried with FiftyOne 1.21.0 and 1.22.1
_NO_SERVICES = "FIFTYONE_DISABLE_SERVICES"


@contextmanager
def app(dataset: fo.Dataset, server: AppServer, review: bool = False) -> Iterator[str]:
    """Shows a dataset in the App, with *Label embeddings* beside the samples.

    Args:
        dataset: the dataset
        server: the App's server, which is waited for
        review: whether the panel begins with the review

    Yields:
        the address

    Raises:
        RuntimeError: if the server does not start
    """
    server.wait()
    # the state of a panel as FiftyOne keeps it: what the panel reads lies under "state"
    state: dict[str, Any] = {"state": {"page": "review"}} if review else {}
    panels = [
        fo.Panel(type="Samples", pinned=True),
        fo.Panel(type="label_embeddings", state=state),
    ]
    spaces = [fo.Space(children=[panel], active_child=panel.component_id) for panel in panels]
    with _no_other_server():
        session = fo.launch_app(
            dataset,
            port=server.port,
            address="127.0.0.1",
            auto=False,
            remote=False,
            spaces=fo.Space(children=spaces, orientation="horizontal"),
        )
    try:
        yield f"http://127.0.0.1:{server.port}/datasets/{dataset.slug}"
    finally:
        session.close()
        fo.close_app()


@contextmanager
def _no_other_server() -> Iterator[None]:
    """Has FiftyOne start none: at its end it would stop the one that it found as one of its own."""
    os.environ[_NO_SERVICES] = "1"
    try:
        yield
    finally:
        del os.environ[_NO_SERVICES]
