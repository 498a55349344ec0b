"""Approve to a target: the basket becomes the largest set of labels that is proven to meet it."""

from __future__ import annotations

import hashlib
from itertools import chain

import fiftyone as fo
import numpy as np

from ..approval.basket import Chosen, replace_basket
from ..approval.candidates import Candidates, Selection, find_candidates, read_candidates
from ..core.errors import InvalidParameter
from ..core.sentences import count
from ..dataset.documents import Ids, pair_keys
from ..dataset.storage import locate
from .audits import Audit, keep_basket, kept_basket
from .results import AuditResult, read_judged, read_result

METHOD = "fixed sequence of sets, betting e-values"
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
    size = result.proof.size
    judged = read_judged(dataset, audit)
    inside = set(pair_keys(audit.sample_ids[:size], audit.ids[:size]))
    opened, basket = (
        read_candidates(candidates, Selection(), state) for state in ("open", "basket")
    )
    samples, ids = (np.concatenate(both) for both in zip(opened, basket, strict=True))
    member = [key in inside and key not in judged.edited for key in pair_keys(samples, ids)]
    samples, ids = samples[member], ids[member]
    # so many of the set may be wrong, and those that were found are out, or right by now
    wrong = int((1 - audit.target) * size + 1e-9) - len(judged.wrong & inside)
    if wrong > (1 - audit.target) * len(ids) + 1e-9:
        gone = size - len(ids)
        raise InvalidParameter(
            f"{count(gone, 'label')} of the proven set {'was' if gone == 1 else 'were'} changed, "
            "flagged, approved or deleted since: the proof does not hold for the rest. Start a "
            "new target."
        )
    done = replace_basket(candidates, samples, ids)
    sentence = describe(audit, result, len(ids))
    keep_basket(dataset, audit, _digest(samples, ids), sentence)
    return Chosen(done.changed, done.token, sentence)


def describe(audit: Audit, result: AuditResult, labels: int) -> str:
    """Returns the sentence that stays with the labels: what was proven, how, by whom and when."""
    who = " and ".join(sorted(result.reviewers)) or audit.by
    return (
        f"At least {100 * (audit.target or 0):g}% of these {count(labels, 'label')} are right, "
        f"with {audit.confidence:.0%} confidence: {count(result.answers, 'answer')} by {who} on a "
        f"random sample begun {audit.at:%Y-%m-%d} ({METHOD})."
    )


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
