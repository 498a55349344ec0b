"""Whether a run that still has a worker stands still: the worker watches a process that may hang.

A run moves when its progress does. How long it may stand still depends on its stage: one that
counts what it has done moves with every batch, while one that cannot count is a single call into a
library, which may take long but keeps a processor busy. All times are by the database's clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..core.progress import is_final

# the first batch takes longest: a model is loaded or downloaded, a cluster waits for a node
_COUNTING_SECONDS = 600.0
_SILENT_SECONDS = 3600.0
_IDLE_SECONDS = 600.0

MEASURED: dict[str, Any] = {
    "run_state": 1,
    "status.label": 1,
    "still": {"$subtract": ["$$NOW", "$labelvet.moved"]},
    "idle": {"$subtract": ["$$NOW", {"$max": ["$labelvet.moved", "$labelvet.busy"]}]},
}
"""What to ask MongoDB for, as a projection, beside other fields."""


@dataclass(frozen=True)
class Standstill:
    """For how long a run has not moved.

    Attributes:
        seconds: since its progress moved last
        idle: since its progress moved, or its process computed something
        stage: what it says of where it is
    """

    seconds: float
    idle: float
    stage: str

    @property
    def stalled(self) -> bool:
        """Whether that is longer than fits its stage."""
        limit = _COUNTING_SECONDS if self._counts else _SILENT_SECONDS
        return self.seconds > limit or self.idle > _IDLE_SECONDS

    @property
    def is_final(self) -> bool:
        """Whether it is writing what it found, and goes on to its end even if it is cancelled."""
        return is_final(self.stage)

    @property
    def warning(self) -> str:
        """A sentence on what to do."""
        return f"It may be stuck: {self}. Cancel it and re-run it; what was done is kept."

    @property
    def _counts(self) -> bool:
        # as labelvet.core.progress writes it: "Embedding patches · 3 of 40 patches"
        return " of " in self.stage.partition(" · ")[2]

    def __str__(self) -> str:
        return f"no progress for {_duration(self.seconds)}"


def standstill(document: Mapping[str, Any]) -> Standstill | None:
    """Returns for how long an operation has stood still, None if it does not run.

    Args:
        document: what MongoDB returned for ``MEASURED``
    """
    still, idle = document.get("still"), document.get("idle")
    if document.get("run_state") != "running" or still is None or idle is None:
        return None
    stage = (document.get("status") or {}).get("label") or ""
    return Standstill(max(0.0, still / 1000), max(0.0, idle / 1000), stage)


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
