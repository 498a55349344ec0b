"""How many labels a collection shows, and which classes and tags these have, in one pass each.

A form asks at every keystroke. FiftyOne's own ``count`` and ``distinct`` unwind whole labels, which
takes several times as long: nothing is remembered here, so that no number is ever an old one.
FiftyOne's internals that this module uses are the pipeline of a view; tried with fiftyone 1.22.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import fiftyone as fo
import fiftyone.core.media as fom

from .documents import samples_of
from .expressions import Expression, keep, label_list
from .label_fields import LabelField
from .storage import Storage, is_of_frames

_UNWIND: Expression = {"$unwind": "$v"}


def count_labels(
    samples: fo.core.collections.SampleCollection,
    field: str,
    condition: fo.ViewExpression | None = None,
) -> int:
    """Counts the labels of a field that a collection shows.

    Args:
        samples: a dataset or view, of videos too
        field: a field of labels, of frames too
        condition: of a label; None for all of them
    """
    labels = label_list(*samples._get_label_field_root(field))
    if condition is not None:
        labels = keep(labels, condition.to_mongo(prefix="$$l"))
    return _total(_documents(samples, field, _sum_of({"$size": labels})))


def count_where(
    dataset: fo.Dataset | Storage, field: LabelField, condition: Expression, among: Expression
) -> int:
    """Counts the labels of a field for which a condition holds, in the whole dataset.

    Args:
        dataset: the dataset, of which every slice counts, or the storage of its frames
        field: the field
        condition: what holds for the label ``$$l``
        among: a filter of the documents, which passes all that have such labels
    """
    number = {"$size": keep(field.labels(), condition)}
    return _total(samples_of(dataset).aggregate([{"$match": among}, *_sum_of(number)]))


def list_classes(samples: fo.core.collections.SampleCollection, field: str) -> list[str]:
    """Returns the classes of the labels of a field that a collection shows, sorted."""
    root, _ = samples._get_label_field_root(field)
    return _values(samples, field, f"{root}.label", [_UNWIND])


def list_tags(samples: fo.core.collections.SampleCollection, field: str) -> list[str]:
    """Returns the tags of the labels of a field that a collection shows, sorted."""
    path = f"{samples._get_label_field_root(field)[0]}.tags"
    # a list of labels has a list of tags each, and most samples have no label with a tag
    any_tag = {"$match": {path: {"$gt": ""}}}
    return [tag for tag in _values(samples, field, path, [_UNWIND, _UNWIND], any_tag) if tag]


def _values(
    samples: Any, field: str, path: str, unwind: list[Expression], *first: Expression
) -> list[str]:
    found: Iterable[Any]
    if _is_whole(samples) and not is_of_frames(samples, field):
        found = samples_of(samples).distinct(path)  # takes half of what a pipeline does
    else:
        project, group = {"$project": {"_id": 0, "v": f"${path}"}}, {"$group": {"_id": "$v"}}
        documents = _documents(samples, field, [*first, project, *unwind, group])
        found = (document["_id"] for document in documents)
    return sorted(str(value) for value in found if value is not None)


def _is_whole(samples: Any) -> bool:
    """Whether a collection shows all that is in its collection of the database."""
    return isinstance(samples, fo.Dataset) and samples.media_type != fom.GROUP


def _sum_of(number: Expression) -> list[Expression]:
    return [{"$project": {"_id": 0, "n": number}}, {"$group": {"_id": None, "n": {"$sum": "$n"}}}]


def _total(documents: Iterator[Any]) -> int:
    return sum(int(document["n"]) for document in documents)


def _documents(samples: Any, field: str, stages: list[Expression]) -> Iterator[Any]:
    """What stages make of the documents that a collection shows, one of each frame for those."""
    frames = is_of_frames(samples, field)
    first = [{"$unwind": "$frames"}] if frames else []
    pipeline = samples._pipeline(pipeline=[*first, *stages], attach_frames=frames)
    return iter(samples_of(samples._dataset).aggregate(pipeline))
