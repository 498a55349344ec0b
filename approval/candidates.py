"""Which labels are to be approved: of a field, or of one auto labeling run in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import fiftyone as fo
import numpy as np
from numpy.typing import NDArray

from ..autolabel.runs import RUN_ATTRIBUTE
from ..core.checks import check_number
from ..core.errors import InvalidParameter, UnknownField
from ..dataset.documents import Ids, LabelIds, object_ids, pair_keys, read_labels, samples_of
from ..dataset.expressions import LEAST, Expression, confidence, is_state, keep
from ..dataset.label_fields import LabelField, label_field
from ..dataset.label_types import check_label_type, label_type_of, no_box
from ..dataset.patches import sample_id_path, whole_groups
from ..dataset.removed import is_ours
from ..dataset.storage import FRAMES, Storage, locate, storage_of


@dataclass(frozen=True)
class Candidates:
    """The labels of a field, of whatever source, or those of one run.

    Attributes:
        dataset: the dataset, or the storage of its frames
        field: a field of labels that are patches
        run: the name of an auto labeling run, None for all labels of the field
    """

    dataset: fo.Dataset
    field: str
    run: str | None = None

    @cached_property
    def of(self) -> LabelField:
        """The field, as the database is asked of it.

        Raises:
            FieldGone: if it is not there any more
        """
        return label_field(self.dataset, self.field)

    @property
    def root(self) -> str:
        """The path of the labels, or of the one label."""
        return self.of.root

    def labels(self) -> Any:
        """All labels of the field of a document, as a list."""
        return self.of.labels()

    @property
    def attributes(self) -> dict[str, Any]:
        """What tells them from the other labels of the field."""
        return {} if self.run is None else {RUN_ATTRIBUTE: self.run}

    def belongs(self) -> Expression:
        """Whether the label ``$$l`` is one of them."""
        is_there = self.of.type.is_there()
        if self.run is None:
            return is_there
        return {"$and": [{"$eq": [f"$$l.{RUN_ATTRIBUTE}", {"$literal": self.run}]}, is_there]}

    def any_with(self, which: dict[str, Any]) -> dict[str, Any]:
        """The filter of the documents where one of them matches."""
        return self.of.any_with({**which, **self.of.type.any_there(), **self.attributes})


@dataclass(frozen=True)
class Selection:
    """Some of the candidates.

    Attributes:
        confidence: lowest and highest, inclusive; None for no bound. Labels without a confidence
            are among them only where there is neither
        classes: their names, None among them for labels without one; None for all
        ids: (n, 12) none but these, None for all
    """

    confidence: tuple[float | None, float | None] = (None, None)
    classes: Sequence[str | None] | None = None
    ids: Ids | None = field(default=None, compare=False)

    def has(self) -> Expression:
        """Whether the label ``$$l`` is among them."""
        low, high = self.confidence
        for bound in self.confidence:
            if bound is not None:
                check_number("A confidence", bound)
        if low is not None and high is not None and low > high:
            raise InvalidParameter(
                f"The minimum confidence, {low:g}, is above the maximum, {high:g}: swap them."
            )
        conditions: list[Any] = []
        # null is less than every number, and so is NaN
        if low is not None or high is not None:
            least = LEAST if low is None else low
            conditions.append({"$gte": [confidence(), least]})
        if high is not None:
            conditions.append({"$lte": [confidence(), high]})
        if self.classes is not None:
            conditions.append(
                {"$in": [{"$ifNull": ["$$l.label", None]}, {"$literal": list(self.classes)}]}
            )
        if self.ids is not None:
            conditions.append({"$setIsSubset": [["$$l._id"], object_ids(self.ids)]})
        return {"$and": conditions}


def find_candidates(dataset: fo.Dataset, field: Any, run: str | None = None) -> Candidates:
    """Checks that labels of a field can be approved.

    Raises:
        UnknownField: if the field does not exist, or holds no labels that are patches
        InvalidParameter: if none of its labels has a box
    """
    storage = locate(dataset, field if isinstance(field, str) else None)
    storage.label_root(name := storage.local(field) if isinstance(field, str) else field)
    home: Any = storage if storage.frames else dataset
    check_label_type(home.get_field(name), name, list_candidate_fields(home))
    found = Candidates(home, name, run)
    _check_boxes(found)
    return found


def _check_boxes(candidates: Candidates) -> None:
    """Refuses labels none of which has a box, such as those in 3D: what of ground truth is the same
    object could not be told."""
    samples, of = samples_of(candidates.dataset), candidates.of

    def has(which: dict[str, Any]) -> bool:
        return samples.find_one(of.any_with(which), {"_id": 1}) is not None

    if not has(of.type.any_there()) and has({"_id": {"$exists": True}}):
        in_3d = any(has({name: {"$exists": True}}) for name in ("location", "points3d"))
        raise InvalidParameter(no_box(candidates.field, in_3d))


def list_candidate_fields(dataset: Any) -> list[str]:
    """Returns the names of the fields whose labels can be approved, those of frames too; those of
    what was removed are left out."""
    schema = dict(dataset.get_field_schema(ftype=fo.EmbeddedDocumentField))
    if not isinstance(dataset, Storage) and dataset._has_frame_fields():
        frames = dataset.get_frame_field_schema(ftype=fo.EmbeddedDocumentField)
        # one that both have is that of the samples, and that of the frames by its whole name
        frames = {FRAMES * (name in schema) + name: of for name, of in (frames or {}).items()}
        schema = {**frames, **schema}
    return [
        name
        for name, field in schema.items()
        if label_type_of(field) is not None and not is_ours(field)
    ]


def read_candidates(
    candidates: Candidates, selection: Selection, state: str, view: Any = None
) -> LabelIds:
    """Reads the candidates of a selection that are in a state, as the dataset has them now.

    Args:
        candidates: the candidates
        selection: which of them
        state: one of ``LOOP_STATES``
        view: only those that a view shows, a patches view too; None for all

    Returns:
        (n, 12) ids of the samples, (n, 12) ids of the labels
    """
    condition = {"$and": [candidates.belongs(), is_state(state), selection.has()]}
    text = {"$reduce": {"input": keep(candidates.labels(), condition), "initialValue": "",
                        "in": {"$concat": ["$$value", {"$toString": "$$this._id"}]}}}  # fmt: skip
    found = samples_of(candidates.dataset).aggregate(
        [{"$project": {"i": text}}, {"$match": {"i": {"$ne": ""}}}]
    )
    samples: list[bytes] = []
    digits: list[str] = []
    for document in found:
        digits.append(document["i"])
        samples += [document["_id"].binary] * (len(document["i"]) // 24)
    ids = np.frombuffer(bytes.fromhex("".join(digits)), np.uint8).reshape(-1, 12)
    sample_ids = np.frombuffer(b"".join(samples), np.uint8).reshape(-1, 12)
    if view is None or isinstance(view, fo.Dataset):
        return sample_ids, ids
    view = whole_groups(view)
    root, is_list = view_root(candidates, view)
    collection, sample_id = samples_of(view._dataset), f"_{sample_id_path(view)}"
    shown = read_labels(collection, view._pipeline(), root, not is_list, sample_id=sample_id)
    among = set(pair_keys(*shown[:2]))
    pairs = pair_keys(sample_ids, ids)
    within: NDArray[np.bool_] = np.fromiter((pair in among for pair in pairs), bool)
    return sample_ids[within], ids[within]


def view_root(candidates: Candidates, view: Any) -> tuple[str, bool]:
    """Returns the path of the candidates in a view, and whether they are in a list there.

    Raises:
        UnknownField: if it is a view of the patches of another field, or without this one
    """
    # samples and frames may both have a field of that name
    other = storage_of(view).frames != locate(candidates.dataset, None).frames
    if other or label_type_of(view.get_field(candidates.field)) is None:
        raise UnknownField(
            f"The current view has no labels of '{candidates.field}': close the view of patches, "
            "open that of the frames, or select the field in it."
        )
    root, is_list = view._get_label_field_root(candidates.field)
    return str(root), bool(is_list)
