"""A run of auto labeling that replaces an earlier one of its name, and bringing that back.

The labels that are replaced go to the field ``<field>_removed`` in the very updates that write the
new ones (:mod:`labelvet.dataset.removed`), so a replacement can be undone whenever it ended, until
*Finish*. The marks of an image say how far it is: ``<run> before <moment>`` where the replaced run
went through it, ``<run> since <moment>`` where the new one did. Undo takes both away as it brings
the labels back, so that one which was cut off is finished by the next.
"""

from __future__ import annotations

from collections.abc import Callable
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
from ..dataset.expressions import Expression, each, in_list, keep
from ..dataset.label_fields import LabelField, label_field
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

# the names of the runs that went through an image, beside the list of its labels or in its label
MARK = "auto_label_runs"


def begin_replacement(dataset: fo.Dataset, earlier: AutoLabelRun, run: AutoLabelRun) -> Change:
    """Writes down that a run takes the place of an earlier one of its name.

    Raises:
        InvalidParameter: if the dataset has a field of its own where replaced labels would go
    """
    field, name = earlier.label_field, earlier.name
    removed.prepare(dataset, field)
    with begin(
        dataset, REPLACEMENT,
        f"{count(earlier.labels, 'label')} of '{name}' replaced by a new run.", run.user,
        expires=False, field=field, run=name, moment=unique_moment(dataset),
        record=as_stored(earlier), since=True,
    ) as change:  # fmt: skip
        save_run(dataset, run)
    return change


def mark_replaced(dataset: fo.Dataset, run: AutoLabelRun, moment: datetime) -> None:
    """Has each image that the replaced run went through labeled again; what was marked so before is
    not marked twice."""
    marks = f"{run.label_field}.{MARK}"
    renamed = {"$cond": [{"$eq": ["$$m", run.name]}, _marked_before(run.name, moment), "$$m"]}
    update = {marks: {"$map": {"input": f"${marks}", "as": "m", "in": renamed}}}
    its = {"$eq": run.name, "$ne": marked_since(run.name, moment)}
    samples_of(dataset).update_many({marks: its}, [{"$set": update}])


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
    home, samples = home_of(samples), whole_groups(samples)
    if home.get_field(run.label_field) is None:
        return 0, 0
    field = label_field(home, run.label_field)
    # not part of the query, which holds 16 MB
    shown = set(samples.values(sample_id_path(samples)))
    labels = {"$size": keep(field.labels(), of_run("$$l", run.name))}
    found = samples_of(home).find({f"{field.root}.{RUN_ATTRIBUTE}": run.name}, {"labels": labels})
    counts = [image["labels"] for image in found if str(image["_id"]) not in shown]
    return sum(counts), len(counts)


def open_replacement(dataset: fo.Dataset, run: AutoLabelRun) -> Change | None:
    """Returns the newest replacement of a run that can be undone, None if there is none."""
    of_run = (run.label_field, run.name)
    for change in past_changes(dataset, (REPLACEMENT,)):
        if (change.what["field"], change.what["run"]) == of_run and not change.closed:
            return change
    return None


def replaced(field: LabelField, name: str, moment: datetime) -> dict[str, Any]:
    """What an update sets so that the labels can come back which a document had of a run before."""
    labels = keep(field.labels(), of_run("$$l", name))
    return {removed.removed_field(field.name): removed.kept(field, labels, moment)}


def of_run(label: str, name: str) -> Expression:
    """Whether a label is of a run."""
    return {"$eq": [f"{label}.{RUN_ATTRIBUTE}", {"$literal": name}]}


@undone_once
def undo_replacement(change: Change) -> str:
    """Brings the labels back that a run replaced, in place of its own.

    Returns:
        a sentence about it

    Raises:
        InvalidParameter: if the run was replaced again since, is going on, labels of it were
            approved since, or there is no room for what comes back
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
    of = label_field(dataset, field)
    approved = samples_of(dataset).count_documents(_approved(of, name, since))
    if approved:
        raise InvalidParameter(
            f"Labels of '{name}' were approved since it was replaced, in "
            f"{count(approved, 'image')}: undo their approval first."
        )
    leaves = of_run("$$l", name)
    removed.check_room(dataset, of, moment, leaves)
    number = removed.count_at(dataset, field, moment)
    marks = in_list(f"{field}.{MARK}")

    def restored(marks: Any) -> Expression:
        ours = {"$in": ["$$m", [name, before, since]]}
        rest = {"$filter": {"input": marks, "as": "m", "cond": {"$not": [ours]}}}
        return {"$concatArrays": [rest, {"$cond": [{"$in": [before, marks]}, [name], []]}]}

    # an image that the new run did not come to has the labels of before still
    others = keep(of.labels(), {"$not": [leaves]})
    stay = {"$cond": [{"$in": [since, marks]}, others, of.labels()]}
    labels: Expression = {"$concatArrays": [stay, removed.of_moment(of, moment)]}
    update = {
        field: marked_labels(of, labels, restored),
        "last_modified_at": now(),
    }
    if is_held:
        update[removed.removed_field(field)] = removed.all_but_moment(of, moment)
    which = {
        "$or": [
            {f"{field}.{MARK}": {"$in": [before, since]}}, removed.at_moment(of, moment)
        ],
        **removed.has_room(of, moment, leaves),
    }  # fmt: skip
    fields = [field, *([removed.removed_field(field)] if is_held else [])]

    def write(there: dict[str, Any]) -> None:
        samples_of(dataset).update_many({**which, **there}, [{"$set": update}])

    # first, so that a process that goes on with the new run notices
    save_run(dataset, run)
    write_checked(dataset, fields, which, write)
    removed.check_room(dataset, of, moment, leaves)
    change.close()
    removed.drop_empty(dataset, field)
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


def marked_labels(field: LabelField, labels: Any, marks: Callable[[Any], Any]) -> Expression:
    """The field of a document with other labels and other marks; a field of one label has its
    marks in that, and none where it has no label.

    Args:
        field: the field
        labels: the labels
        marks: makes the marks of those that were there
    """
    if field.type.items is not None:
        there = in_list(f"{field.name}.{MARK}")
        return {"$mergeObjects": [field.with_labels(labels), {MARK: marks(there)}]}
    there = {"$ifNull": [f"$$l.{MARK}", []]}
    return field.with_labels(each(labels, {"$mergeObjects": ["$$l", {MARK: marks(there)}]}))


def _approved(field: LabelField, name: str, mark: str) -> dict[str, Any]:
    """The filter of the images with a mark in which labels of a run are approved."""
    approved = {RUN_ATTRIBUTE: name, "tags": APPROVED_TAG}
    return {"$and": [{f"{field.name}.{MARK}": mark}, field.any_with(approved)]}
