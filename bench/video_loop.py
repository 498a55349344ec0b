"""The whole loop on one long video, and how its steps grow with four times the frames."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from labelvet.embeddings.store import store_folder

from .report import quick
from .track_scenes import Drawn, draw_videos

_SHOT, _THINGS = 25, 10
_TIMES = 4
_LEAST_SECONDS = 0.5
"""A step that takes less in the long video has nothing that grows."""


def video_loop(folder: Path) -> dict[str, Any]:
    """Returns the seconds of each step with 500 and 2,000 frames of ten labels (a quick run: 100
    and 400), and how many times longer the long ones take: 4 is linear, 16 quadratic."""
    shots = 16 if quick() else 80
    drawn = draw_videos(folder / "frames", 7, shots, _THINGS)
    first = {"short": shots // _TIMES, "short again": shots // _TIMES, "long": shots}
    # the first turn imports and compiles
    seconds = {name: _loop(drawn, number * _SHOT, name) for name, number in first.items()}
    short, long = seconds["short again"], seconds["long"]
    return {
        "frames": [shots // _TIMES * _SHOT, shots * _SHOT],
        "labels": [shots // _TIMES * _SHOT * _THINGS, shots * _SHOT * _THINGS],
        "seconds": {step: [short[step], long[step]] for step in long},
        "times": {
            step: round(long[step] / short[step], 1)
            for step in long
            if long[step] >= _LEAST_SECONDS
        },
    }


def _dataset(drawn: Drawn, num_frames: int, name: str) -> Any:
    """Returns a dataset of one video of the first frames; a tenth of the tracks are wrong."""
    import fiftyone as fo

    rng = np.random.default_rng(0)
    classes = sorted({row[1] for row in drawn.rows})
    wrong = rng.random(int(drawn.places[:, 0].max()) + 1) < 0.1
    dataset = fo.Dataset(f"video {name}")
    video = fo.Sample(str(Path(drawn.paths[0]).parent / f"{name}.mp4"))
    labels: dict[int, list[Any]] = {}
    for (frame, true, box, _), (track, *_) in zip(drawn.rows, drawn.places, strict=True):
        said = classes[(classes.index(true) + wrong[track]) % len(classes)]
        labels.setdefault(frame, []).append(
            fo.Detection(
                label=said,
                bounding_box=box.tolist(),
                index=int(track),
                confidence=float(rng.uniform(0.2, 1)),
            )
        )
    for frame in range(num_frames):
        found = fo.Detections(detections=labels[frame])
        video.frames[frame + 1] = fo.Frame(filepath=drawn.paths[frame], det=found)
    dataset.add_sample(video, dynamic=True)
    return dataset


def _loop(drawn: Drawn, num_frames: int, name: str) -> dict[str, float]:
    """Returns the seconds of each step, from the map to ground truth and back."""
    import labelvet
    from labelvet.approval.approve import approve
    from labelvet.approval.basket import add_labels
    from labelvet.approval.candidates import Selection, find_candidates
    from labelvet.approval.candidates_view import candidates_view
    from labelvet.approval.finalize import finalize
    from labelvet.approval.undo import undo
    from labelvet.dataset import tags
    from labelvet.dataset.label_views import exclude_tagged, save_tagged_view
    from labelvet.dataset.tags import tag_fields
    from labelvet.issues.find import find_label_issues
    from labelvet.maps.columns import load_column
    from labelvet.maps.map import load_map
    from labelvet.maps.selection import select_stages, visible_rows
    from labelvet.maps.thumbnails import ThumbnailSettings, make_thumbnails
    from labelvet.panels.label_embeddings.open_map import labels_of
    from labelvet.review.answers import give_answers
    from labelvet.review.queue import next_issues
    from labelvet.review.verdicts import Answer
    from labelvet.visualization.update import find_changes

    dataset = _dataset(drawn, num_frames, name)
    shutil.rmtree(store_folder() / "embeddings", ignore_errors=True)  # of the turn before
    seconds: dict[str, float] = {}

    def timed(step: str, action: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        answer = action()
        seconds[step] = round(time.perf_counter() - start, 2)
        return answer

    view = timed("to frames", dataset.to_frames)
    timed(
        "visualization",
        lambda: labelvet.compute_visualization(view, "det", "map", progress=False),
    )
    timed("label issues", lambda: find_label_issues(dataset, "map"))
    shown = timed("map", lambda: load_map(dataset, "map"))
    timed("colored", lambda: load_column(dataset, shown, "det.detections.confidence"))
    some, crops = list(range(0, 200, 2)), ThumbnailSettings(size=64, margin=0)
    timed("thumbnails", lambda: make_thumbnails(dataset, shown, some, crops))
    rows = np.arange(0, len(shown), 10)
    stages = timed("lasso", lambda: select_stages(shown, rows, view))
    timed("what is shown", lambda: visible_rows(shown, view.limit(num_frames // 2)))
    assert stages
    queue = timed("review", lambda: next_issues(dataset, "map", 10))
    given = [
        Answer(item.sample_id, item.id, item.label, "wrong class", "other")
        for item in queue.items[:5]
    ]
    timed("answers", lambda: give_answers(dataset, "frames.det", given, "me"))
    timed("review again", lambda: next_issues(dataset, "map", 10))
    done = timed("tag", lambda: tag_fields(dataset, labels_of(shown, rows), "needs-review"))
    timed("saved view", lambda: save_tagged_view(dataset, "needs-review", "frames.det"))
    timed("excluded", lambda: exclude_tagged(view, "needs-review", "det", "labels"))
    timed("tag undone", lambda: tags.undo(dataset, done.token))
    candidates = timed("candidates", lambda: find_candidates(dataset, "frames.det"))
    timed("basket", lambda: add_labels(candidates, Selection((0.5, None))))
    timed("basket shown", lambda: candidates_view(view, candidates, Selection(), "basket"))
    approved = timed("approve", lambda: approve(candidates, "truth"))
    removed = timed("finalize", lambda: finalize(candidates))
    timed("finalize undone", lambda: undo(dataset, removed.token))
    timed("approve undone", lambda: undo(dataset, approved.token))
    timed("what changed", lambda: find_changes(dataset, "map"))
    dataset.delete()
    return seconds
