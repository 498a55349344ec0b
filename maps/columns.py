"""What points are colored by: attributes of their labels and samples, aligned to a map's rows."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from itertools import chain
from typing import Any

import fiftyone as fo
import numpy as np
from numpy.typing import NDArray

from ..core.errors import UnknownField
from ..dataset.documents import object_ids, read_labels, revision
from ..dataset.memory import Memory
from ..dataset.patches import label_path
from ..dataset.storage import Storage, collection_named
from .map import Map, MapInfo

# codes are sent as two bytes, and a legend of more could not be read
MAX_CATEGORIES = 65_535

# whole numbers of few values are names of something, as in the native panel
_FEW_INTEGERS = 100

# unique for every row, or no attribute of what is shown
_HIDDEN = {"id", "filepath", "media_type"}

# fields of samples are looked for this deep: ``metadata.width``, ``weather.label``
_DEPTH = 2

_KEPT_BYTES = 128 * 2**20

# of a map of several fields: the path of the field itself, and how what its fields share begins
FIELD = "*"
_SHARED = "*."


@dataclass(frozen=True)
class ColorableAttribute:
    """An attribute of the labels or samples of a map.

    Attributes:
        path: the field's path in the dataset; what several fields of labels share is ``*.label``
        name: the path without what all attributes of the labels have in common
        kind: "categorical", "continuous", "boolean" or "tags" (lists of names)
        scope: "label" or "sample"
        paths: its path in each field of a map of several, None in those that do not have it
    """

    path: str
    name: str
    kind: str
    scope: str
    paths: tuple[str | None, ...] = ()

    @property
    def is_filtered_here(self) -> bool:
        """Whether the sidebar has no filter that leaves out the rows of one value alone."""
        return self.kind == "tags" or self.path == FIELD or bool(self.paths)


@dataclass(frozen=True, eq=False)
class Column:
    """A value for each of n rows.

    Attributes:
        kind: see :class:`ColorableAttribute`; whole numbers of few values are "categorical"
        codes: (n,) uint16, 0 for none and else one more than an index in ``categories``; None for
            continuous ones
        categories: at most ``MAX_CATEGORIES``; of more, the most frequent
        values: (n,) float32, NaN for none; None for the others
    """

    kind: str
    codes: NDArray[np.uint16] | None = None
    categories: tuple[str, ...] = ()
    values: NDArray[np.float32] | None = None

    @property
    def nbytes(self) -> int:
        """What it takes in memory, about."""
        numbers = self.values if self.codes is None else self.codes
        assert numbers is not None
        return numbers.nbytes + sum(map(len, self.categories))


def list_attributes(dataset: fo.Dataset, info: MapInfo) -> list[ColorableAttribute]:
    """Lists what the points of a map can be colored by: attributes of labels first.

    Raises:
        UnknownField: if a patches field of the map does not exist any more
    """
    storage = info.storage(dataset)
    for field, stored in zip(info.fields, info.stored_fields, strict=True):
        if storage.get_field(field) is None:
            raise UnknownField(
                f"There is no field '{stored}' in this dataset any more, and this map shows its "
                "labels: give it its name back, or compute the map again from other fields."
            )
    of_fields = [_label_attributes(storage, field) for field in info.fields]
    if info.other_fields:
        of_fields = [_shared(info.fields, of_fields)]
    return [*chain(*of_fields), *_sample_attributes(storage.get_field_schema(), info.fields)]


def label_column(dataset: fo.Dataset, info: MapInfo, name: str) -> str:
    """Returns the path of an attribute that all labels of a map have, such as ``label``.

    Raises:
        UnknownField: if a patches field of the map does not exist any more
    """
    roots = [label_path(info.storage(dataset), field) for field in info.fields]
    return f"{roots[0]}.{name}" if len(roots) == 1 else _SHARED + name


def _label_attributes(storage: Storage, field: str) -> list[ColorableAttribute]:
    root = label_path(storage, field)
    labels: Any = storage.get_field(root)
    schema = getattr(labels, "field", labels).get_field_schema()
    attributes = [
        ColorableAttribute(f"{root}.{name}", name, kind, "label")
        for name, attribute in schema.items()
        if name not in _HIDDEN and (kind := _kind(attribute)) is not None
    ]
    order = {"label": 0, "confidence": 1, "tags": 2}
    return sorted(attributes, key=lambda attribute: order.get(attribute.name, 3))


def _shared(
    fields: tuple[str, ...], of_fields: list[list[ColorableAttribute]]
) -> list[ColorableAttribute]:
    """Joins the attributes of several fields by name; where their kinds differ, each is its own."""
    shared = [ColorableAttribute(FIELD, "field", "categorical", "label")]
    known = [{attribute.name: attribute for attribute in some} for some in of_fields]
    for name in dict.fromkeys(attribute.name for some in of_fields for attribute in some):
        have = [some.get(name) for some in known]
        paths = tuple(None if one is None else one.path for one in have)
        kinds = {one.kind for one in have if one is not None}
        if len(kinds) == 1:
            (kind,) = kinds
            shared.append(ColorableAttribute(_SHARED + name, name, kind, "label", paths))
            continue
        for field, one in zip(fields, have, strict=True):
            if one is not None:
                own = tuple(path if path == one.path else None for path in paths)
                title = f"{field}.{name}"
                shared.append(ColorableAttribute(one.path, title, one.kind, "label", own))
    return shared


def find_attribute(dataset: fo.Dataset, info: MapInfo, path: str) -> ColorableAttribute:
    """Returns the attribute of that path.

    Raises:
        UnknownField: if the map has none of that path
    """
    for attribute in list_attributes(dataset, info):
        if attribute.path == path:
            return attribute
    raise UnknownField(f"The points cannot be colored by '{path}': choose a field from the list.")


def load_column(dataset: fo.Dataset, shown: Map, path: str) -> Column:
    """Loads the values of an attribute; columns stay in memory until the samples are written to.

    Args:
        dataset: the dataset of the map
        shown: the map
        path: the path of one of :func:`list_attributes`

    Raises:
        UnknownField: if the map has none of that path
    """
    attribute = find_attribute(dataset, shown.info, path)
    if path == FIELD:
        return _field_column(shown)
    storage = shown.info.storage(dataset)
    paths = attribute.paths or (path,)
    integers = all(isinstance(storage.get_field(one), fo.IntField) for one in paths if one)
    # read before the values: an edit meanwhile then makes this column old, never the next one
    seen = revision(collection_named(shown.collection))
    stored = tuple(one and _database_path(storage, one) for one in paths)
    kept_as = (*shown.kept_as, attribute, stored, integers, seen)
    return _columns.get(kept_as, lambda: _column(shown, attribute, stored, integers))


_columns: Memory[Column] = Memory(_KEPT_BYTES, lambda column: column.nbytes)


def _field_column(shown: Map) -> Column:
    """The field of each label of a map of several, the fields in their order."""
    codes = np.arange(1, 1 + len(shown.parts), dtype=np.uint16)
    return Column(
        "categorical", np.repeat(codes, list(map(len, shown.parts))), categories=shown.info.fields
    )


def _column(
    shown: Map, attribute: ColorableAttribute, paths: tuple[str | None, ...], integers: bool
) -> Column:
    if attribute.scope == "sample" or shown.info.patches_field is None:
        values = _values_of_samples(shown, str(paths[0]))
    else:
        values = []
        for part, path in zip(shown.parts, paths, strict=True):
            values += [None] * len(part) if path is None else _values_of_labels(part, path)
    if attribute.kind == "continuous":
        if integers and len(present := set(values)) <= _FEW_INTEGERS + (None in present):
            return _encode("categorical", [None if v is None else str(v) for v in values])
        return Column("continuous", values=np.array(values, dtype=np.float32))  # None becomes NaN
    if attribute.kind == "tags":
        return _encode("tags", [", ".join(sorted(map(str, v))) if v else None for v in values])
    return _encode(attribute.kind, [None if v is None else str(v) for v in values])


def _values_of_samples(shown: Map, path: str) -> list[Any]:
    """Reads a list of what the rows' samples have in one query, None for nothing."""
    collection = collection_named(shown.collection)
    found = {
        document["_id"].binary: document.get("v")
        for document in collection.aggregate(
            [*only_shown(shown, collection), {"$project": {"v": f"${path}"}}]
        )
    }
    of_sample = [found.get(bytes(id_)) for id_ in shown.samples]
    return [of_sample[index] for index in shown.sample_index.tolist()]


def _values_of_labels(shown: Map, path: str) -> list[Any]:
    """Reads a list of what the labels of a field have in one query, None where there is none any
    more."""
    collection = collection_named(shown.collection)
    root, name = path.rsplit(".", 1)
    samples, ids, values = read_labels(
        collection, only_shown(shown, collection), root, root == shown.info.patches_field, name
    )
    aligned: list[Any] = [None] * len(shown)
    for row, value in zip(shown.rows_of(ids, samples).tolist(), values, strict=True):
        if row >= 0:
            aligned[row] = value
    return aligned


def only_shown(shown: Map, collection: Any) -> list[dict[str, Any]]:
    """Returns the stage that leaves out samples without points, where that is worth its size."""
    if len(shown.samples) > collection.estimated_document_count() // 2:
        return []
    return [{"$match": {"_id": {"$in": object_ids(shown.samples)}}}]


def _encode(kind: str, names: list[str | None]) -> Column:
    counts: dict[str, int] = {}
    for name in names:
        if name is not None:
            counts[name] = counts.get(name, 0) + 1
    most = sorted(counts, key=lambda name: -counts[name])[:MAX_CATEGORIES]
    categories = tuple(sorted(most))
    code_of: dict[str | None, int] = {name: code for code, name in enumerate(categories, 1)}
    codes = np.fromiter((code_of.get(name, 0) for name in names), np.uint16, len(names))
    return Column(kind, codes=codes, categories=categories)


def _sample_attributes(
    schema: dict[str, Any], fields: Collection[str], prefix: str = "", depth: int = 1
) -> list[ColorableAttribute]:
    attributes: list[ColorableAttribute] = []
    for name, field in schema.items():
        path = prefix + name
        if name in _HIDDEN or path in fields:
            continue
        if (kind := _kind(field)) is not None:
            attributes.append(ColorableAttribute(path, path, kind, "sample"))
        elif isinstance(field, fo.EmbeddedDocumentField) and depth < _DEPTH:
            attributes += _sample_attributes(
                field.get_field_schema(), fields, f"{path}.", depth + 1
            )
    return attributes


def _kind(field: Any) -> str | None:
    if isinstance(field, fo.BooleanField):
        return "boolean"
    if isinstance(field, (fo.FloatField, fo.IntField)):
        return "continuous"
    if isinstance(field, fo.StringField):
        return "categorical"
    if isinstance(field, fo.ListField) and isinstance(field.field, fo.StringField):
        return "tags"
    return None


def _database_path(storage: Storage, path: str) -> str:
    """Returns the path as it is in the documents, where some names differ."""
    parts = path.split(".")
    for number in range(len(parts)):
        field = storage.get_field(".".join(path.split(".")[: number + 1]))
        if (stored := getattr(field, "db_field", None)) is not None:
            parts[number] = stored
    return ".".join(parts)
