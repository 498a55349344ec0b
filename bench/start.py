"""Seconds before anything happens: what the plugin adds to FiftyOne's start, and a form's opening.

The start is measured in processes of their own: first FiftyOne's operators, then the plugin's. A
form is what an operator's ``resolve_input`` makes, first as it opens and then with what a user has
typed until it can be executed, which takes a moment.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

from .report import Aim, quick, write

_START = """
import json, time
begun = time.perf_counter()
import fiftyone, fiftyone.brain, fiftyone.operators
own = time.perf_counter()
import labelvet.operators, labelvet.panels
print(json.dumps([own - begun, time.perf_counter() - own]))
"""
_STARTS = 5
_OPENINGS = 5
_TYPING_SECONDS = 3.0

# the place of a label in its image → its tag: forms count them, in every image
_TAGS = {3: "needs-review", 5: "approved", 7: "for-approval", 11: "rejected"}

# operator → what is typed
_FILLED: dict[str, dict[str, Any]] = {
    "auto_label": {"model": "yolo11n.pt", "label_field": "labels", "run_name": "a"},
    "compute_visualization": {"brain_key": "new", "patches_field": "predictions"},
    "update_visualization": {"brain_key": "patches"},
    "filter_labels": {"field": "predictions", "min_confidence": 0.5, "classes": ["class 01"]},
    "tag_labels": {"field": "predictions", "tag": "wrong"},
    "save_tagged_view": {"field": "predictions", "tag": "wrong"},
    "exclude_tagged": {"field": "predictions", "tag": "wrong"},
    "delete_flagged": {"field": "predictions", "which": "both"},
    "approve_labels": {"field": "predictions", "into": "ground_truth", "min_confidence": 0.5},
    "find_label_issues": {"brain_key": "patches"},
    "remove_label_issues": {},
    "merge_classes": {"field": "predictions", "label": "class 00", "into": "class 01"},
}


def run(folder: Path) -> None:
    """Runs the bench."""
    from .panel_data import KEY, make_dataset

    starts = [_start() for _ in range(_STARTS)]
    dataset = make_dataset(folder, "start", 500 if quick() else 5000, 20)
    dataset.delete_brain_run(f"{KEY}_beside")  # as of the newest run, what is new is looked for
    _tag(dataset)
    forms = _forms(dataset)
    added = median(added for _, added in starts)
    targets = [Aim("seconds that the plugin adds to FiftyOne's start", added, "<=", 0.5)]
    targets += [
        Aim(f"seconds to open {name}", seconds["median"], "<=", 0.2)
        for name, seconds in forms.items()
    ]
    first = max(seconds["first"] for seconds in forms.values())
    targets.append(Aim("seconds that the slowest form takes the first time", first, "<=", 0.2))
    figures = {
        "starts": [{"fiftyone": own, "plugin": added} for own, added in starts],
        "labels": dataset.count("predictions.detections"),
        "forms": forms,
    }
    write("start", figures, targets)


def _start() -> list[float]:
    result = subprocess.run(
        [sys.executable, "-c", _START], check=True, capture_output=True, text=True
    )
    seconds: list[float] = json.loads(result.stdout.splitlines()[-1])
    return seconds


def _tag(dataset: Any) -> None:
    from labelvet.dataset.documents import samples_of

    tags = {f"predictions.detections.{place}.tags": [tag] for place, tag in _TAGS.items()}
    samples_of(dataset).update_many({}, {"$set": tags})


def _forms(dataset: Any) -> dict[str, dict[str, float]]:
    """Returns ``{form: {"first": seconds, "least": seconds, "median": seconds}}``."""
    from fiftyone.operators.executor import ExecutionContext
    from labelvet.operators import OPERATORS

    found = {}
    for operator in (each() for each in OPERATORS):
        for how, params in (("", {}), (", filled in", _FILLED.get(operator.name, {}))):
            if how and not params:
                continue
            if how:
                time.sleep(_TYPING_SECONDS)
            seconds = []
            for _ in range(_OPENINGS):
                context = ExecutionContext({"dataset_name": dataset.name, "params": params})
                begun = time.perf_counter()
                operator.resolve_input(context)
                seconds.append(round(time.perf_counter() - begun, 4))
            found[operator.name + how] = {
                "first": seconds[0], "least": min(seconds), "median": median(seconds),
            }  # fmt: skip
    return found
