"""A run of auto labeling that replaces an earlier one of its name, and bringing that back.

The labels that are replaced go to the field ``<field>_removed`` in the very updates that write the
new ones (:mod:`labelvet.dataset.removed`), so a replacement can be undone whenever it ended, until
*Finish*. The marks of an image say how far it is: ``<run> before <moment>`` where the replaced run
went through it, ``<run> since <moment>`` where the new one did. Undo takes both away as it brings
the labels back, so that one which was cut off is finished by the next.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import fiftyone as fo
import fiftyone.core.media as fom

from ..core.errors import InvalidParameter, UnknownUndo
from ..core.sentences import count
from ..dataset import removed
from ..dataset.changes import Change, begin, past_changes, undone_once, unique_moment
from ..dataset.checked_writes import write_checked
from ..dataset.documents import now, samples_of
from ..dataset.expressions import Expression, in_list, keep, where_there
from ..dataset.patches import sample_id_path, whole_groups
from ..dataset.schema import check_fields
from ..dataset.states import APPROVED_TAG
from ..dataset.storage import home_of
from .runs import (
    RUN_ATTRIBUTE,
    AutoLabelRun,
    as_stored,
    check_not_labeling,
    list_runs,
    run_from,
    save_run,
)

REPLACEMENT = "replacement"

# the names of the runs that went through an image, beside the list of its labels
MARK = "auto_label_runs"


def begin_replacement(dataset: fo.Dataset, earlier: AutoLabelRun, user: str | None) -> Change:
    """Writes down that a run is replaced, and has each of its images labeled again.

    Raises:
        InvalidParameter: if the dataset has a field of its own where replaced labels would go
    """
    field, name = earlier.label_field, earlier.name
    removed.prepare(dataset, field)
    with begin(
        dataset, REPLACEMENT,
        f"{count(earlier.labels, 'label')} of '{name}' replaced by a new run.", user,
        expires=False, field=field, run=name, moment=unique_moment(dataset),
        record=as_stored(earlier), since=True,
    ) as change:  # fmt: skip
        marks = f"{field}.{MARK}"
        before = _marked_before(name, change.what["moment"])
        renamed = {"$cond": [{"$eq": ["$$m", name]}, before, "$$m"]}
        update = {marks: {"$map": {"input": f"${marks}", "as": "m", "in": renamed}}}
        samples_of(dataset).update_many({marks: name}, [{"$set": update}])
    return change


def count_elsewhere(samples: Any, run: AutoLabelRun) -> tuple[int, int]:
    """Counts the labels of a run that are in images which a view does not show.

    Args:
        samples: the dataset, or any view of it
        run: the run

    Returns:
        how many labels, and in how many images
    """
    if samples.view() == samples._root_dataset.view() and samples.media_type != fom.GROUP:
        return 0, 0
    field, samples = run.label_field, whole_groups(samples)
    # not part of the query, which holds 16 MB
    shown = set(samples.values(sample_id_path(samples)))
    labels = {"$size": keep(in_list(f"{field}.detections"), of_run("$$l", run.name))}
    found = samples_of(home_of(samples)).find(
        {f"{field}.detections.{RUN_ATTRIBUTE}": run.name}, {"labels": labels}
    )
    counts = [image["labels"] for image in found if str(image["_id"]) not in shown]
    return sum(counts), len(counts)


def open_replacement(dataset: fo.Dataset, run: AutoLabelRun) -> Change | None:
    """Returns the newest replacement of a run that can be undone, None if there is none."""
    of_run = (run.label_field, run.name)
    for change in past_changes(dataset, (REPLACEMENT,)):
        if (change.what["field"], change.what["run"]) == of_run and not change.closed:
            return change
    return None


def replaced(run: AutoLabelRun, moment: datetime) -> dict[str, Any]:
    """What an update sets so that the labels can come back which a document had of a run before."""
    field = run.label_field
    labels = keep(in_list(f"{field}.detections"), of_run("$$l", run.name))
    return {removed.removed_field(field): removed.kept(field, labels, moment)}


def of_run(label: str, name: str) -> Expression:
    """Whether a label is of a run."""
    return {"$eq": [f"{label}.{RUN_ATTRIBUTE}", {"$literal": name}]}


@undone_once
def undo_replacement(change: Change) -> str:
    """Brings the labels back that a run replaced, in place of its own.

    Returns:
        a sentence about it

    Raises:
        InvalidParameter: if the run was replaced again since, is going on, or labels of it were
            approved since
        UnknownUndo: if the field that held them is gone
        FieldGone: if the field that they go back to is
    """
    dataset, what = change.dataset, change.what
    field, name, moment = what["field"], what["run"], what["moment"]
    dataset.reload()
    check_fields(dataset, [field])
    check_ended(dataset, name)
    is_held = removed.exists(dataset, field)
    if not is_held and what["record"]["labels"]:
        raise UnknownUndo(
            f"The field '{removed.removed_field(field)}', which held what was replaced, is gone: "
            "there is nothing to bring back."
        )
    run = run_from(what["record"])
    newest = open_replacement(dataset, run)
    if newest is not None and newest.token != change.token:
        raise InvalidParameter(f"'{name}' was replaced again since: undo that first.")
    before = _marked_before(name, moment)
    # a replacement of an earlier version left no mark of its own
    since = marked_since(name, moment) if what.get("since") else name
    approved = samples_of(dataset).count_documents(_approved(field, name, since))
    if approved:
        raise InvalidParameter(
            f"Labels of '{name}' were approved since it was replaced, in "
            f"{count(approved, 'image')}: undo their approval first."
        )
    number = removed.count_at(dataset, field, moment)
    marks = in_list(f"{field}.{MARK}")
    ours = {"$in": ["$$m", [name, before, since]]}
    rest = {"$filter": {"input": marks, "as": "m", "cond": {"$not": [ours]}}}
    # an image that the new run did not come to has the labels of before still
    labels = in_list(f"{field}.detections")
    others = keep(labels, {"$not": [of_run("$$l", name)]})
    stay = {"$cond": [{"$in": [since, marks]}, others, labels]}
    update = {
        f"{field}.detections": {"$concatArrays": [stay, removed.of_moment(field, moment)]},
        f"{field}.{MARK}": {
            "$concatArrays": [rest, {"$cond": [{"$in": [before, marks]}, [name], []]}]
        },
        "last_modified_at": now(),
    }
    if is_held:
        held = removed.removed_field(field)
        update[held] = where_there(held, removed.all_but_moment(field, moment))
    which = {
        "$or": [
            {f"{field}.{MARK}": {"$in": [before, since]}}, removed.at_moment(field, moment)
        ]
    }  # fmt: skip
    fields = [field, *([removed.removed_field(field)] if is_held else [])]

    def write(there: dict[str, Any]) -> None:
        samples_of(dataset).update_many({**which, **there}, [{"$set": update}])

    write_checked(dataset, fields, which, write)
    removed.drop_empty(dataset, field, moment)
    change.close()
    save_run(dataset, run)
    dataset.reload()
    return f"{count(number, 'label')} of '{name}' came back, in place of the new ones."


def check_ended(dataset: fo.Dataset, name: str) -> None:
    """Checks that no process labels images for a run now.

    Raises:
        InvalidParameter: if one does
    """
    for run in list_runs(dataset):
        if run.name == name:
            check_not_labeling(run)


def marked_since(name: str, moment: datetime) -> str:
    """How an image is marked that a run went through since it replaced another at a moment."""
    return f"{name} since {moment.isoformat()}"


def _marked_before(name: str, moment: datetime) -> str:
    """How an image is marked that a run went through before it was replaced."""
    return f"{name} before {moment.isoformat()}"


def _approved(field: str, name: str, mark: str) -> dict[str, Any]:
    """The filter of the images with a mark in which labels of a run are approved."""
    approved = {RUN_ATTRIBUTE: name, "tags": APPROVED_TAG}
    return {
        f"{field}.{MARK}": mark,
        f"{field}.detections": {"$elemMatch": approved},
    }
