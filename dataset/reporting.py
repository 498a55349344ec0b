"""How every long call on a dataset reports, and what it says when the dataset goes meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from threading import Event
from typing import Any

import fiftyone as fo

from ..core.errors import LabelvetError
from ..core.progress import Progress, terminal_report
from .brain_runs import raise_if_deleted


@contextmanager
def reporting(
    progress: bool | Callable[[float, str], None] | None, cancelled: Event | None
) -> Iterator[Progress]:
    """Yields the progress of a run, which goes to a function or a line in the terminal."""
    if progress is None:
        progress = bool(fo.config.show_progress_bars)
    with ExitStack() as stack:
        report = progress if callable(progress) else None
        if progress is True:
            report = stack.enter_context(terminal_report())
        yield Progress(report, cancelled)


@contextmanager
def raising_if_deleted(samples: Any) -> Iterator[None]:
    """Tells a dataset that was deleted meanwhile from every other fault that it shows as."""
    try:
        yield
    except LabelvetError:
        raise
    except Exception:
        raise_if_deleted(samples)
        raise
