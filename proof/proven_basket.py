"""Approve to a target: the basket becomes the largest set of labels that is proven to meet it."""

from __future__ import annotations

import hashlib
from itertools import chain

import fiftyone as fo
import numpy as np

from ..approval.approve import approve
from ..approval.basket import Chosen, replace_basket
from ..approval.candidates import Candidates, Selection, find_candidates, read_candidates
from ..core.errors import InvalidParameter
from ..core.sentences import agree, count
from ..dataset.documents import Ids, pair_keys
from ..dataset.storage import locate
from .audits import (
    DEFAULT_CONFIDENCE,
    Audit,
    begin_audit,
    current_target,
    judged_run,
    keep_basket,
    kept_basket,
)
from .reading import read_judged
from .results import AuditResult, read_result, sureness

METHOD = "nested sets, betting e-values"
_REVIEW = "Answer in the review of Label embeddings (q, then a), and approve again."
VOID = "The basket has changed since it was proven, so the proof no longer holds."


def fill_basket(dataset: fo.Dataset, audit: Audit | None) -> Chosen:
    """Makes the basket the set that is proven to meet the target of an audit.

    What was found wrong is rejected and stays out, or has another class by now and is right.

    Raises:
        InvalidParameter: if it is none, or has no target, if nothing is proven yet, or so many
            labels of the set changed since that the proof does not hold for the rest
    """
    if audit is None or audit.target is None:
        raise InvalidParameter("Set a target first, then answer its questions in the review.")
    result = read_result(dataset, audit)
    if result.proof is None or not result.proof.size:
        raise InvalidParameter(result.sentence)
    candidates = find_candidates(dataset, audit.field, audit.run)
    judged = read_judged(dataset, audit)
    proven = _proven(audit, result)
    inside = set(chain(*(part for part, _ in proven)))
    opened, basket = (
        read_candidates(candidates, Selection(), state) for state in ("open", "basket")
    )
    samples, ids = (np.concatenate(both) for both in zip(opened, basket, strict=True))
    member = [key in inside and key not in judged.edited for key in pair_keys(samples, ids)]
    samples, ids = samples[member], ids[member]
    left = set(pair_keys(samples, ids))
    for part, most in proven:
        # so many of the set may be wrong, and those that were found are out, or right by now
        wrong = most - len(judged.wrong & part)
        if wrong > (1 - audit.target) * len(left & part) + 1e-9:
            gone = len(part) - len(left & part)
            raise InvalidParameter(
                f"{count(gone, 'label')} of the proven set {agree(gone, 'was', 'were')} "
                "changed, flagged, approved or deleted since: the proof does not hold for the "
                "rest. Start a new target."
            )
    done = replace_basket(candidates, samples, ids)
    sentence = describe(audit, result, len(ids))
    keep_basket(dataset, audit, _digest(samples, ids), sentence)
    return Chosen(done.changed, done.token, sentence)


def approve_to_target(
    dataset: fo.Dataset,
    field: str,
    into: str,
    rule: str = "keep",
    *,
    target: float,
    confidence: float = DEFAULT_CONFIDENCE,
    per_class: bool = False,
) -> str:
    """Approves the labels of a field that are proven to meet a target, or says what is missing.

    Where no target goes on one begins: its answers are given in the review.

    Args:
        dataset: the dataset
        field: of the labels
        into, rule: as for :func:`labelvet.approval.approve.approve`
        target, confidence, per_class: as for :func:`labelvet.proof.audits.begin_audit`

    Returns:
        what was done, or what is to be done first

    Raises:
        UnknownRun: if label issues were not looked for yet
        InvalidParameter: if another target goes on, or an argument cannot be used
    """
    audit = current_target(dataset, field, None)
    if audit is None:
        key = judged_run(dataset, field)
        audit = begin_audit(dataset, key, confidence, target=target, per_class=per_class)
    if (audit.target, audit.confidence, audit.per_class) != (target, confidence, per_class):
        each = " in each class" if audit.per_class else ""
        raise InvalidParameter(
            f"Another target goes on: {100 * (audit.target or 0):g}%{each}, with "
            f"{sureness(audit.confidence)} confidence. Ask for that one, or begin this one in Auto "
            "Labeling."
        )
    result = read_result(dataset, audit)
    if result.proof is None or not result.proof.size:
        return "\n".join([result.sentence, *result.notes, _REVIEW])
    filled = fill_basket(dataset, audit)
    done = approve(find_candidates(dataset, field), into, rule, proof_sentence=filled.sentence)
    return "\n".join([done.sentence, filled.sentence, *result.notes])


def describe(audit: Audit, result: AuditResult, labels: int) -> str:
    """Returns the sentence that stays with the labels: what was proven, how, by whom and when."""
    who = " and ".join(sorted(result.reviewers)) or audit.by
    proven = sum(one.proof.size > 0 for one in result.parts)
    classes = f" in each of {count(proven, 'class', 'classes')}" if proven else ""
    sure = f"{sureness(audit.confidence)} confidence{' for all of them at once' if proven else ''}"
    return (
        f"At least {100 * (audit.target or 0):g}% of these {count(labels, 'label')} are right"
        f"{classes}, with {sure}: {count(result.answers, 'answer')} by {who} on a "
        f"random sample begun {audit.at:%Y-%m-%d} ({METHOD})."
    )


def _proven(audit: Audit, result: AuditResult) -> list[tuple[set[tuple[bytes, bytes]], int]]:
    """Returns the keys of the labels of each proven set, and how many of them may be wrong."""
    proofs = [one.proof for one in result.parts] or [result.proof] if result.proof else []
    found = []
    for part, proof in zip(audit.parts, proofs, strict=True):
        rows = part.rows[: proof.size]
        found.append((set(pair_keys(audit.sample_ids[rows], audit.ids[rows])), proof.most))
    return found


def proof_of_basket(candidates: Candidates) -> tuple[str | None, bool]:
    """Returns the sentence of the proof of the basket as it was filled, None for none, and whether
    it still holds: a basket that was changed by hand is not what was proven."""
    dataset = candidates.dataset
    kept = kept_basket(getattr(dataset, "dataset", dataset), field_of(candidates), candidates.run)
    if kept is None:
        return None, False
    samples, ids = read_candidates(candidates, Selection(), "basket")
    if not len(ids):
        return None, False
    return kept["sentence"], _digest(samples, ids) == kept["digest"]


def field_of(candidates: Candidates) -> str:
    """Returns what the dataset calls the field of some candidates."""
    return locate(candidates.dataset, None).path(candidates.field)


def _digest(sample_ids: Ids, ids: Ids) -> str:
    return hashlib.sha256(b"".join(chain(*sorted(pair_keys(sample_ids, ids))))).hexdigest()
