"""Progress of a run that has several stages: one fraction, one line, one way to cancel."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event

from .errors import Cancelled

Report = Callable[[float, str], None]
"""Called with the finished fraction of the whole run, in [0, 1], and a line on where it is."""

# The stages that write: a run that has come so far goes on to its end, cancelled or not.
SAVING, WRITING = "Saving", "Writing attributes"
_FINAL = (SAVING, WRITING)

# A reader cannot follow more, and a database should not be written to more often.
_SECONDS_BETWEEN_REPORTS = 0.25
# a log is read afterwards
_SECONDS_BETWEEN_LINES = 10.0


class Progress:
    """Collects the progress of consecutive stages and passes it on.

    Args:
        report: where the progress goes, None for nowhere
        cancelled: an event that, once set, makes the next report raise ``Cancelled``
    """

    def __init__(self, report: Report | None = None, cancelled: Event | None = None) -> None:
        self._report = report
        self._cancelled = cancelled
        self._done = 0.0
        self._last_report = 0.0
        self._final = False

    @contextmanager
    def stage(self, label: str, share: float, total: int = 0, unit: str = "") -> Iterator[Stage]:
        """Runs one stage, which takes ``share`` of the whole run's fraction.

        Args:
            label: what is happening, such as "Embedding patches"; from ``SAVING`` or ``WRITING``
                on the run comes to its end, as one that was cancelled says that nothing was changed
            share: the stage's part of the whole, in [0, 1]
            total: how many units the stage has, 0 when it cannot tell
            unit: the plural name of its units
        """
        stage = Stage(self, label, share, total, unit)
        self.send(0.0, label, force=True)
        self._final = self._final or is_final(label)
        yield stage
        self._done = min(1.0, self._done + share)
        self.send(0.0, label, force=True)

    def check_cancelled(self) -> None:
        """Raises ``Cancelled`` if the run was cancelled before its final stage."""
        if self._cancelled is not None and self._cancelled.is_set() and not self._final:
            raise Cancelled("Canceled: nothing was changed.")

    def send(self, fraction: float, line: str, force: bool = False) -> None:
        """Reports ``fraction`` beyond the finished stages, at most four times a second."""
        self.check_cancelled()
        now = time.monotonic()
        if self._report is None or not (
            force or now - self._last_report >= _SECONDS_BETWEEN_REPORTS
        ):
            return
        self._last_report = now
        self._report(min(1.0, self._done + fraction), line)


class Stage:
    """One stage of a :class:`Progress`; ``set`` and ``advance`` say how far it is."""

    def __init__(self, progress: Progress, label: str, share: float, total: int, unit: str) -> None:
        self._progress = progress
        self._label = label
        self._share = share
        self._total = total
        self._unit = unit
        self._count = 0
        # Rates are measured from the first units that are done: what comes before them is a model
        # that loads or a library that compiles.
        self._first: tuple[int, float] | None = None

    def advance(self, count: int = 1, detail: str = "") -> None:
        """Counts ``count`` more units as done; ``detail`` ends the line."""
        self.set(self._count + count, detail=detail)

    def set(self, count: int, total: int | None = None, detail: str = "") -> None:
        """Says that ``count`` units are done, of ``total`` where that is known only now."""
        self._count = count
        if total is not None:
            self._total = total
        fraction = count / self._total if self._total else 0.0
        self._progress.send(self._share * min(1.0, fraction), self._line(detail))

    def _line(self, detail: str) -> str:
        parts = [self._label]
        if self._total:
            parts.append(f"{self._count:,} of {self._total:,} {self._unit}".rstrip())
        if self._first is None and self._count:
            self._first = (self._count, time.monotonic())
        first_count, start = self._first or (0, time.monotonic())
        elapsed = time.monotonic() - start
        if elapsed > 0.5 and self._count > first_count:
            rate = (self._count - first_count) / elapsed
            parts.append(f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.1f}/s")
            if self._total > self._count:
                minutes, seconds = divmod(round((self._total - self._count) / rate), 60)
                parts.append(f"{minutes}:{seconds:02d} left")
        if detail:
            parts.append(detail)
        return " · ".join(parts)


def is_final(line: str) -> bool:
    """Whether a line of progress is of a stage that writes, which a cancelled run ends, too."""
    return line.partition(" · ")[0] in _FINAL


@contextmanager
def terminal_report() -> Iterator[Report]:
    """A progress line in the terminal, drawn by tqdm; where there is no terminal, lines of text."""
    if not sys.stderr.isatty():
        yield _lines()
        return
    from tqdm import tqdm

    with tqdm(total=100, bar_format="{percentage:3.0f}% |{bar:25}| {desc}", leave=True) as bar:

        def report(fraction: float, line: str) -> None:
            bar.n = round(100 * fraction, 1)
            bar.set_description_str(line)

        yield report


def _lines() -> Report:
    """Returns a report that prints each new stage, and within a stage a line now and then."""
    stage, printed = "", -math.inf

    def report(fraction: float, line: str) -> None:
        nonlocal stage, printed
        begins, now = line.partition(" · ")[0], time.monotonic()
        if begins != stage or now - printed >= _SECONDS_BETWEEN_LINES:
            stage, printed = begins, now
            print(f"{fraction:4.0%}  {line}", file=sys.stderr, flush=True)

    return report
