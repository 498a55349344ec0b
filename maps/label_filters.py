"""Which rows of a map pass the filters of their labels, without asking the database again.

The sidebar's filters of a label's class or confidence are what a map is used with most: its legend
and its slider set them. FiftyOne makes view stages of them, and MongoDB evaluates those for every
label of the dataset; here an attribute is read once, and a filter is a comparison of a column.
Which samples a view begins with is asked once, for all filters on top of it. What is not surely the
same is left to MongoDB. Tried with fiftyone 1.22.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import bson
import fiftyone as fo
import fiftyone.core.media as fom
import numpy as np
from numpy.typing import NDArray

from ..dataset.documents import byte_keys, read_labels, revision, samples_of
from ..dataset.memory import Memory
from .columns import only_shown
from .map import Map

Mask = NDArray[np.bool_]

_KEPT_BYTES, _KEPT_BYTES_OF_VIEWS = 64 * 2**20, 32 * 2**20

# the stages that choose samples and leave the labels of those alone
_CHOOSE = (
    fo.Exclude,
    fo.ExcludeBy,
    fo.Exists,
    fo.Limit,
    fo.Match,
    fo.MatchTags,
    fo.Select,
    fo.SelectBy,
    fo.Skip,
    fo.SortBy,
)
_LABEL = "$$this."
_ORDERS = ("$gte", "$gt", "$lte", "$lt")
_SAME = ("$eq", "$ne", "$in")

# whole numbers up to here are the same as floats
_EXACT = 2**53


class _NotHere(Exception):
    """Only the database can say."""


@dataclass(frozen=True, eq=False)
class _Values:
    """An attribute of n labels, either numbers or text.

    Attributes:
        there: (n,) whether the label exists
        has: (n,) whether it has a value
        numbers: (n,) float64, NaN for none; None for text
        codes: (n,) int32, -1 for none; None for numbers
        names: the text of each code
    """

    there: Mask
    has: Mask
    numbers: NDArray[np.float64] | None
    codes: NDArray[np.int32] | None
    names: tuple[str, ...] = ()

    @property
    def nbytes(self) -> int:
        """What it takes in memory, about."""
        column = self.numbers if self.codes is None else self.codes
        assert column is not None
        return 2 * len(self.there) + column.nbytes + sum(map(len, self.names))

    def among(self, values: list[Any]) -> Mask:
        """(n,) whether each is one of some values, none of which is none."""
        if self.codes is not None:
            if not all(isinstance(value, str) for value in values):
                raise _NotHere
            wanted = set(values)
            passes = np.array([name in wanted for name in self.names] + [False])
            return np.asarray(passes[self.codes])
        if not all(map(_is_number, values)):
            raise _NotHere
        assert self.numbers is not None
        found = np.isin(self.numbers, [value for value in values if value == value])
        if any(value != value for value in values):
            found |= self.has & np.isnan(self.numbers)
        return np.asarray(found)

    def compare(self, how: str, value: Any) -> Mask:
        """(n,) how each compares with a value, as MongoDB orders them: none, NaN, numbers."""
        if how == "$gt" and value is None:
            return self.has
        if how in ("$eq", "$ne"):
            return self.among([value]) if how == "$eq" else ~self.among([value])
        if self.numbers is None or not _is_number(value) or value != value:
            raise _NotHere
        if how == "$gte":
            return np.asarray(self.numbers >= value)
        if how == "$gt":
            return np.asarray(self.numbers > value)
        if how == "$lte":
            return ~np.asarray(self.numbers > value)
        return ~np.asarray(self.numbers >= value)


_kept: Memory[_Values | None] = Memory(_KEPT_BYTES, lambda one: 64 if one is None else one.nbytes)
_chosen: Memory[Mask] = Memory(_KEPT_BYTES_OF_VIEWS, lambda mask: mask.nbytes)


def filtered_rows(shown: Map, view: Any) -> Mask | None:
    """Finds the rows of a map whose labels a view shows, if all that it does is to choose samples
    and to filter their labels.

    Args:
        shown: the map
        view: a view of the map's dataset

    Returns:
        (n,) bool, or None where the database has to be asked
    """
    field, dataset = shown.info.patches_field, view._dataset
    of_samples = not shown.info.frames and dataset is view._root_dataset
    if field is None or not of_samples or dataset.media_type != fom.IMAGE:
        return None
    root, is_list = view._get_label_field_root(field)
    if not is_list:
        return None
    stages = view._all_stages
    filters = next((n for n, one in enumerate(stages) if isinstance(one, fo.FilterLabels)), None)
    if filters is None or not all(isinstance(stage, _CHOOSE) for stage in stages[:filters]):
        return None
    collection = samples_of(dataset)
    rows = _Rows(shown, collection, root, revision(collection))
    first = max((n for n in range(filters) if not isinstance(stages[n], fo.Match)), default=-1) + 1
    for begins in range(first, filters + 1):  # matches of the samples may come before ours
        with suppress(_NotHere):
            passing = rows.passing(stages[begins:], field)
            return passing & rows.chosen(dataset, stages[:begins]) if begins else passing
    return None


class _Rows:
    """The rows of a map, of labels that are all as they were at a revision of their collection."""

    def __init__(self, shown: Map, collection: Any, root: str, seen: tuple[Any, ...]) -> None:
        self._shown, self._collection, self._root, self._seen = shown, collection, root, seen

    def passing(self, stages: list[fo.ViewStage], field: str) -> Mask:
        """(n,) the rows that pass some stages of a view."""
        rows: Mask = np.ones(len(self._shown), dtype=bool)
        needed: list[Mask] = []
        for stage in stages:
            asked = dict(stage._kwargs())
            if isinstance(stage, fo.FilterLabels) and asked["field"] == field:
                rows &= self._of(asked["filter"])
            elif isinstance(stage, fo.Match):
                needed += self._matching(asked["filter"])
            else:
                raise _NotHere
        # an image is matched by any of its labels: surely, if it is by every label that is shown
        if any((rows & ~one).any() for one in needed):
            raise _NotHere
        return rows

    def chosen(self, dataset: fo.Dataset, stages: list[fo.ViewStage]) -> Mask:
        """(n,) the rows of the samples that some stages choose."""
        view = dataset.view()
        for stage in stages:
            view = view.add_stage(stage)
        pipeline, shown = view._pipeline(), self._shown
        asked = hashlib.sha1(bson.encode({"": [pipeline, list(self._seen)]})).digest()

        def find() -> Mask:
            found = self._collection.aggregate([*pipeline, {"$project": {"_id": 1}}])
            samples = {sample["_id"].binary for sample in found}
            of_sample = np.array([id_ in samples for id_ in byte_keys(shown.samples)], bool)
            return np.asarray(of_sample[shown.sample_index])

        return _chosen.get((*shown.kept_as, asked), find)

    def _of(self, expression: Any) -> Mask:
        """(n,) the labels for which an aggregation expression is true, of those that exist."""
        how, asked = _only(expression)
        if how in ("$and", "$or"):
            parts = [self._of(part) for part in asked]
            join = np.logical_and if how == "$and" else np.logical_or
            return np.asarray(join.reduce(parts))
        if how == "$not":
            (inner,) = asked if isinstance(asked, list) else [asked]
            passes = self._of(inner)
            return ~passes & self._there()
        if not isinstance(asked, list) or len(asked) != 2 or how not in (*_ORDERS, *_SAME):
            raise _NotHere
        path, value = asked
        if not isinstance(path, str) or not path.startswith(_LABEL):
            raise _NotHere
        values = self._values(path.removeprefix(_LABEL))
        return _compare(values, how, value) & values.there

    def _matching(self, query: Any) -> list[Mask]:
        """The labels that alone match each part of a query, which has to be about labels."""
        path, asked = _only(query)
        if path == "$and":
            return [mask for part in asked for mask in self._matching(part)]
        how, value = _only(asked)
        name = path.removeprefix(f"{self._root}.")
        if name == path or how not in (*_ORDERS, "$eq", "$in"):
            raise _NotHere
        if how == "$in":
            value = [one for one in value if one is not None]
        elif value is None:
            raise _NotHere
        values = self._values(name)
        own = _compare(values, how, value) & values.has
        # a query finds no NaN, whatever it is compared with
        return [own if values.numbers is None else own & ~np.isnan(values.numbers)]

    def _there(self) -> Mask:
        return self._values("label").there

    def _values(self, name: str) -> _Values:
        shown = self._shown
        if "." in name or name.startswith("_"):
            raise _NotHere
        kept_as = (*shown.kept_as, self._root, name, self._seen)
        values = _kept.get(kept_as, lambda: self._read(name))
        if values is None:
            raise _NotHere
        return values

    def _read(self, name: str) -> _Values | None:
        """Reads an attribute of the labels, None where it is not numbers alone or text alone."""
        shown, collection = self._shown, self._collection
        of_map = only_shown(shown, collection)
        samples, ids, read = read_labels(collection, of_map, self._root, False, name)
        all_rows = shown.rows_of(ids, samples)
        found = np.flatnonzero(all_rows >= 0)
        there: Mask = np.zeros(len(shown), dtype=bool)
        there[all_rows[found]] = True
        if there.sum() < len(found):  # two labels have one id
            return None
        found = np.array([at for at in found.tolist() if read[at] is not None], np.int64)
        rows, values = all_rows[found], [read[at] for at in found.tolist()]
        has: Mask = np.zeros(len(shown), dtype=bool)
        has[rows] = True
        if all(isinstance(value, str) for value in values):
            code_of: dict[str, int] = {}
            codes = np.full(len(shown), -1, np.int32)
            codes[rows] = [code_of.setdefault(value, len(code_of)) for value in values]
            return _Values(there, has, None, codes, tuple(code_of))
        if not all(isinstance(value, float) or _is_exact(value) for value in values):
            return None
        numbers = np.full(len(shown), np.nan)
        numbers[rows] = values
        return _Values(there, has, numbers, None)


def _compare(values: _Values, how: str, value: Any) -> Mask:
    if how != "$in":
        return values.compare(how, value)
    if not isinstance(value, list):
        raise _NotHere
    return values.among(value)


def _only(document: Any) -> tuple[str, Any]:
    """Returns the one entry of a document."""
    if not isinstance(document, dict) or len(document) != 1:
        raise _NotHere
    ((name, value),) = document.items()
    return name, value


def _is_exact(value: Any) -> bool:
    return _is_number(value) and abs(value) <= _EXACT


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
