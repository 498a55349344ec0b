"""What is known of labels from what was said of them: answers, and tags that were set anywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import fiftyone as fo
import numpy as np
from bson import ObjectId
from numpy.typing import NDArray

from ..dataset.documents import Ids, pack_ids
from ..dataset.states import BASKET_TAG, TAGS, state_of
from ..dataset.storage import LabelRoot, Storage, locate
from .verdicts import CORRECTED, REJECTING, SKIPPED, VERDICTS


@dataclass(frozen=True, eq=False)
class Known:
    """What is known of m labels, from answers and from tags.

    Attributes:
        sample_ids, ids: (m, 12) the labels
        wrong: (m,) whether each is wrong
        learned: (m,) whether ``wrong`` is known at all. Of one that was skipped it is not; nor of
            one that is flagged, or approved without an answer, as whole clusters and baskets are
        asking: (m,) labels that are flagged for a review, and not answered yet
        reviewed: how many have an answer in the queue, which a skip is not
    """

    sample_ids: Ids
    ids: Ids
    wrong: NDArray[np.bool_]
    learned: NDArray[np.bool_]
    asking: NDArray[np.bool_]
    reviewed: int


def read_known(dataset: fo.Dataset, field: str) -> Known:
    """Reads what is known of a field's labels: answers, and tags that were set anywhere."""
    storage = locate(dataset, field)
    root, listed = storage.label_root(storage.local(field))
    tags = [tag for tag in TAGS.values() if tag != BASKET_TAG]
    said = {
        "$or": [
            {f"{root}.tags": {"$in": tags}},
            {f"{root}.review": {"$in": list(VERDICTS)}},
        ]
    }
    one = "$$l" if listed else f"${root}"
    of_label: dict[str, Any] = {
        "i": f"{one}._id", "tags": f"{one}.tags", "review": f"{one}.review"
    }  # fmt: skip
    if listed:
        some = {
            "$or": [
                {
                    "$gt": [
                        {"$size": {"$setIntersection": [{"$ifNull": ["$$l.tags", []]}, tags]}},
                        0,
                    ]
                },
                {"$in": ["$$l.review", list(VERDICTS)]},
            ]
        }
        picked = {"$filter": {"input": f"${root}", "as": "l", "cond": some}}
        content: Any = {"$map": {"input": picked, "as": "l", "in": of_label}}
    else:
        content = [of_label]
    samples, ids, wrong, learned, asking, reviewed = [], [], [], [], [], 0
    for document in storage.documents.aggregate([{"$match": said}, {"$project": {"l": content}}]):
        for label in document["l"]:
            verdict, state = label.get("review"), state_of(label.get("tags"))
            skipped = verdict == SKIPPED
            asks = state == "flagged" and not skipped
            if not asks and not is_answered(label):
                continue
            samples.append(document["_id"])
            ids.append(label["i"])
            said_wrong = verdict in CORRECTED
            wrong.append(said_wrong or state == "rejected")
            learned.append(not skipped and not asks and (bool(verdict) or state != "approved"))
            asking.append(asks)
            reviewed += bool(verdict) and not asks and not skipped
    columns = [np.array(column, dtype=bool) for column in (wrong, learned, asking)]
    return Known(pack_ids(samples), pack_ids(ids), columns[0], columns[1], columns[2], reviewed)


def is_answered(label: Mapping[str, Any]) -> bool:
    """Whether a review does not ask about a label any more.

    Args:
        label: its ``tags`` and its ``review``
    """
    verdict, state = label.get("review"), state_of(label.get("tags"))
    if verdict == SKIPPED:
        return True
    if state in ("basket", "open"):  # somebody may have taken the tag of an answer away
        return verdict not in (None, *REJECTING)
    # one that is flagged asks for an answer, whatever was answered before
    return state != "flagged"


def read_documents(
    storage: Storage,
    path: LabelRoot,
    labels: list[tuple[str, str]],
    names: Sequence[str] = (),
) -> dict[tuple[str, str], dict[str, Any]]:
    """Reads some labels as the database has them now.

    Args:
        storage: where the labels are
        path: where they are in its documents
        labels: the ids of their samples, and their own
        names: the attributes that are wanted, by default all: of many labels some are read faster

    Returns:
        ``{(sample id, label id): document}`` of those that exist
    """
    root, listed = path
    shown = {f"{root}.{name}": 1 for name in ("_id", *names)} if names else {root: 1}
    wanted, ids = set(labels), {ObjectId(label_id) for _, label_id in labels}
    samples = list({ObjectId(sample_id) for sample_id, _ in labels})
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for document in storage.documents.find({"_id": {"$in": samples}}, shown):
        value: Any = document
        for name in root.split("."):
            value = (value or {}).get(name)
        for label in (value or []) if listed else [value] if value else []:
            if label.get("_id") not in ids:
                continue
            pair = str(document["_id"]), str(label["_id"])
            if pair in wanted:
                found[pair] = label
    return found
