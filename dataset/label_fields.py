"""A field of labels as the database is asked of it: a list of labels, whatever its type.

A field of one label is a list of one or none. So what moves labels between fields is written once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import fiftyone as fo

from ..core.errors import FieldGone
from .expressions import Expression, label_list
from .label_types import LabelType, label_type_of
from .schema import gone
from .storage import Storage


@dataclass(frozen=True)
class LabelField:
    """A field of labels of documents.

    Attributes:
        name: its name
        type: of its labels
    """

    name: str
    type: LabelType

    @property
    def root(self) -> str:
        """The path of the labels, or of the one label."""
        return self.name if self.type.items is None else f"{self.name}.{self.type.items}"

    def labels(self) -> Any:
        """The labels of a document."""
        return label_list(self.root, self.type.items is not None)

    def with_labels(self, labels: Any) -> Expression:
        """The field of a document with other labels, of which a field of one label takes the
        first."""
        if self.type.items is None:
            return {"$ifNull": [{"$arrayElemAt": [labels, 0]}, None]}
        cls = {"_cls": self.type.document.__name__}
        return {"$mergeObjects": [cls, f"${self.name}", {self.type.items: labels}]}

    def where_there(self, labels: Any) -> Expression:
        """The field of a document with other labels, null where it is null and gets none: an image
        without any is not one without objects."""
        if self.type.items is None:
            return self.with_labels(labels)
        is_null = {"$eq": [{"$ifNull": [f"${self.name}", None]}, None]}
        none = {"$and": [is_null, {"$eq": [labels, []]}]}
        return {"$cond": [none, None, self.with_labels(labels)]}

    def any_with(self, which: dict[str, Any]) -> dict[str, Any]:
        """The filter of the documents where a label matches."""
        if self.type.items is None:
            return {f"{self.root}.{name}": asked for name, asked in which.items()}
        return {self.root: {"$elemMatch": which}}

    def any(self) -> dict[str, Any]:
        """The filter of the documents that have a label."""
        return {f"{self.root}._id": {"$exists": True}}


def label_field(dataset: fo.Dataset | Storage, name: str) -> LabelField:
    """Returns a field of labels, as this process knows it.

    Raises:
        FieldGone: if there is no such field of labels any more
    """
    found = label_type_of(dataset.get_field(name))
    if found is None:
        raise FieldGone(gone(name))
    return LabelField(name, found)
