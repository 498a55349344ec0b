"""What *Runs* sends to its web half; this module alone knows the names on the wire."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from ...workers.operations import PLUGIN, Operation
from ...workers.targets import Target

# operators after which there is a map, or labels, to look at
_MAPS = ("compute_visualization", "update_visualization", "find_label_issues")
_LABELS = ("auto_label",)


def operation(one: Operation) -> dict[str, Any]:
    """An operation as a row of the list."""
    return {
        "id": one.id,
        "operator": one.operator,
        "label": one.label,
        "target": one.target,
        "worker": one.worker,
        "state": one.state,
        "cancelling": one.cancelling,
        "user": one.user,
        "queued": _moment(one.queued),
        "started": _moment(one.started),
        "finished": _moment(one.finished),
        "progress": one.progress,
        "line": one.line,
        "error": one.error,
        # what can be opened once it has completed
        "brainKey": one.inputs.get("brain_key") if _is_one(one, _MAPS) else None,
        "source": _source(one) if _is_one(one, _LABELS) else None,
    }


def _is_one(one: Operation, names: tuple[str, ...]) -> bool:
    return one.operator.startswith(PLUGIN) and one.operator.removeprefix(PLUGIN) in names


def _source(one: Operation) -> dict[str, Any]:
    return {"field": one.inputs.get("label_field"), "run": one.inputs.get("run_name")}


def details(one: Operation) -> dict[str, Any]:
    """An operation with all that is shown when its row is unfolded."""
    inputs = {
        name: value if isinstance(value, str) else json.dumps(value, default=str)
        for name, value in one.inputs.items()
        if value not in (None, "", False)
    }
    return {
        **operation(one),
        "inputs": inputs,
        "trace": one.trace if one.trace != one.error else None,
        "log": one.log,
        "attempts": one.attempts,
        "version": one.version,
    }


def target(one: Target) -> dict[str, Any]:
    """A compute target."""
    return {"name": one.name, "description": one.description}


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
