"""A report on a field's labels that can be shown: a page of HTML that needs no server, or JSON.

All numbers are counted from the dataset when it is asked for, and each can be traced: the answers
that they are made of are listed with the ids of their labels.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import fiftyone as fo
import numpy as np
from bson import ObjectId

from ..approval.candidates import find_candidates, list_candidate_fields
from ..approval.rounds import progress, rounds_of_field
from ..autolabel.runs import list_runs
from ..core.errors import InvalidParameter, UnknownField
from ..core.files import write_whole
from ..core.sentences import first_line
from ..core.user import current_user
from ..dataset.brain_runs import first_field_notes, run_field
from ..dataset.documents import now, parse_ids
from ..dataset.storage import locate
from ..issues.attributes import ISSUE
from ..maps.map import Map, load_map
from ..maps.thumbnails import ThumbnailSettings, make_thumbnails
from ..review.queue import Item, next_issues
from ..review.verdicts import FOUND_WRONG, VERDICTS, WRONG_CLASS
from .audits import list_audits
from .report_page import render
from .results import read_result

EXAMPLES, CROPS = 24, ThumbnailSettings(size=160, margin=0.25)
"""How many labels have a picture, and how it is cut."""
_ENDS = ("low", "estimate", "high")
_POINTS = 4_000


def label_report(dataset: fo.Dataset, brain_key: str) -> dict[str, Any]:
    """Gathers what is known of the labels of a visualization.

    Args:
        dataset: the dataset
        brain_key: a visualization of a field's labels

    Returns:
        values that JSON can hold

    Raises:
        UnknownRun: if there is no such visualization
        UnknownField: if it is not of a field's labels
    """
    shown = load_map(dataset, brain_key)
    field = run_field(dataset, brain_key)
    if field is None:
        raise UnknownField(f"'{brain_key}' shows whole images, which have no labels to report on.")
    answers = _answers(dataset, field)
    queue = next_issues(dataset, brain_key, EXAMPLES)
    suspects = [] if queue is None else [_suspect(item) for item in queue.items]
    files = _files(dataset, field, [one["sample"] for one in suspects])
    suspects = [{**one, "file": files.get(one["sample"])} for one in suspects]
    return {
        "dataset": dataset.name,
        "samples": locate(dataset, field).view().count(),
        "field": field,
        "visualization": brain_key,
        "only": next(iter(first_field_notes(dataset, brain_key, "is reported on")), None),
        "made": _moment(now()),
        "by": current_user(),
        "progress": _progress(dataset, field),
        "runs": [
            {"name": run.name, "model": run.model, "field": run.label_field, "state": run.state}
            for run in list_runs(dataset)
        ],
        "audits": [_audit(dataset, audit) for audit in list_audits(dataset, brain_key)],
        "issues": _counted(dataset, field, ISSUE),
        "expected": None if queue is None else queue.sentence,
        "suspects": _pictured(dataset, shown, suspects),
        "verdicts": dict(Counter(one["verdict"] for one in answers).most_common()),
        "reviewers": dict(Counter(one["by"] for one in answers).most_common()),
        "confusions": [
            {"from": before, "to": after, "labels": number}
            for (before, after), number in Counter(
                (one["before"], one["label"]) for one in answers if one["verdict"] == WRONG_CLASS
            ).most_common(20)
        ],
        "answers": answers,
        "examples": _pictured(
            dataset, shown, [one for one in answers if one["verdict"] in FOUND_WRONG]
        ),
        "map": _points(shown),
    }


def report_json(report: dict[str, Any]) -> str:
    """Returns a report as JSON."""
    return json.dumps(report, indent=1, allow_nan=False) + "\n"


def report_page(report: dict[str, Any]) -> str:
    """Returns a report as a page of HTML, with its pictures in it."""
    return render(report)


def _progress(dataset: fo.Dataset, field: str) -> dict[str, Any] | None:
    """How far the loop is, None for labels that cannot be approved, as what was removed cannot."""
    storage = locate(dataset, field)
    if storage.local(field) not in list_candidate_fields(storage if storage.frames else dataset):
        return None
    candidates = find_candidates(dataset, field)
    counted, rounds = progress(candidates), rounds_of_field(candidates)
    return {
        **{name: getattr(counted, name) for name in ("found", "approved", "flagged", "rejected")},
        "left": counted.left,
        "rounds": [{**asdict(one), "at": _moment(one.at), "token": None} for one in rounds],
    }


def _audit(dataset: fo.Dataset, audit: Any) -> dict[str, Any]:
    result = read_result(dataset, audit)
    # what a target asks for is no sample of all labels
    sampled = result.proof is None
    return {
        "begun": _moment(audit.at),
        "by": audit.by,
        "target": audit.target,
        "confidence": audit.confidence,
        "sentence": result.sentence,
        "labels": result.labels,
        "answers": result.answers,
        "wrong": result.found,
        **{name: getattr(result.bounds, name) if sampled else None for name in _ENDS},
        "if 5 % of the answers are wrong": result.if_some_err if sampled else None,
        "reviewers": result.reviewers,
        "classes": [
            {
                "label": one.label,
                "labels": one.labels,
                "answers": one.answers,
                **{name: getattr(one.bounds, name) for name in _ENDS},
            }
            for one in result.classes
        ],
        "proven": [
            {
                "label": one.part.label,
                "labels": len(one.part.rows),
                "answers": one.answers,
                "wrong": one.found,
                "proven": one.proof.size,
            }
            for one in result.parts
        ],
        "agreements": [
            {**asdict(one), "share": one.same / one.labels, "sentence": one.sentence}
            for one in result.agreements
        ],
        "errors": result.errors and asdict(result.errors),
        "if two err": result.if_two_err,
        "notes": result.notes,
    }


def _answers(dataset: fo.Dataset, field: str) -> list[dict[str, Any]]:
    """Returns the labels that a reviewer answered for, the newest answer first."""
    storage = locate(dataset, field)
    root, listed = storage.label_root(storage.local(field))
    names = ("label", "label_before", "review", "reviewed_by", "reviewed_at")
    values: dict[str, Any] = {"id": {"$toString": "$l._id"}, "sample": {"$toString": "$_id"}}
    values["filepath"] = 1
    values |= {name: f"$l.{name}" for name in names}
    pipeline = [
        {"$match": {f"{root}.review": {"$in": list(VERDICTS)}}},
        {"$project": {"l": f"${root}", "filepath": 1}},
        *([{"$unwind": "$l"}] if listed else []),
        {"$match": {"l.review": {"$in": list(VERDICTS)}}},
        {"$project": values},
    ]
    found = sorted(storage.documents.aggregate(pipeline), key=_when, reverse=True)
    return [
        {
            "id": one["id"],
            "sample": one["sample"],
            "file": one.get("filepath"),
            "label": one.get("label"),
            "before": one.get("label_before"),
            "verdict": one["review"],
            "by": one.get("reviewed_by") or "unknown",
            "at": _moment(_when(one)),
        }
        for one in found
    ]


def _counted(dataset: fo.Dataset, field: str, attribute: str) -> dict[str, int]:
    storage = locate(dataset, field)
    root, _ = storage.label_root(storage.local(field))
    if storage.get_field(f"{root}.{attribute}") is None:
        return {}
    counts = storage.view().count_values(storage.path(f"{root}.{attribute}"))
    named = {str(name): int(number) for name, number in counts.items() if name is not None}
    return dict(Counter(named).most_common())


def _files(dataset: fo.Dataset, field: str, samples: list[str]) -> dict[str, str]:
    """Returns the images of some samples; a frame that is read out of its video has none."""
    wanted = {"_id": {"$in": [ObjectId(one) for one in set(samples)]}}
    found = locate(dataset, field).documents.find(wanted, {"filepath": 1})
    return {str(one["_id"]): one["filepath"] for one in found if one.get("filepath")}


def _suspect(item: Item) -> dict[str, Any]:
    names = ("label", "confidence", "box", "issue", "reason", "suspicion", "suggested")
    return {
        "id": item.id,
        "sample": item.sample_id,
        **{name: getattr(item, name) for name in names},
    }


def _pictured(
    dataset: fo.Dataset, shown: Map, labels: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Returns the first of some labels with their pictures, None where the image cannot be read."""
    if not labels:
        return []
    ids, samples = (parse_ids([one[name] for one in labels]) for name in ("id", "sample"))
    rows = shown.rows_of(ids, samples).tolist()
    there = [(row, one) for row, one in zip(rows, labels, strict=True) if row >= 0][:EXAMPLES]
    pictures = make_thumbnails(dataset, shown, [row for row, _ in there], CROPS)
    return [
        {**one, "image": picture.image} for picture, (_, one) in zip(pictures, there, strict=True)
    ]


def _points(shown: Map) -> list[list[float]]:
    """Returns some points of the map, each coordinate in [0, 1]."""
    points = np.asarray(shown.points[:, :2], dtype=np.float64)
    points = points[np.isfinite(points).all(axis=1)]
    if not len(points):
        return []
    low, high = points.min(axis=0), points.max(axis=0)
    some = np.random.default_rng(0).permutation(len(points))[:_POINTS]
    scaled = (points[some] - low) / np.maximum(high - low, 1e-12)
    return [[round(x, 4), round(y, 4)] for x, y in scaled.tolist()]


def _when(document: dict[str, Any]) -> datetime:
    moment = document.get("reviewed_at")
    return moment if isinstance(moment, datetime) else datetime.min


def _moment(moment: datetime) -> str:
    return moment.isoformat(sep=" ", timespec="seconds")


def write_report(
    dataset: fo.Dataset, brain_key: str, path: Any, overwrite: bool = False
) -> tuple[Path, Path]:
    """Writes the report on the labels of a visualization.

    Args:
        dataset: the dataset
        brain_key: a visualization of a field's labels
        path: of the page, which ends in ``.html``; the same as JSON is written beside it
        overwrite: whether files that are there are replaced

    Returns:
        the page, and the JSON

    Raises:
        InvalidParameter: if the page cannot be written there
        UnknownRun: if there is no such visualization
    """
    page = Path(path).expanduser() if isinstance(path, str | Path) and str(path) else None
    if page is None or page.suffix != ".html" or "\0" in str(page):
        raise InvalidParameter("Give the report a file name that ends in .html.")
    data = page.with_suffix(".json")
    if not page.parent.is_dir():
        raise InvalidParameter(f"There is no folder '{page.parent}': create it first.")
    for file in (page, data):
        if file.exists() and not overwrite:
            raise InvalidParameter(f"'{file}' already exists: choose another name, or overwrite.")
    report = label_report(dataset, brain_key)
    try:
        write_whole(
            {
                page: report_page(report),
                data: report_json(report),
            }
        )
    except OSError as error:
        raise InvalidParameter(f"The report cannot be written: {first_line(error)}.") from None
    return page, data
