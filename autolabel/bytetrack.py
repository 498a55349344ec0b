"""Objects that are followed through a video by their boxes: ByteTrack (Zhang et al., ECCV 2022),
with the code and the settings of ultralytics.

What of ultralytics is used here is its tracker, which takes the boxes of a frame as its models give
them, and whose tracks say what they took. Tried with ultralytics 8.4, 8.3.200 and 8.3.0.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from types import SimpleNamespace
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from ..core.errors import ModelUnavailable
from ..embeddings.optional_libraries import import_ultralytics

# ultralytics solves assignments with lap, and would install it by itself where it is not there
_PACKAGES = ("ultralytics", "lap")
# the tracker expects pixels, and adds a little to each area before it divides by it
_IMAGE_SIZE = 1000.0
# of some versions all trackers of a process count their tracks together, and a new one starts over
_tracking = Lock()


def missing_packages() -> str | None:
    """Says what to install so that objects can be followed, None where nothing is missing."""
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    return f"Following objects needs pip install {' '.join(missing)}" if missing else None


def check_installed() -> None:
    """Checks that objects can be followed.

    Raises:
        ModelUnavailable: if a package is missing
    """
    if missing := missing_packages():
        raise ModelUnavailable(f"{missing}: install it, or leave the tracks out.")
    try:
        _load()
    except ImportError as error:
        raise ModelUnavailable(
            f"Objects cannot be followed, as a package is damaged ({error}): pip install "
            f"--force-reinstall {' '.join(_PACKAGES)}, or leave the tracks out."
        ) from error


def follow_objects(
    moments: NDArray[np.int64],
    boxes: NDArray[np.float64],
    confidences: NDArray[np.float32],
    advance: Callable[[], None],
) -> NDArray[np.int64]:
    """Follows the objects of one video; moments between those of the boxes are frames without one.

    A track has a box in two frames at least; a box without a confidence is taken for sure.

    Args:
        moments: (n,) the moment of each box, ascending
        boxes: (n, 4) ``[x, y, width, height]`` in units of the image's size, NaN for none
        confidences: (n,) of each box, NaN for none
        advance: called after each moment that has boxes

    Returns:
        (n,) the number of each one's track, -1 for none
    """
    tracker_class, boxes_class = _load()
    settings = _settings()
    confidences = np.where(np.isnan(confidences), 1, confidences)
    corners = np.column_stack([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]]) * _IMAGE_SIZE
    usable = np.isfinite(boxes) & (boxes > [-np.inf, -np.inf, 0, 0])
    tracks = np.full(len(moments), -1, dtype=np.int64)
    if not len(moments):
        return tracks

    def see(rows: NDArray[np.int64]) -> None:
        # versions differ in how they count what a track took, but hand on what is called its class
        seen = np.column_stack([corners[rows], confidences[rows], np.arange(len(rows))])
        tracker.update(boxes_class(seen, (int(_IMAGE_SIZE), int(_IMAGE_SIZE))))
        for track in tracker.tracked_stracks:
            if track.frame_id == tracker.frame_id:
                tracks[rows[int(track.cls)]] = track.track_id

    with _tracking:
        tracker = tracker_class(settings)
        before = moments[0]
        for rows in np.split(np.arange(len(moments)), np.flatnonzero(np.diff(moments)) + 1):
            # it gives a track up a moment after its settings say, and forgets it in the next
            for _ in range(min(int(moments[rows[0]] - before) - 1, settings.track_buffer + 2)):
                see(rows[:0])
            see(rows[usable[rows].all(axis=1)])
            before = moments[rows[0]]
            advance()
    alone = np.bincount(tracks + 1)[tracks + 1] == 1
    return np.where(alone, -1, tracks)


def _load() -> tuple[Any, Any]:
    """Returns ultralytics' class of the tracker, and that of the boxes that it takes.

    Raises:
        ImportError: if a package is missing
    """
    import_ultralytics()
    from ultralytics.engine.results import Boxes
    from ultralytics.trackers.byte_tracker import BYTETracker

    return BYTETracker, Boxes


def _settings() -> SimpleNamespace:
    """Returns the settings of the version that is installed, never those of a file of that name in
    the working directory."""
    folder = Path(str(import_ultralytics().__file__)).parent
    text = (folder / "cfg" / "trackers" / "bytetrack.yaml").read_text(encoding="utf-8")
    return SimpleNamespace(**yaml.safe_load(text))
