"""The App, opened at a dataset with panels beside the samples."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import fiftyone as fo

from ..core.ports import check_port, free_port, is_free

_USUAL_PORT = 5151


@contextmanager
def app(dataset: fo.Dataset, port: int | None = None, review: bool = False) -> Iterator[str]:
    """Shows a dataset in the App, with *Label embeddings* beside the samples.

    Args:
        dataset: the dataset
        port: by default 5151 where it is free
        review: whether the panel begins with the review

    Yields:
        the address

    Raises:
        InvalidParameter: if the port cannot be used
    """
    if port is not None:
        check_port(port)
    port = port or free_usual_port()
    # the state of a panel as FiftyOne keeps it: what the panel reads lies under "state"
    state: dict[str, Any] = {"state": {"page": "review"}} if review else {}
    panels = [
        fo.Panel(type="Samples", pinned=True),
        fo.Panel(type="label_embeddings", state=state),
    ]
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
        yield f"http://127.0.0.1:{port}/datasets/{dataset.slug}"
    finally:
        session.close()
        fo.close_app()


def free_usual_port() -> int:
    """Returns FiftyOne's usual port, or a free one where that is taken."""
    return _USUAL_PORT if is_free(_USUAL_PORT) else free_port()
