"""What *Auto Labeling* sends to its web half; this module alone knows the names on the wire."""

from __future__ import annotations

from base64 import b64encode
from datetime import datetime, timezone
from typing import Any

import numpy as np

from ...approval.counts import Review
from ...approval.rounds import ApprovalProgress
from ...autolabel.runs import FAILED, GENERATING, AutoLabelRun
from .generating import Operation

_WAITING = ("scheduled", "queued", "running")
_CUT_OFF = "It was cut off: start it again under the same name, and it goes on from there."


def run(one: AutoLabelRun, operation: Operation | None) -> dict[str, Any]:
    """Encodes a run; where a worker has or had it, with what the queue says."""
    state, error = one.state, one.error
    waits = operation is not None and operation.state in _WAITING
    if state == GENERATING and operation is not None and operation.state == "failed":
        state, error = FAILED, operation.error
    if waits:
        state = GENERATING
    elif state == GENERATING and one.cut_off:
        state, error = FAILED, _CUT_OFF
    return {
        "name": one.name,
        "field": one.label_field,
        "model": one.model,
        "state": state,
        "created": one.created.isoformat(),
        "labels": one.labels,
        "images": one.images,
        "unreadable": one.unreadable,
        "user": one.user,
        "error": error,
        "progress": operation.progress if waits and operation else None,
        "line": operation.line if waits and operation else None,
    }


def waiting_run(operation: Operation) -> dict[str, Any]:
    """Encodes a run that no worker began yet, or that failed before it did."""
    failed = operation.state == "failed"
    return {
        "name": operation.run,
        "field": operation.params.get("label_field"),
        "model": operation.params.get("model"),
        "state": FAILED if failed else GENERATING,
        "created": None,
        "labels": 0,
        "images": 0,
        "unreadable": 0,
        "user": None,
        "error": operation.error if failed else None,
        "progress": operation.progress,
        "line": operation.line or ("" if failed else "Waiting for a worker"),
    }


def review(found: Review) -> dict[str, Any]:
    """Encodes what there is to review; the counts by confidence are a column, row by row."""
    return {
        "classes": list(found.classes),
        "counts": found.counts.tolist(),
        "confidence": [None if mean != mean else mean for mean in found.confidence.tolist()],
        "edges": found.edges.tolist(),
        "open": b64encode(np.ascontiguousarray(found.open, dtype="<u4").tobytes()).decode(),
    }


def progress(loop: ApprovalProgress) -> dict[str, Any]:
    """Encodes how far the loop is."""
    return {
        "found": loop.found,
        "approved": loop.approved,
        "flagged": loop.flagged,
        "rejected": loop.rejected,
        "basket": loop.basket,
        "left": loop.left,
        "notApproved": loop.not_approved,
        "inBasket": [[label, number] for label, number in sorted(
            loop.in_basket.items(), key=lambda item: (-item[1], item[0] or "")
        )],
        "rounds": [
            {
                "at": _moment(one.at),
                "by": one.by,
                "into": one.into,
                "approved": one.approved,
                "turnedDown": one.turned_down,
                "rate": one.rate,
                "token": one.token,
            }
            for one in loop.rounds
        ],
    }  # fmt: skip


def _moment(moment: datetime) -> str:
    return moment.replace(tzinfo=timezone.utc).isoformat()
