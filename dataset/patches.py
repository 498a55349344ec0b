"""Reads the patch table from FiftyOne; lists of label documents never leave this module."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

import fiftyone as fo
import fiftyone.core.media as fom
import fiftyone.core.patches as fop
import fiftyone.core.video as fov
import numpy as np
from numpy.typing import NDArray

from ..core.errors import InvalidParameter, NoPatches, UnknownField
from ..core.sentences import agree, count
from ..core.table import WHOLE_IMAGE, PatchTable, join_tables
from .documents import LabelIds, parse_ids
from .label_counts import count_labels
from .label_types import LabelType, check_label_type, label_type_of, mean_confidence, no_box
from .removed import without_removed
from .storage import LabelRoot, Storage

# what is read of a label beside what its box is made of
_READ = ("id", "label", "confidence")

SHOW_FRAMES = "make a view of them first, with to_frames(), and choose their field there"

__all__ = [
    "PatchTable",
    "as_images",
    "check_images",
    "count_images",
    "count_patches",
    "is_of_whole_images",
    "is_patches_view",
    "label_path",
    "list_comparable_fields",
    "list_masked",
    "list_patches_fields",
    "list_stored_fields",
    "outlines_of",
    "read_attribute",
    "read_label_ids",
    "read_patches",
    "read_stored",
    "sample_id_path",
]


def list_patches_fields(samples: fo.core.collections.SampleCollection | Storage) -> list[str]:
    """Returns the names of the fields whose labels are patches, in the dataset's order."""
    schema = samples.get_field_schema(ftype=fo.EmbeddedDocumentField)
    return [name for name, field in schema.items() if label_type_of(field) is not None]


def list_stored_fields(dataset: fo.Dataset) -> list[str]:
    """Returns what the dataset calls the fields whose labels are patches, those of frames too."""
    names = list_patches_fields(dataset)
    if not dataset._has_frame_fields():
        return names
    frames = Storage(dataset, frames=True)
    return [*names, *map(frames.path, list_patches_fields(frames))]


def list_comparable_fields(dataset: fo.Dataset, field: str) -> list[str]:
    """Returns those of the other :func:`list_stored_fields` whose labels are about the same as the
    field's, parts of images or whole ones, and were not removed."""
    whole = is_of_whole_images(dataset, field)
    return [
        name
        for name in without_removed(dataset, list_stored_fields(dataset))
        if name != field and is_of_whole_images(dataset, name) == whole
    ]


def is_of_whole_images(
    samples: fo.core.collections.SampleCollection | Storage, patches_field: str
) -> bool:
    """Whether the labels of a field are about all of their images.

    Raises:
        UnknownField: if the field does not exist or its labels are no patches
    """
    return _type_of(samples, patches_field).is_of_whole_images


def outlines_of(
    samples: fo.core.collections.SampleCollection | Storage, patches_field: str
) -> tuple[str, ...]:
    """Returns the attributes that say what of its box a label of a field covers, if any.

    Raises:
        UnknownField: if the field does not exist or its labels are no patches
    """
    return _type_of(samples, patches_field).outlines


def list_masked(storage: Storage, patches_field: str) -> list[str]:
    """Returns the ids of the documents with a label of a field that has a mask, in the document or
    in a file.

    Raises:
        UnknownField: if the field does not exist or its labels are no patches
    """
    if "mask" not in outlines_of(storage, patches_field):
        return []
    root = label_path(storage, patches_field)
    which = [{f"{root}.mask": {"$type": "binData"}}, {f"{root}.mask_path": {"$type": "string"}}]
    return [str(found["_id"]) for found in storage.documents.find({"$or": which}, {"_id": 1})]


def count_patches(samples: fo.core.collections.SampleCollection, patches_field: str | None) -> int:
    """Counts the patches of a field, or the images for None, in one database query.

    Raises:
        UnknownField: if the field does not exist or its labels are no patches
    """
    if patches_field is None:
        return count_images(samples)
    label_path(samples, patches_field)
    return count_labels(samples, patches_field)


def count_images(samples: fo.core.collections.SampleCollection) -> int:
    """Counts the images of a collection, or videos, each once where it shows patches or clips of
    them."""
    path = sample_id_path(samples)
    return int(samples.count()) if path == "id" else len(samples.distinct(path))


def label_path(samples: fo.core.collections.SampleCollection | Storage, patches_field: str) -> str:
    """Returns the path of the labels themselves, such as ``predictions.detections``.

    Raises:
        UnknownField: if the field does not exist or its labels are no patches
    """
    items = _type_of(samples, patches_field).items
    return f"{patches_field}.{items}" if items else patches_field


def read_patches(
    samples: fo.core.collections.SampleCollection,
    patches_field: str | Sequence[str] | None = None,
    outlines: bool = False,
) -> PatchTable:
    """Reads the patch table of any collection: a dataset, a view, or a patches view.

    Args:
        samples: the images; of a grouped dataset, its active slice is read
        patches_field: a field of one of :data:`~labelvet.dataset.label_types.LABEL_TYPES`, or None
            for whole images; of several fields, their labels come field after field
        outlines: whether to read what of its box each label covers, too

    Returns:
        a :class:`PatchTable`, in the order of the collection

    Raises:
        UnknownField: if the field does not exist or its labels are no patches
        InvalidParameter: if the media are not images
        NoPatches: if the collection holds nothing to embed, or no label of it has a box
    """
    samples = as_images(samples, "Patches can only be cropped from")
    if patches_field is None or isinstance(patches_field, str):
        return _read_field(samples, patches_field, outlines)
    tables = [_read_field(samples, field, outlines) for field in patches_field]
    return join_tables(tables, patches_field)


def read_patches_left(
    samples: fo.core.collections.SampleCollection, fields: Sequence[str | None], outlines: bool
) -> PatchTable:
    """Reads the patch table of fields of which some, but not all, may have no labels any more, and
    all but the first may be gone; see :func:`read_patches`."""
    (first, *others) = fields
    if not others:
        return read_patches(samples, first, outlines)
    samples = as_images(samples, "Patches can only be cropped from")
    tables: list[PatchTable | None] = []
    for field in fields:
        try:
            tables.append(_read_field(samples, field, outlines))
        except NoPatches as error:
            tables.append(None)
            nothing = error
        except UnknownField:
            if field == first:
                raise
            tables.append(None)
    some = next((table for table in tables if table is not None), None)
    if some is None:
        raise nothing
    none = some.take(slice(0))
    return join_tables([none if table is None else table for table in tables], fields)


def _read_field(samples: Any, patches_field: str | None, outlines: bool) -> PatchTable:
    table = _read(samples, samples.values, sample_id_path(samples), patches_field, outlines)
    if patches_field is not None and not np.isfinite(table.boxes).any():
        root = label_path(samples, patches_field)
        raise NoPatches(no_box(patches_field, _is_in_3d(samples.values, root)))
    return table


def read_stored(
    storage: Storage,
    field: str | None,
    ids: list[str] | None = None,
    outlines: bool = False,
) -> PatchTable:
    """Reads the patch table of the labels as the dataset has them, in whatever slice they are.

    Frames of videos need no images: the paths of the table are their ids where they have none.

    Args:
        storage: where they are
        field: a field of the dataset, such as ``predictions`` or ``frames.predictions``; None for
            whole images or frames
        ids: samples or frames, None for all
        outlines: whether to read what of its box each label covers, too

    Returns:
        a :class:`PatchTable`, whose samples are frames where the labels are theirs

    Raises:
        UnknownField: if the field does not exist or its labels are no patches
        NoPatches: if there are none
    """
    local = None if field is None else storage.local(field)

    def values(paths: list[str], **kwargs: Any) -> list[list[Any]]:
        return storage.values(paths, ids, **kwargs)

    table = _read(storage, values, "id", local, outlines)
    return replace(table, patches_field=field)


def _read(
    source: Any, values: Any, id_path: str, patches_field: str | None, outlines: bool
) -> PatchTable:
    if patches_field is None:
        return _read_images(*values([id_path, "filepath"]))
    label_type, root = _type_of(source, patches_field), label_path(source, patches_field)
    path = "filepath" if source.get_field("filepath") is not None else id_path
    columns = list(values([id_path, path, *(f"{root}.{name}" for name in _READ)]))
    # as they are in the database: FiftyOne looks at every number of a box, which takes most of the
    # time, and all masks unpacked fill the memory
    raw = (label_type.geometry, *(label_type.outlines if outlines else ()))
    columns += values([f"{root}.{name}" for name in raw], _raw=True)
    if label_type.items is None:
        # a field of single labels is a field of lists of at most one
        columns[2:] = [
            [
                None if id_ is None else [value]
                for id_, value in zip(columns[2], column, strict=True)
            ]
            for column in columns[2:]
        ]
    sample_ids, filepaths, label_ids, labels, confidences, geometries, *told = columns

    counts = np.fromiter((len(ids or ()) for ids in label_ids), np.int64, len(label_ids))
    if not counts.sum():
        raise NoPatches(
            f"There are no labels in '{patches_field}' of this view: clear its filters, choose "
            "another target view, or pick another patches field."
        )
    unique_paths, image_index = _unique_paths(filepaths)
    codes, classes = _encode_labels(_flatten(labels))
    boxes = label_type.boxes(_flatten(geometries))
    table = PatchTable(
        patches_field=patches_field,
        sample_ids=np.repeat(np.array(sample_ids, dtype="<U24"), counts),
        label_ids=np.array(_flatten(label_ids), dtype="<U24"),
        media=np.repeat(image_index, counts),
        filepaths=unique_paths,
        boxes=boxes,
        codes=codes,
        classes=classes,
        confidences=np.array(
            [mean_confidence(value) for value in _flatten(confidences)], dtype=np.float32
        ),
        outlines=label_type.outline(list(map(_flatten, told)), len(boxes)) if outlines else None,
    )
    return _each_once(table)


def check_ids(table: PatchTable) -> None:
    """Checks that every label has an id of its own, as brain runs need it.

    Raises:
        InvalidParameter: if labels of several samples share one
    """
    for part, _ in table.parts():
        shared = len(part) - len(set(part.ids.tolist()))
        if shared:
            raise InvalidParameter(
                f"{count(shared, 'label')} of '{part.patches_field}' "
                f"{agree(shared, 'has', 'have')} the id of a label in another sample, as "
                "add_collection leaves it without new_ids=True: add those samples with new ids, or "
                "choose a view without them."
            )


def _each_once(table: PatchTable) -> PatchTable:
    """Returns the table without the repetitions of a view that lists samples twice."""
    if len(set(table.ids.tolist())) == len(table):
        return table
    return table.take(np.sort(np.unique(table.pairs, return_index=True)[1]))


def match_ids(
    ids: NDArray[np.str_], others: NDArray[np.str_]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Finds what two columns share of ids, or of the pairs of a table, each listed once.

    Returns:
        a tuple of their rows in ``ids``, ascending, and their rows in ``others``
    """
    row_of = {id_: row for row, id_ in enumerate(others.tolist())}
    pairs = [(row, row_of[id_]) for row, id_ in enumerate(ids.tolist()) if id_ in row_of]
    rows, other_rows = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    return rows, other_rows


def label_root(samples: fo.core.collections.SampleCollection, field: Any) -> LabelRoot:
    """Returns where the labels of any label field are.

    Raises:
        UnknownField: if there is no such field of labels of the samples themselves
    """
    known = list_label_fields(samples)
    if not isinstance(field, str) or field not in known:
        if field in samples._get_label_fields():
            raise UnknownField(f"'{field}' is a field of frames: {SHOW_FRAMES}.")
        advice = f"choose one of {', '.join(known)}" if known else "there is none here"
        raise UnknownField(f"There is no label field '{field}': {advice}.")
    return LabelRoot(*samples._get_label_field_root(field))


def list_label_fields(samples: fo.core.collections.SampleCollection) -> list[str]:
    """Returns the names of all label fields, those of videos' frames left out."""
    return [name for name in samples._get_label_fields() if not samples._is_frame_field(name)]


def read_label_ids(view: Any, field: str) -> LabelIds:
    """Reads which labels of a field a collection shows.

    Args:
        view: a dataset or view, a patches view too; of dynamic groups all that they hold
        field: the field of the labels

    Returns:
        (n, 12) ids of the samples, (n, 12) ids of the labels

    Raises:
        UnknownField: if the field does not exist or holds no labels
    """
    view = whole_groups(view)
    root, is_list = label_root(view, field)
    samples, labels = view.values([sample_id_path(view), f"{root}.id"])
    pairs = [
        (sample, label)
        for sample, of_sample in zip(samples, labels, strict=True)
        for label in (of_sample if is_list else [of_sample]) or ()
        if label is not None
    ]
    ids = parse_ids([i for pair in pairs for i in pair]).reshape(-1, 2, 12)
    return ids[:, 0], ids[:, 1]


def read_attribute(
    samples: fo.core.collections.SampleCollection | Storage,
    patches_field: str | None,
    attribute: str,
) -> dict[str, Any]:
    """Returns the values of an attribute of the labels, by the pairs of a table (see
    :func:`~labelvet.core.table.pair_ids`), or of a field of the samples for None.

    Raises:
        UnknownField: if there is no such field or attribute
    """
    root = None if patches_field is None else label_path(samples, patches_field)
    path = attribute if root is None else f"{root}.{attribute.removeprefix(f'{root}.')}"
    if samples.get_field(path) is None:
        raise UnknownField(
            f"There is no field '{path}' in this dataset: give it its name back, or choose another."
        )
    id_path = "id" if isinstance(samples, Storage) else sample_id_path(samples)
    if root is None:
        return dict(zip(*samples.values([id_path, path]), strict=True))
    columns = samples.values([id_path, f"{root}.id", path])
    return dict(_by_pair(columns, root != patches_field))


def read_tags(
    storage: Storage, patches_field: str | None, ids: list[str] | None = None
) -> dict[str, list[str]]:
    """Returns the tags of the labels of some samples, by the pairs of a table (see
    :func:`~labelvet.core.table.pair_ids`), or of the samples for None; frames have none."""
    if patches_field is None:
        if storage.frames:
            return {}
        return dict(zip(*storage.values(["id", "tags"], ids), strict=True))
    root, is_list = storage.label_root(patches_field)
    columns = storage.values(["id", f"{root}.id", f"{root}.tags"], ids)
    return {pair: tags or [] for pair, tags in _by_pair(columns, is_list)}


def _by_pair(columns: list[list[Any]], is_list: bool) -> Iterator[tuple[str, Any]]:
    """Yields the pair of each label and its value, from columns of ids of samples, of labels and
    values."""
    for sample, ids, values in zip(*columns, strict=True):
        labels = zip(ids or (), values or (), strict=True) if is_list else ((ids, values),)
        for id_, value in labels:
            if id_ is not None:
                yield f"{sample}{id_}", value


def is_patches_view(samples: fo.core.collections.SampleCollection) -> bool:
    """Whether each sample of the collection is itself a patch of another dataset's sample."""
    return isinstance(samples, (fop.PatchesView, fop.EvaluationPatchesView))


def sample_id_path(samples: fo.core.collections.SampleCollection) -> str:
    """Returns the path that holds the ids of the dataset's samples or frames, in views of patches,
    and of clips or trajectories of videos, too."""
    if is_patches_view(samples):
        return str(samples._id_field)
    return "sample_id" if samples._dataset._is_clips else "id"


def whole_groups(samples: Any) -> Any:
    """Returns a view with all that its dynamic groups hold, of which its samples are the first;
    other collections as they are."""
    return samples.flatten() if samples._is_dynamic_groups else samples


def as_images(samples: fo.core.collections.SampleCollection, sentence: str) -> Any:
    """Returns a collection as one of images: of a grouped one its active slice, which from then on
    stays the same, and of dynamic groups all that they hold.

    Args:
        samples: the collection
        sentence: how the sentence on other media begins, up to "images"

    Raises:
        NoPatches: if it has no samples and no media type yet
        InvalidParameter: if its media are not images
    """
    samples = whole_groups(samples)
    check_images(samples, sentence)
    if samples.media_type == fom.GROUP:
        samples = samples.select_group_slices(samples.group_slice)
    return samples


def check_images(samples: fo.core.collections.SampleCollection, sentence: str) -> None:
    """Checks that a collection is of images; arguments and errors are those of
    :func:`as_images`."""
    samples = whole_groups(samples)
    media_type: Any = samples.media_type
    if media_type == fom.GROUP:
        media_type = (samples.group_media_types or {}).get(samples.group_slice)
    if media_type is None and not samples.count():
        raise NoPatches("There are no samples in this view: add images, or choose another view.")
    if media_type == fom.VIDEO:
        raise InvalidParameter(
            f"{sentence} images, not video: make a view of frames first, with "
            "to_frames(sample_frames=True), and choose that."
        )
    if media_type != fom.IMAGE:
        images = [
            name
            for name, type_ in (getattr(samples, "group_media_types", None) or {}).items()
            if type_ == fom.IMAGE
        ]
        advice = (
            f"switch to an image slice ({', '.join(sorted(images))})"
            if images
            else "use a dataset or view of images"
        )
        raise InvalidParameter(f"{sentence} images, not {media_type}: {advice}.")
    frames: Any = samples._source_collection if is_patches_view(samples) else samples
    how = frames._frames_stage.config if isinstance(frames, fov.FramesView) else None
    if (how or {}).get("sample_frames") == "dynamic":
        raise InvalidParameter(
            f"{sentence} images, and these frames have none: make them with "
            "to_frames(sample_frames=True)."
        )


def _read_images(sample_ids: list[str], filepaths: list[str]) -> PatchTable:
    if not sample_ids:
        raise NoPatches("There are no images in this view: choose another target view.")
    unique_paths, image_index = _unique_paths(filepaths)
    n = len(sample_ids)
    table = PatchTable(
        patches_field=None,
        sample_ids=np.array(sample_ids, dtype="<U24"),
        label_ids=None,
        media=image_index,
        filepaths=unique_paths,
        boxes=np.tile(np.array(WHOLE_IMAGE), (n, 1)),
        codes=np.full(n, -1, dtype=np.int32),
        classes=np.array([], dtype=object),
        confidences=np.full(n, np.nan, dtype=np.float32),
    )
    return _each_once(table)


def _type_of(samples: Any, patches_field: str) -> LabelType:
    field, others = samples.get_field(patches_field), list_patches_fields(samples)
    return check_label_type(field, patches_field, others)


def _is_in_3d(values: Any, root: str) -> bool:
    """Whether the labels are cuboids, or polylines in space."""
    for name in ("location", "points3d"):
        (column,) = values([f"{root}.{name}"])
        if any(any(some) if isinstance(some, list) else some for some in column):
            return True
    return False


def _flatten(column: list[Any]) -> list[Any]:
    return list(chain.from_iterable(values or () for values in column))


def _unique_paths(filepaths: list[str]) -> tuple[NDArray[np.object_], NDArray[np.int32]]:
    index = {path: i for i, path in enumerate(dict.fromkeys(filepaths))}
    image_index = np.fromiter((index[p] for p in filepaths), np.int32, len(filepaths))
    return np.array(list(index), dtype=object), image_index


def _encode_labels(labels: list[str | None]) -> tuple[NDArray[np.int32], NDArray[np.object_]]:
    classes = sorted({label for label in labels if label is not None})
    code_of: dict[str | None, int] = {label: code for code, label in enumerate(classes)}
    codes = np.fromiter((code_of.get(label, -1) for label in labels), np.int32, len(labels))
    return codes, np.array(classes, dtype=object)
