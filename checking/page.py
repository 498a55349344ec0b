"""What a check found, as a page with pictures that needs no server."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import fiftyone as fo

from ..core.files import write_whole
from ..core.sentences import count
from ..issues.attributes import MISSED
from ..maps.thumbnails import cut_box
from ..proof.report import CROPS, EXAMPLES, label_report, report_page
from .check import BRAIN_KEY
from .result import FIELD, PLACE, CheckResult, Issue

_OF_LABELS = ("suspects", "examples", "answers")


def write_page(dataset: fo.Dataset, result: CheckResult, page: Path, title: str) -> None:
    """Writes the report on the labels, with where they stand in their files, and on the objects
    that have none, in place of a page that is there.

    Args:
        dataset: what was checked
        result: what was found
        page: its file
        title: what it calls the dataset

    Raises:
        OSError: if it cannot be written
    """
    report = label_report(dataset, BRAIN_KEY)
    root = f"{FIELD}.detections"
    places = dict(zip(*dataset.values([f"{root}.id", f"{root}.{PLACE}"], unwind=True), strict=True))
    for name in _OF_LABELS:
        report[name] = [{**one, "place": places.get(one["id"])} for one in report[name]]
    missed = [issue for issue in result.issues if issue.issue == MISSED]
    report["issues"] = {name: number for name, number in result.counts().items() if name != MISSED}
    report["missed"] = _pictured(missed[:EXAMPLES])
    shown = len(report["missed"])
    report["missed_sentence"] = f"The likeliest {shown:,} of {count(len(missed), 'object')}."
    write_whole({page: report_page({**report, "dataset": title})})


def _pictured(missed: Sequence[Issue]) -> list[dict[str, Any]]:
    return [
        {
            "label": one.label,
            "box": one.box,
            "issue": one.issue,
            "suspicion": one.probability,
            "reason": one.reason,
            "place": one.place or one.file,
            "image": cut_box(one.file, one.box, CROPS),
        }
        for one in missed
    ]
