"""Approval: the basket becomes ground truth.

A label is copied into the field of ground truth and marked as approved where it came from by one
update of the document that holds both, which asks for the label's tags as they are at that moment.
So of two people who approve at once one gets each label, a process that dies leaves none halfway,
and a second click approves what is left.
"""

from __future__ import annotations

import secrets
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import fiftyone as fo
import fiftyone.core.odm as foo

from ..autolabel.replacing import MARK
from ..autolabel.runs import RUN_ATTRIBUTE, list_runs
from ..core.errors import FieldGone, InvalidParameter, LabelvetError
from ..core.sentences import agree, count
from ..core.user import current_user
from ..dataset import removed
from ..dataset.alone import alone
from ..dataset.changes import Change, begin, past_changes, undone_once, unique_moment
from ..dataset.documents import delete_field, now, samples_of
from ..dataset.expressions import Expression, each, is_state, keep, retagged, tags, without
from ..dataset.label_fields import LabelField, label_field
from ..dataset.removed import count_moment, is_at
from ..dataset.schema import (
    Attribute,
    check_attributes,
    check_fields,
    declare_attributes,
    declare_labels,
    ensure_fields,
    gone,
    is_owned,
)
from ..dataset.states import APPROVED_TAG, BASKET_TAG, NOT_APPROVED_TAG, TAKES_AWAY
from ..issues.attributes import ATTRIBUTES as ISSUES
from ..issues.attributes import OWNER as ISSUES_OWNER
from .candidates import Candidates
from .label_updates import update_labels
from .rounds import APPROVAL, APPROVED_AT, progress, settle_run
from .rules import IOU, RULES

_MOMENT = {APPROVED_AT: Attribute(fo.DateTimeField, "When it was approved")}
_PROVENANCE = {
    "approved_from": Attribute(fo.StringField, "Id of the label that was approved"),
    "approved_run": Attribute(fo.StringField, "Auto labeling run that it came from"),
    "approved_model": Attribute(fo.StringField, "Model that found it"),
    "approved_by": Attribute(fo.StringField, "Who approved it"),
    "approved_proof": Attribute(fo.StringField, "What was proven of the labels approved with it"),
    **_MOMENT,
}
# an approval of a million labels may take as long
_PATIENCE_SECONDS = 60.0
_LEFT_BEHIND = (RUN_ATTRIBUTE, MARK, APPROVED_AT)


@dataclass(frozen=True)
class Approved:
    """What an approval did.

    Attributes:
        approved: how many labels
        known: how many of them were in ground truth before, where the label there was kept
        twice: how many of them are of one object and class with a surer one of them, which alone
            came into ground truth
        replaced: how many labels of ground truth they replaced
        token: what :func:`labelvet.approval.undo.undo` takes
        sentence: about it
    """

    approved: int
    known: int
    twice: int
    replaced: int
    token: str
    sentence: str


def approve(
    candidates: Candidates,
    into: str,
    rule: str = "keep",
    *,
    iou: float = IOU,
    by: str | None = None,
    proof_sentence: str | None = None,
) -> Approved:
    """Makes ground truth of the labels in the basket, as they are now.

    All other candidates stay, with the tag ``not-approved``.

    Args:
        candidates: the candidates whose basket is approved
        into: a field of the type of the candidates, which is added if it does not exist
        rule: one of ``RULES``: what becomes of a label whose object is in ground truth already, see
            :meth:`labelvet.dataset.label_types.LabelType.is_known`
        iou: boxes that overlap as much are of one object, in (0, 1]
        by: who approves; by default the user of this process
        proof_sentence: what is proven of the basket, which stays with the round and the labels

    Raises:
        InvalidParameter: if the basket is empty, the field cannot be written, labels have
            attributes of another type than they get, the rule refuses or somebody else approves
            into that field, or undoes that, for longer than a minute; nothing was written then
    """
    dataset = candidates.dataset
    if rule not in RULES:
        raise InvalidParameter(f"The rule is one of: {', '.join(RULES)}.")
    if not 0 < iou <= 1:
        raise InvalidParameter(f"The IoU of one object is above 0 and at most 1, not {iou:g}.")
    with _alone(dataset, into):
        dataset.reload()
        _check_target(candidates, into)
        there, known = _counts(candidates, into, iou)
        if not there:
            raise InvalidParameter("The basket is empty: add labels for approval first.")
        if known and rule == "refuse":
            raise InvalidParameter(
                f"{count(known, 'label')} of {there:,} in the basket "
                f"{agree(known, 'is', 'are')} already in '{into}': nothing was approved. "
                "Remove them from the basket, or choose to keep or replace the existing labels."
            )
        _check_attributes(candidates, into)
        moment, by, before = unique_moment(dataset), by or current_user(), progress(candidates)
        with begin(
            dataset, APPROVAL, f"Labels approved into '{into}'.", by, expires=False,
            field=candidates.field, run=candidates.run, into=into, moment=moment, iou=iou,
            replaces=rule == "replace", made=dataset.get_field(into) is None,
            turned_down=before.flagged + before.rejected, proof=proof_sentence,
        ) as change:  # fmt: skip
            try:
                _prepare(candidates, into, rule)
            except LabelvetError:
                _unmake(change)
                change.drop()
                raise
            update = _update(candidates, _Terms(into, rule, iou, moment, by, proof_sentence))
            after = _after(candidates, _chosen(candidates), moment)
            update_labels(
                candidates, _concerned(candidates), update, candidates.belongs(), after,
                removing=into if rule == "replace" else None,
            )  # fmt: skip
            settle_run(candidates)
            done = _done(candidates, change, into, rule, known)
            change.say(done.sentence)
        return done


@undone_once
def undo_approval(change: Change) -> str:
    """Puts what was approved back into the basket, and takes it out of ground truth, where what
    was relabeled or redrawn since stays.

    Returns:
        a sentence about it

    Raises:
        InvalidParameter: if a later approval counts on it: kept its labels, or replaced them; or
            if labels are being approved into that field for longer than a minute
        FieldGone: if a field is not there any more
    """
    # an approval that began now could count on it
    with _alone(change.dataset, change.what["into"]):
        return _undo(change)


def _undo(change: Change) -> str:
    dataset, what = change.dataset, change.what
    dataset.reload()
    check_fields(dataset, [what["field"]])
    candidates = Candidates(dataset, what["field"], what["run"])
    into, moment = what["into"], what["moment"]
    number = count_moment(dataset, candidates.of, APPROVED_AT, moment)
    if not number and what["made"] and dataset.get_field(into) is None:
        # it was cut off before its field was made, or its undo after that was deleted
        settle_run(candidates)
        change.close()
        return _went_back(number, into)
    check_fields(dataset, [into])
    truth = label_field(dataset, into)
    if truth.type != candidates.of.type:  # another field has its name now
        raise FieldGone(gone(into))
    _check_later(change)
    ours = is_at(APPROVED_AT, moment)
    last = not _is_another(candidates, moment)
    back = retagged([APPROVED_TAG], [BASKET_TAG] if last else [BASKET_TAG, NOT_APPROVED_TAG])
    rest = retagged([NOT_APPROVED_TAG], []) if last else "$$l"
    before = {"$cond": [ours, without(back, APPROVED_AT), rest]}
    belongs = candidates.belongs()
    labels = each(candidates.labels(), {"$cond": [belongs, before, "$$l"]})
    leaves, originals = _is_copy(truth, ours), {"vars": {"originals": _contents(candidates)}}
    there: Any = keep(truth.labels(), {"$not": [leaves]})
    either: list[dict[str, Any]] = [
        {f"{candidates.root}.{APPROVED_AT}": moment},
        {f"{truth.root}.{APPROVED_AT}": moment},
    ]
    which: dict[str, Any] = {"$or": either}
    if last:
        either.append({f"{candidates.root}.tags": NOT_APPROVED_TAG})
    update: dict[str, Any] = {
        candidates.field: candidates.of.where_there(labels),
        "last_modified_at": now(),
    }
    is_held = what["replaces"] and removed.exists(dataset, into)
    leaving: Expression = {"$let": {**originals, "in": leaves}}
    if is_held:
        removed.check_room(dataset, truth, moment, leaving)
        which |= removed.has_room(truth, moment, leaving)
        there = {"$concatArrays": [there, removed.of_moment(truth, moment)]}
        update[removed.removed_field(into)] = removed.all_but_moment(truth, moment)
        either.append(removed.at_moment(truth, moment))
    update[into] = {"$let": {**originals, "in": truth.where_there(there)}}
    update_labels(candidates, which, update, belongs, before)
    if is_held:
        removed.check_room(dataset, truth, moment, leaving)
    edited = count_moment(dataset, truth, APPROVED_AT, moment)
    if what["replaces"]:
        removed.drop_empty(dataset, into, moment)
    _unmake(change)
    settle_run(candidates)
    change.close()
    return _went_back(number, into, edited)


def _went_back(number: int, into: str, edited: int = 0) -> str:
    sentence = f"{count(number, 'label')} went back from '{into}' into the basket."
    if edited:
        differ = agree(edited, "is no longer like what was approved, and stays", "are no longer "
                       "like what was approved, and stay")  # fmt: skip
        sentence += f" {count(edited, 'label')} there {differ}."
    return sentence


def _unmake(change: Change) -> None:
    """Deletes the field of ground truth that an approval made, unless somebody uses it: it holds
    labels, or another approval into it can be undone yet."""
    dataset, into = change.dataset, change.what["into"]
    if not change.what["made"] or dataset.get_field(into) is None:
        return
    there = label_field(dataset, into).any()
    if samples_of(dataset).find_one(there, {"_id": 1}) is None and not any(
        one.what["into"] == into and one.token != change.token and not one.closed
        for one in past_changes(dataset, (APPROVAL,))
    ):
        delete_field(dataset, into)


def _alone(dataset: Any, into: str) -> AbstractContextManager[None]:
    """Lets one at a time approve into a field of ground truth, or undo that."""
    refusal = (
        f"Labels are being approved into '{into}', or that is undone: try again once it ended."
    )
    return alone(dataset, f"approve into {into}", refusal, _PATIENCE_SECONDS)


def _check_later(change: Change) -> None:
    """Refuses to undo an approval that a later one counts on, as that would be left halfway."""
    dataset, into, moment = change.dataset, change.what["into"], change.what["moment"]
    samples, truth = samples_of(dataset), label_field(dataset, into)
    known = truth.type.is_known
    for later in past_changes(dataset, (APPROVAL,)):
        what = later.what
        elsewhere = what["into"] != into or what.get("frames") != change.what.get("frames")
        if elsewhere or what["moment"] <= moment:
            continue
        replaced = {APPROVED_AT: moment, removed.REMOVED_AT: what["moment"]}
        if samples.find_one(removed.held(truth).any_with(replaced), {"_id": 1}):
            raise InvalidParameter(_later(later, "replaced"))
        source = LabelField(what["field"], truth.type)
        mine, iou, all_there = is_at(APPROVED_AT, moment), what["iou"], truth.labels()
        of_this, others = keep(all_there, mine), keep(all_there, {"$not": [mine]})
        # labels of a field that was cloned have the ids of those that they were cloned from
        copies = each(keep(all_there, is_at(APPROVED_AT, what["moment"])), "$$l.approved_from")
        copied = {"$in": [{"$toString": "$$l._id"}, copies]}
        kept = {"$and": [is_at(APPROVED_AT, what["moment"]), {"$not": [copied]}]}
        uncovered = {"$and": [known(of_this, iou), {"$not": [known(others, iou)]}]}
        counts_on = keep(keep(source.labels(), kept), uncovered)
        which = {
            f"{truth.root}.{APPROVED_AT}": moment,
            f"{source.root}.{APPROVED_AT}": what["moment"],
            "$expr": {"$gt": [{"$size": counts_on}, 0]},
        }
        if samples.find_one(which, {"_id": 1}):
            raise InvalidParameter(_later(later, "kept"))


def _later(later: Change, did: str) -> str:
    when = f"{later.at:%Y-%m-%d %H:%M} UTC"
    return f"The approval of {when} by {later.by} {did} labels of this one: " + (
        "it is finished, so both stay." if later.closed else "undo that first."
    )


def _is_copy(truth: LabelField, ours: Expression) -> Expression:
    """Whether the label ``$$l`` of ground truth is of an approval, and as it was then."""
    content = [f"$$l.{name}" for name in truth.type.content]
    return {"$and": [ours, {"$in": [["$$l.approved_from", *content], "$$originals"]}]}


def _contents(candidates: Candidates) -> Expression:
    """The id and the content of each candidate of a document."""
    content = [f"$$l.{name}" for name in candidates.of.type.content]
    return each(candidates.labels(), [{"$toString": "$$l._id"}, *content])


def _check_target(candidates: Candidates, into: Any) -> None:
    dataset = candidates.dataset
    if not isinstance(into, str) or not into.isidentifier() or into.startswith("_"):
        raise InvalidParameter(
            f"'{into}' is not a valid field name: use letters, digits and underscores, for example "
            "'ground_truth'."
        )
    if into == candidates.field:
        raise InvalidParameter(
            f"'{into}' is the field that is reviewed: choose another one for ground truth."
        )
    field = dataset.get_field(into)
    wanted = candidates.of.type.document
    if field is not None and getattr(field, "document_type", None) is not wanted:
        kind = getattr(field, "document_type", None) or type(field)
        raise InvalidParameter(
            f"'{into}' is a field of {kind.__name__}, and ground truth goes into "
            f"{wanted.__name__}: choose another field."
        )
    for name in (into, candidates.field):
        if getattr(dataset.get_field(name), "read_only", False):
            raise InvalidParameter(
                f"The field '{name}' is read-only: make it writable in the dataset first."
            )
    if removed.is_ours(field):
        raise InvalidParameter(f"'{into}' holds removed labels: choose another field.")


def _check_attributes(candidates: Candidates, into: str) -> None:
    """Checks that the labels and ground truth can have the attributes that each gets."""
    dataset, root = candidates.dataset, LabelField(into, candidates.of.type).root
    check_attributes(dataset, candidates.root, _MOMENT, None)
    if dataset.get_field(into) is not None:
        check_attributes(dataset, root, {**_copied(dataset, candidates.root), **_PROVENANCE}, None)
        # a label keeps what it has without a field in the schema
        check_attributes(dataset, candidates.root, _copied(dataset, root), None)


def _copied(dataset: Any, root: str) -> dict[str, Attribute]:
    """The attributes of labels that an approval copies."""
    return {
        name: Attribute(type(field), field.description or "")
        for name, field in _copied_fields(dataset, root).items()
        if "." not in name
    }


def _copied_fields(dataset: Any, root: str) -> dict[str, fo.Field]:
    """The fields of labels that an approval copies, and what is nested in them, by their paths in a
    label: all but those that it gives them."""
    start, schema = f"{root}.", dataset.get_field_schema(flat=True)
    names = {path.removeprefix(start): path for path in schema if path.startswith(start)}
    stay = {*_left_behind(dataset, root), *_PROVENANCE}
    return {name: schema[path] for name, path in names.items() if name.split(".")[0] not in stay}


def _left_behind(dataset: Any, root: str) -> list[str]:
    """The attributes of labels that an approval does not copy; one of a person's own that is called
    as an issue's is not among them."""
    fields = {name: dataset.get_field(f"{root}.{name}") for name in ISSUES}
    issues = [name for name, of in fields.items() if of is None or is_owned(of, ISSUES_OWNER)]
    return [*_LEFT_BEHIND, *issues]


def _counts(candidates: Candidates, into: str, iou: float) -> tuple[int, int]:
    """How many labels are to be approved, and how many of them are in ground truth already."""
    truth = LabelField(into, candidates.of.type)
    basket = keep(candidates.labels(), _chosen(candidates))
    known = keep("$_basket", truth.type.is_known(truth.labels(), iou))
    group = {
        "_id": None,
        "there": {"$sum": {"$size": "$_basket"}},
        "known": {"$sum": {"$size": known}},
    }
    pipeline: list[dict[str, Any]] = [
        {"$match": {f"{candidates.root}.tags": BASKET_TAG}},
        # no field of labels has a name that begins with an underscore
        {"$project": {"_basket": basket, into: 1}},
        {"$group": group},
    ]
    found = next(iter(samples_of(candidates.dataset).aggregate(pipeline)), None)
    return (found["there"], found["known"]) if found else (0, 0)


def count_twice(candidates: Candidates, iou: float = IOU) -> int:
    """How many labels in the basket are of one object and class with a surer one there, which alone
    enters ground truth."""
    basket = keep(candidates.labels(), _chosen(candidates))
    enter = {"$size": candidates.of.type.surest("$b", iou)}
    pipeline: list[dict[str, Any]] = [
        {"$match": {f"{candidates.root}.tags": BASKET_TAG}},
        {"$project": {"_id": 0, "b": basket}},
        {"$group": {"_id": None, "n": {"$sum": {"$subtract": [{"$size": "$b"}, enter]}}}},
    ]
    found = next(iter(samples_of(candidates.dataset).aggregate(pipeline)), {"n": 0})
    return int(found["n"])


def _chosen(candidates: Candidates) -> Expression:
    return {"$and": [candidates.belongs(), is_state("basket")]}


def _concerned(candidates: Candidates) -> dict[str, Any]:
    """The filter of the documents that an approval changes."""
    left = candidates.any_with({"tags": {"$nin": [APPROVED_TAG, NOT_APPROVED_TAG]}})
    return {"$or": [{f"{candidates.root}.tags": BASKET_TAG}, left]}


def _after(candidates: Candidates, moves: Expression, moment: datetime) -> Expression:
    """What a label ``$$l`` is after an approval: approved if it moves, else marked."""
    left = {"$not": [{"$or": [is_state("approved"), {"$in": [NOT_APPROVED_TAG, tags()]}]}]}
    approved = retagged(TAKES_AWAY[APPROVED_TAG], [APPROVED_TAG])
    branches = [
        {"case": moves, "then": {"$mergeObjects": [approved, {APPROVED_AT: moment}]}},
        {"case": {"$and": [candidates.belongs(), left]}, "then": retagged([], [NOT_APPROVED_TAG])},
    ]
    return {"$switch": {"branches": branches, "default": "$$l"}}


def _is_another(candidates: Candidates, moment: datetime) -> bool:
    """Whether candidates were approved at another moment, too."""
    which = candidates.any_with({APPROVED_AT: {"$type": "date", "$ne": moment}})
    return samples_of(candidates.dataset).find_one(which, {"_id": 1}) is not None


def _prepare(candidates: Candidates, into: str, rule: str) -> None:
    """Makes the field of ground truth, with the attributes of the labels and of their approval, and
    the one for what it replaces."""
    dataset = candidates.dataset
    declare_labels(dataset, into, candidates.of.type.document)
    root = LabelField(into, candidates.of.type).root
    copied = _copied_fields(dataset, candidates.root)
    ensure_fields(dataset, {f"{root}.{name}": _kwargs(field) for name, field in copied.items()})
    declare_attributes(dataset, root, _PROVENANCE)
    declare_attributes(dataset, candidates.root, _MOMENT)
    if rule == "replace":
        removed.prepare(dataset, into)


def _kwargs(field: fo.Field) -> dict[str, Any]:
    kwargs: dict[str, Any] = foo.get_field_kwargs(field)
    kwargs.pop("read_only", None)
    return kwargs


@dataclass(frozen=True)
class _Terms:
    """How a basket becomes ground truth, see :func:`approve`, and when."""

    into: str
    rule: str
    iou: float
    moment: datetime
    by: str
    proof_sentence: str | None


def _update(candidates: Candidates, terms: _Terms) -> dict[str, Any]:
    """What an approval sets in a document."""
    into, rule, iou, moment = terms.into, terms.rule, terms.iou, terms.moment
    truth, labels = LabelField(into, candidates.of.type), candidates.labels()
    fresh = {"$not": [truth.type.is_known(truth.labels(), iou)]}
    chosen = _chosen(candidates)
    moves = {"$and": [chosen, fresh]} if rule == "refuse" else chosen
    arrives = chosen if rule == "replace" else {"$and": [chosen, fresh]}
    new = each("$$surest", _as_truth(candidates, terms))
    update: dict[str, Any] = {
        candidates.field: candidates.of.where_there(
            each(labels, _after(candidates, moves, moment))
        ),
        "last_modified_at": now(),
    }
    stays = truth.labels()
    if rule == "replace":
        # of ground truth, $$l is what $$g is of the basket
        out = truth.type.is_known(keep(labels, chosen), iou)
        stays = keep(truth.labels(), {"$not": [out]})
        goes = keep(truth.labels(), out)
        update[removed.removed_field(into)] = removed.kept(truth, goes, moment)
    enter = truth.where_there({"$concatArrays": [stays, "$$new"]})
    for name, value in (("new", new), ("surest", truth.type.surest(keep(labels, arrives), iou))):
        enter = {"$let": {"vars": {name: value}, "in": enter}}
    update[into] = enter
    return update


def _as_truth(candidates: Candidates, terms: _Terms) -> Expression:
    """The label ``$$l`` as one of ground truth, with an id of its own and where it came from."""
    # the last sixteen digits of an ObjectId tell it from all others of other seconds
    digits = {"$substrBytes": [{"$toString": "$$l._id"}, 8, 16]}
    run = {"$ifNull": [f"$$l.{RUN_ATTRIBUTE}", None]}
    models = [
        {"case": {"$eq": [run, {"$literal": one.name}]}, "then": {"$literal": one.model}}
        for one in list_runs(candidates.dataset)
    ]
    provenance: dict[str, Any] = {
        "_id": {"$toObjectId": {"$concat": [secrets.token_hex(4), digits]}},
        "tags": [],
        "approved_from": {"$toString": "$$l._id"},
        "approved_run": run,
        "approved_model": {"$switch": {"branches": models, "default": None}} if models else None,
        "approved_by": {"$literal": terms.by},
        APPROVED_AT: terms.moment,
    }
    if terms.proof_sentence is not None:
        provenance["approved_proof"] = {"$literal": terms.proof_sentence}
    left = _left_behind(candidates.dataset, candidates.root)
    return {"$mergeObjects": [without("$$l", *left), provenance]}


def _done(candidates: Candidates, change: Change, into: str, rule: str, known: int) -> Approved:
    dataset, moment = candidates.dataset, change.what["moment"]
    truth = LabelField(into, candidates.of.type)
    approved = count_moment(dataset, candidates.of, APPROVED_AT, moment)
    arrived = count_moment(dataset, truth, APPROVED_AT, moment)
    known = 0 if rule == "replace" else min(known, approved - arrived)
    twice = approved - arrived - known
    replaced = 0
    sentences = [f"{count(approved, 'label')} approved into '{into}'"]
    if rule == "replace":
        replaced = removed.count_at(dataset, into, moment)
        removed.drop_empty(dataset, into, moment)
        if replaced:
            sentences.append(f"{count(replaced, 'label')} there replaced")
    elif known:
        stayed = agree(
            known, "was there already and stayed as it is",
            "were there already and stayed as they are",
        )  # fmt: skip
        sentences.append(f"{known:,} of them {stayed}")
    if twice:
        sentences.append(
            f"{twice:,} of them {agree(twice, 'is', 'are')} of the same object and class as a "
            "surer one, which alone was added"
        )
    return Approved(approved, known, twice, replaced, change.token, "; ".join(sentences) + ".")
