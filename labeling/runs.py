"""The runs of auto labeling of a dataset: FiftyOne's own custom runs, readable without labelvet.

Each label that a run wrote has the run's name in its attribute ``auto_label_run``.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from datetime import datetime, timezone
from typing import Any

import fiftyone as fo
import fiftyone.core.odm as foo

from ..embeddings.errors import InvalidParameter, UnknownRun
from ..labels.documents import run_documents

RUN_ATTRIBUTE = "auto_label_run"

GENERATING, IN_REVIEW, APPROVED, FAILED = "generating", "in_review", "approved", "failed"
STATES = (GENERATING, IN_REVIEW, APPROVED, FAILED)

_METHOD = "labelvet_auto_label"


@dataclass(frozen=True)
class AutoLabelRun:
    """A run of auto labeling.

    Attributes:
        name: its key among the dataset's runs, an identifier
        label_field: the field that its labels are in
        model: the name or file of the model
        classes: the classes that were asked for, None for all of the model
        confidence: the least confidence, in [0, 1]
        state: one of ``STATES``; a run that is killed stays "generating"
        created: when it was started, in UTC
        labels: how many labels it wrote
        images: how many images it went through, the unreadable ones left out
        unreadable: how many images could not be read
        error: why it failed, a sentence
        user: who started it
    """

    name: str
    label_field: str
    model: str
    classes: tuple[str, ...] | None
    confidence: float
    state: str = GENERATING
    created: datetime = field(default_factory=lambda: datetime.now(timezone.utc))
    labels: int = 0
    images: int = 0
    unreadable: int = 0
    error: str | None = None
    user: str | None = None


def check_run_name(dataset: fo.Dataset, name: Any) -> None:
    """Checks that a run of auto labeling may have a name; one that exists may be that run.

    Raises:
        InvalidParameter: if it is no valid name, or belongs to a run of another kind
    """
    if not isinstance(name, str) or not name.isidentifier() or len(name) > 200:
        raise InvalidParameter(
            f"The run name '{name}' must be letters, digits and underscores, and must not start "
            "with a digit: for example 'first_pass'."
        )
    document = run_documents(dataset, "runs").get(name)
    if document is not None and document["config"].get("method") != _METHOD:
        raise InvalidParameter(
            f"The run name '{name}' belongs to a run of another kind: choose another name."
        )


def list_runs(dataset: fo.Dataset) -> list[AutoLabelRun]:
    """Returns the runs of auto labeling, newest first, as the database has them now."""
    runs = [
        _run(name, document["config"])
        for name, document in run_documents(dataset, "runs").items()
        if document["config"].get("method") == _METHOD
    ]
    return sorted(runs, key=lambda run: run.created, reverse=True)


def get_run(dataset: fo.Dataset, name: str) -> AutoLabelRun:
    """Returns a run as the database has it now.

    Raises:
        UnknownRun: if there is none of this name
    """
    for run in list_runs(dataset):
        if run.name == name:
            return run
    raise UnknownRun(f"There is no auto labeling run '{name}' in this dataset any more.")


def save_run(dataset: fo.Dataset, run: AutoLabelRun) -> None:
    """Writes a run, in place of an earlier state of it.

    Raises:
        InvalidParameter: see :func:`check_run_name`
    """
    check_run_name(dataset, run.name)
    values = asdict(run)
    del values["name"]
    values["created"] = run.created.isoformat()
    config = dataset.init_run(method=_METHOD, **values)
    document = run_documents(dataset, "runs").get(run.name)
    if document is None:
        dataset.reload()
        dataset.register_run(run.name, config)
    else:
        foo.get_db_conn().runs.update_one(
            {"_id": document["_id"]}, {"$set": {"config": config.serialize()}}
        )


def delete_run(dataset: fo.Dataset, name: str) -> None:
    """Deletes what is known of a run; its labels stay.

    Raises:
        UnknownRun: if there is none of this name
    """
    get_run(dataset, name)
    dataset.reload()
    dataset.delete_run(name)


def _run(name: str, config: dict[str, Any]) -> AutoLabelRun:
    known = {each.name for each in fields(AutoLabelRun)}
    values = {key: value for key, value in config.items() if key in known}
    values["created"] = datetime.fromisoformat(values["created"])
    if values["classes"] is not None:
        values["classes"] = tuple(values["classes"])
    return AutoLabelRun(name=name, **values)
