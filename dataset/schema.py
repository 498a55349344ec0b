"""The fields that labelvet adds to a dataset, and how they are told from a user's own.

Each says in its ``info`` what it was added for.

A document with a field that the schema does not have cannot be opened any more. Somebody may rename
or delete a field while labels are written into it, or before that is undone: so every batch asks.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import fiftyone as fo

from ..core.errors import DatasetDeleted, FieldGone, InvalidParameter
from .expressions import each, label_list
from .storage import Storage, collection_named, locate

_INFO = "labelvet"

# fields are added by one thread at a time, and as often where somebody else reloads the schema
_ADDING, _TRIES = threading.Lock(), 20

_NUMBERS = ("int", "long", "double", "decimal")
_STORED_AS: dict[type[fo.Field], tuple[str, ...]] = {
    fo.StringField: ("string",),
    fo.BooleanField: ("bool",),
    fo.IntField: _NUMBERS,
    fo.FloatField: _NUMBERS,
    fo.DateField: ("date",),
    fo.DateTimeField: ("date",),
    fo.ListField: ("array",),
    fo.DictField: ("object",),
    fo.EmbeddedDocumentField: ("object",),
}


@dataclass(frozen=True)
class Attribute:
    """An attribute of labels.

    Attributes:
        field: the kind of its field
        description: what the sidebar says of it
        items: the kind of its items, where it is a list
    """

    field: type[fo.Field]
    description: str
    items: type[fo.Field] | None = None


def declare_attributes(
    dataset: fo.Dataset | Storage,
    root: str,
    attributes: Mapping[str, Attribute],
    owner: str | None = None,
) -> list[str]:
    """Adds attributes of labels to the schema, where they are not there.

    Args:
        dataset: the dataset, or the storage of its frames
        root: the path of the labels, such as ``predictions.detections``
        attributes: the attributes by name
        owner: what they are added for; None where any field of their names and types will do

    Returns:
        the names of those that were there already

    Raises:
        InvalidParameter: see :func:`check_attributes`; nothing was added then
    """
    check_attributes(dataset, root, attributes, owner)
    there = [name for name in attributes if dataset.get_field(f"{root}.{name}") is not None]
    ensure_fields(
        dataset,
        {
            f"{root}.{name}": {
                "ftype": attribute.field,
                "subfield": attribute.items,
                "description": attribute.description,
                "info": None if owner is None else {_INFO: owner},
            }
            for name, attribute in attributes.items()
            if name not in there
        },
    )
    return there


def check_attributes(
    dataset: fo.Dataset | Storage,
    root: str,
    attributes: Mapping[str, Attribute],
    owner: str | None,
) -> None:
    """Checks that attributes of these names may be added to labels, and written.

    What labels hold without a field in the schema, as ``add_samples`` leaves it, is a user's own:
    a field of another type over it makes a dataset that cannot be opened.

    Args:
        dataset: the dataset, or the storage of its frames
        root: the path of the labels
        attributes: the attributes by name
        owner: what they are added for; None where any of their names and types will do

    Raises:
        InvalidParameter: if one is somebody else's, or of another type where any owner will do, or
            the labels are read-only
    """
    check_writable(dataset, root)
    # the documents are asked first: what somebody else wrote by then, they declared before
    held = _undeclared(dataset, root, attributes, owner)
    if held:
        dataset.reload()
    fields = {name: dataset.get_field(f"{root}.{name}") for name in attributes}
    taken = [
        name
        for name, field in fields.items()
        if field
        and not (_fits(field, attributes[name]) if owner is None else is_owned(field, owner))
    ]
    held = [name for name in held if fields[name] is None]
    if not taken and not held:
        return
    of_type = " of another type" if owner is None else ""
    kind = "frame" if isinstance(dataset, Storage) and dataset.frames else "sample"
    first = (
        f"call dataset.add_dynamic_{kind}_fields(add_mixed=True), as the schema does not have all "
        "of them, then "
    )
    raise InvalidParameter(
        f"The labels of '{root}' have attributes of their own{of_type} named "
        f"{', '.join([*taken, *held])}: {first if held else ''}rename those first, for example "
        f"with dataset.rename_{kind}_field, or delete what an earlier run left."
    )


def _undeclared(
    dataset: fo.Dataset | Storage,
    root: str,
    attributes: Mapping[str, Attribute],
    owner: str | None,
) -> list[str]:
    """Which attributes labels have that are not in the schema, of any type where there is an owner,
    else of another type."""
    labels = dataset.get_field(root)
    missing = {
        name: ("missing", "null", *(_stored_as(one.field) if owner is None else ()))
        for name, one in attributes.items()
        if dataset.get_field(f"{root}.{name}") is None
        and (owner is not None or _stored_as(one.field))
    }
    if labels is None or not missing:
        return []
    every = label_list(root, isinstance(labels, fo.ListField))
    documents = locate(dataset, None).documents

    def is_held(names: Iterable[str]) -> bool:
        others = [{"$not": [{"$in": [{"$type": f"$$l.{name}"}, missing[name]]}]} for name in names]
        some = {"$anyElementTrue": [each(every, {"$or": others})]}
        return documents.find_one({"$expr": some}, {"_id": 1}) is not None

    # nearly always there are none, so that all are asked for at once
    return [name for name in missing if is_held([name])] if is_held(missing) else []


def _fits(field: fo.Field, attribute: Attribute) -> bool:
    """Whether values of an attribute can be in a field."""
    wanted, held = _stored_as(attribute.field), _stored_as(type(field))
    return not wanted or not held or wanted == held


def _stored_as(field: type[fo.Field]) -> tuple[str, ...]:
    """What MongoDB calls the types of a field's values, nothing where that is not known."""
    return next((types for kind, types in _STORED_AS.items() if issubclass(field, kind)), ())


def declare_labels(
    dataset: fo.Dataset | Storage,
    name: str,
    document: type = fo.Detections,
    description: str | None = None,
    owner: str | None = None,
) -> None:
    """Adds a field of labels to the schema, where it is not there.

    Args:
        dataset: the dataset, or the storage of its frames
        name: the name of the field
        document: FiftyOne's class of the labels
        description: what the sidebar says of it
        owner: what it is added for; None where any field of this name will do

    Raises:
        InvalidParameter: if the dataset has a field of this name that is somebody else's
    """
    field = dataset.get_field(name)
    if field is None:
        ensure_field(
            dataset,
            name,
            fo.EmbeddedDocumentField,
            embedded_doc_type=document,
            description=description,
            info=None if owner is None else {_INFO: owner},
        )
    elif owner is not None:
        check_labels_owned(dataset, name, document, owner)


def check_labels_owned(
    dataset: fo.Dataset | Storage, name: str, document: type, owner: str
) -> None:
    """Checks that a field of labels that is there was added for this; see :func:`declare_labels`.

    Raises:
        InvalidParameter: if the dataset has a field of this name that is somebody else's
    """
    field = dataset.get_field(name)
    ours = is_owned(field, owner) and getattr(field, "document_type", None) is document
    if field is not None and not ours:
        raise InvalidParameter(
            f"The dataset has a field '{name}' of its own, which is needed for {owner}: rename it "
            "first, for example with dataset.rename_sample_field."
        )


def is_owned(field: fo.Field | None, owner: str) -> bool:
    """Whether there is such a field, and it was added for this."""
    return field is not None and (field.info or {}) == {_INFO: owner}


def ensure_fields(dataset: fo.Dataset | Storage, fields: Mapping[str, Mapping[str, Any]]) -> None:
    """Adds fields to a dataset, where nobody did: in one step where that succeeds, for FiftyOne
    reads the whole schema anew after each.

    Args:
        dataset: the dataset
        fields: the arguments of ``add_sample_field`` by path

    Raises:
        FieldGone: see :func:`ensure_field`
    """
    missing = {path: one for path, one in fields.items() if dataset.get_field(path) is None}
    if len(missing) > 1:
        with _ADDING:
            with suppress(ValueError):  # somebody may have added one, or deleted what it is part of
                locate(dataset, None).add_sample_fields(missing)
            # what was added here and lost in the database is added again, as what was not
            if not all(_is_stored(dataset, path) for path in missing):
                dataset.reload()
    for path, options in missing.items():
        ensure_field(dataset, path, **options)


def ensure_field(
    dataset: fo.Dataset | Storage, path: str, ftype: type[fo.Field], **options: Any
) -> None:
    """Adds a field to a dataset, if nobody did; arguments are those of ``add_sample_field``.

    FiftyOne keeps one schema per dataset and process, which threads may reload between the two
    steps of adding a field: what was added is looked for in the database, and added again.

    Raises:
        FieldGone: if it is an attribute of a field that is not there any more
    """
    if dataset.get_field(path) is not None:
        return
    with _ADDING:
        for _ in range(_TRIES):
            failure: ValueError | None = None
            try:
                dataset.add_sample_field(path, ftype, **options)
            except ValueError as error:  # somebody may have added it, or deleted what it is part of
                failure = error
            if not failure and _is_stored(dataset, path) and dataset.get_field(path) is not None:
                return
            dataset.reload()
            if dataset.get_field(path) is not None:
                return
    root, _, attribute = path.partition(".")
    if attribute and dataset.get_field(root) is None:
        raise FieldGone(gone(root)) from None
    raise failure or FieldGone(gone(path))


def _fields_of(dataset: fo.Dataset | Storage) -> str:
    """What the document of a dataset calls its fields, or those of its frames."""
    frames = isinstance(dataset, Storage) and dataset.frames
    return "frame_fields" if frames else "sample_fields"


def _is_stored(dataset: fo.Dataset | Storage, path: str) -> bool:
    """Whether the database has a field or an attribute in the schema of a dataset."""
    return len(_stored(dataset, path)) == len(path.split("."))


def _stored(dataset: fo.Dataset | Storage, path: str) -> list[dict[str, Any]]:
    """What the database says of the fields that a path goes through, up to one that is missing."""
    part, found = _fields_of(dataset), []
    document = collection_named("datasets").find_one({"_id": dataset._doc.id}, {part: 1}) or {}
    fields = document.get(part)
    for name in path.split("."):
        field = next((one for one in fields or [] if one["name"] == name), None)
        if field is None:
            break
        found.append(field)
        fields = field.get("fields")
    return found


def check_writable(dataset: fo.Dataset | Storage, path: str) -> None:
    """Checks that nobody made a field read-only, or what it is part of, as the database says now.

    Args:
        dataset: the dataset, or the storage of its frames
        path: the field or attribute; one that does not exist may be made

    Raises:
        InvalidParameter: if it is read-only
    """
    if any(field.get("read_only") for field in _stored(dataset, path)):
        raise InvalidParameter(
            f"The field '{path}' is read-only: make it writable in the dataset first."
        )


def missing_fields(dataset: fo.Dataset | Storage, names: Iterable[str]) -> list[str]:
    """Returns which fields of labels a dataset does not have, as the database says now; one that
    holds labels of another type than this process knows is not the same any more.

    Args:
        dataset: the dataset, or the storage of its frames
        names: the fields

    Raises:
        DatasetDeleted: if the dataset does not exist any more
    """
    part = _fields_of(dataset)
    wanted = {f"{part}.name": 1, f"{part}.embedded_doc_type": 1}
    document: dict[str, Any] | None = collection_named("datasets").find_one(
        {"_id": dataset._doc.id}, wanted
    )
    if document is None:
        raise DatasetDeleted(deleted(dataset.name))
    there = {field["name"]: field.get("embedded_doc_type") for field in document[part]}
    kinds = [(name, there.get(name), _kind(dataset, name)) for name in names]
    return [name for name, kind, known in kinds if kind is None or kind != (known or kind)]


def _kind(dataset: fo.Dataset | Storage, name: str) -> str | None:
    """The path of FiftyOne's class of the labels of a field, None where it is not known."""
    kind = getattr(dataset.get_field(name), "document_type", None)
    return None if kind is None else f"{kind.__module__}.{kind.__name__}"


def created_at(dataset: fo.Dataset | Storage, name: str) -> datetime | None:
    """Returns when a field was added to the schema, in UTC; None where nothing says so."""
    part = _fields_of(dataset)
    document = collection_named("datasets").find_one(
        {"_id": dataset._doc.id}, {part: {"$elemMatch": {"name": name}}}
    )
    fields = (document or {}).get(part) or [{}]
    moment: datetime | None = fields[0].get("created_at")
    return moment


def check_fields(dataset: fo.Dataset | Storage, names: Iterable[str], done: str = "") -> None:
    """Checks that fields of labels are there, and can be written to.

    Args:
        dataset: the dataset
        names: the fields
        done: a sentence on what was written before; by default nothing was

    Raises:
        FieldGone: if one is not
        InvalidParameter: if one is read-only
        DatasetDeleted: if the dataset does not exist any more
    """
    names = list(names)
    missing = missing_fields(dataset, names)
    if missing:
        raise FieldGone(gone(missing[0], done))
    for name in names:
        check_writable(dataset, name)


def check_labels(
    dataset: fo.Dataset | Storage, name: str, done: str = "", path: str | None = None
) -> None:
    """Checks that a field of labels is there, as this process knows it, and can be written to.

    What writes into labels asks the documents for them in the update itself, so that it never makes
    a field anew; this says why nothing is written.

    Args:
        dataset: the dataset, or the storage of its frames
        name: the field
        done: see :func:`check_fields`
        path: what of the labels is written; by default the field is asked alone

    Raises:
        FieldGone: if it is not
        InvalidParameter: if it is read-only
        DatasetDeleted: if the dataset does not exist any more
    """
    if _kind(dataset, name) is None or missing_fields(dataset, [name]):
        raise FieldGone(gone(name, done))
    check_writable(dataset, path or name)


def deleted(name: str) -> str:
    """Says that a dataset is not there any more."""
    return f"The dataset '{name}' was deleted in the meantime."


def gone(name: str, done: str = "") -> str:
    """Says that a field is not there any more."""
    return (
        f"The field '{name}' was renamed or deleted: {done or 'nothing was written'}. Give it its "
        "name back, or choose another field."
    )
