"""How every long call on a dataset reports, and what it says when the dataset goes meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from threading import Event
from typing import Any

import fiftyone as fo

from ..core.errors import BrainKeyInUse, InvalidParameter, LabelvetError
from ..core.progress import Progress, terminal_report
from ..core.sentences import first_line
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


@contextmanager
def saved_before(samples: Any, brain_key: str | None, what: str) -> Iterator[None]:
    """Says of what fails now that the visualization is saved."""
    kept = f" The visualization '{brain_key}' was saved." if brain_key else ""
    try:
        yield
    except BrainKeyInUse as error:
        raise BrainKeyInUse(f"{error}{kept}") from error
    # whatever FiftyOne's backends raise
    except Exception as error:
        raise_if_deleted(samples)
        raise InvalidParameter(f"{what} was not made: {first_line(error)}.{kept}") from error
