"""The types of labels that FiftyOne has: where the box of each is, when two are of one object, and
what has no patches.

Whoever asks what labels can be worked on asks here, before any work; docs/label-types.md has it as
a table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from typing import Any

import fiftyone as fo
import numpy as np
from numpy.typing import NDArray

from ..core.errors import UnknownField
from ..core.table import WHOLE_IMAGE
from .expressions import Expression, box_around, confidence, each, keep, overlap, overlaps_any

# A line or a single point has no area to crop: of points, the box is at least this part of its
# longer side, or of the image, wide and high.
_LEAST = 0.05


@dataclass(frozen=True)
class LabelType:
    """A type of field whose labels are patches.

    Attributes:
        document: FiftyOne's class of the field
        items: the attribute that lists the labels, None where the field has one label
        geometry: the attribute that a label's box is made of
        box: makes ``[x, y, width, height]`` of it, None where there is none
        stored_box: has the database make the same of the path of a geometry
        outlines: the attributes that say what of its box a label covers
    """

    document: type
    items: str | None
    geometry: str
    box: Callable[[Any], Any]
    stored_box: Callable[[str], Any]
    outlines: tuple[str, ...] = ()

    def boxes(self, geometries: list[Any]) -> NDArray[np.float64]:
        """Returns the boxes of n labels, (n, 4), NaN where a label has none."""
        boxes = np.full((len(geometries), 4), np.nan)
        for row, geometry in enumerate(geometries):
            box = None if geometry is None else self.box(geometry)
            if box is not None and len(box) == 4 and None not in box:
                boxes[row] = box
        return boxes

    def outline(self, columns: list[list[Any]], n: int) -> NDArray[np.object_]:
        """Returns what of its box each of n labels covers, see
        :mod:`labelvet.embeddings.outlines`; None where it does not say.

        Args:
            columns: what each has in ``outlines``
        """
        outlines = np.full(n, None, dtype=object)
        for row, values in enumerate(zip(*columns, strict=True)):
            outlines[row] = _mask(*values) if self.outlines == MASKS else _area(*values)
        return outlines

    @property
    def is_of_whole_images(self) -> bool:
        """Whether a label is about all of its image."""
        return self.box is _whole_image

    @property
    def has_patches(self) -> bool:
        """Whether FiftyOne makes patches of such a field, to show them in the grid."""
        return self.items is not None and not self.is_of_whole_images

    @property
    def listed(self) -> LabelType:
        """The type of fields that hold any number of such labels."""
        return LABEL_TYPES[_LISTED.get(self.document, self.document)]

    def is_there(self) -> Expression:
        """Whether the label ``$$l`` is one that can be judged: the cuboids and lines in space of
        another slice, which nobody sees beside those of images, are not."""
        if self.is_of_whole_images:
            return {"$gt": ["$$l._id", None]}
        # lists alone are more than an empty one, of what the field may hold
        return {"$gt": [f"$$l.{self.geometry}", []]}

    def any_there(self) -> dict[str, Any]:
        """What the filter of a document asks of such a label."""
        first = "_id" if self.is_of_whole_images else f"{self.geometry}.0"
        return {first: {"$exists": True}}

    def is_known(self, others: Any, iou: float) -> Expression:
        """Whether the label ``$$l`` is of the same object as any of some others in the same image:
        boxes, and those around points, are where they overlap by an IoU, whatever their class; the
        classes of an image are where they are the same; and a field of one label has room for one.
        """
        if self.items is None:
            return {"$gt": [{"$size": others}, 0]}
        if self.is_of_whole_images:
            return {"$in": [_class("$$l"), {"$map": {"input": others, "in": _class("$$this")}}]}
        return overlaps_any(others, iou, lambda label: self.stored_box(f"{label}.{self.geometry}"))

    def surest(self, labels: Any, iou: float) -> Expression:
        """Some labels of an image, and of those of one class and one object, as :meth:`is_known`
        tells, the surest alone; of equally sure ones the one that was there first."""
        box = None if self.is_of_whole_images else self.stored_box(f"$$l.{self.geometry}")
        slim = {"_id": "$$l._id", "sure": confidence(), "class": _class("$$l"), "box": box}
        ordered = {"$sortArray": {"input": each("$$some", slim), "sortBy": {"sure": -1, "_id": 1}}}
        alike: Expression = {"$eq": ["$$s.class", "$$l.class"]}
        if not self.is_of_whole_images:
            boxes = {"vars": {"a": "$$l.box", "b": "$$s.box"}, "in": overlap(iou)}
            alike = {"$and": [alike, {"$let": boxes}]}
        again = {"$anyElementTrue": [{"$map": {"input": "$$value", "as": "s", "in": alike}}]}
        stays = {"$concatArrays": ["$$value", {"$cond": [again, [], ["$$l"]]}]}
        more = {"$let": {"vars": {"l": "$$this"}, "in": stays}}
        found = {"$reduce": {"input": "$$ordered", "initialValue": [], "in": more}}
        both = keep("$$some", {"$in": ["$$l._id", "$$found._id"]})
        for name, value in (("found", found), ("ordered", ordered)):
            both = {"$let": {"vars": {name: value}, "in": both}}
        few = {"$lt": [{"$size": "$$some"}, 2]}
        return {"$let": {"vars": {"some": labels}, "in": {"$cond": [few, "$$some", both]}}}

    @property
    def content(self) -> tuple[str, ...]:
        """The attributes that a person changes who relabels or redraws a label."""
        return ("label", *(() if self.is_of_whole_images else (self.geometry, *self.outlines)))


def _around_points(points: list[Any]) -> list[float] | None:
    """Returns the box around points, but for those that are not there."""
    xy = np.array([point for point in points if point is not None], dtype=float).reshape(-1, 2)
    xy = xy[np.isfinite(xy).all(axis=1)]
    if not len(xy):
        return None
    start, size = xy.min(axis=0), np.ptp(xy, axis=0)
    least = _LEAST * (size.max() or 1.0)
    if size.min() >= least:
        return [*start, *size]
    grown = np.maximum(size, least)
    centered = start - (grown - size) / 2
    within = (start >= 0) & (start + size <= 1)
    start = np.where(within, np.clip(centered, 0, 1 - grown), centered)
    return [*start, *grown]


def _around_shapes(shapes: list[Any]) -> list[float] | None:
    """Returns the box around all the shapes of a polyline."""
    return _around_points(list(chain.from_iterable(shapes)))


def _mask(mask: bytes | None, path: str | None) -> bytes | str | None:
    return bytes(mask) if mask is not None else path


def _area(shapes: Any, closed: bool | None, filled: bool | None) -> Any:
    """Returns the shapes of a polyline that has an area, as lists of points."""
    if not (closed or filled) or not shapes:
        return None
    return [[[float(x), float(y)] for x, y in shape] for shape in shapes]


def _as_it_is(box: Any) -> Any:
    return box


def _whole_image(_: Any) -> Any:
    return WHOLE_IMAGE


def _class(label: str) -> Expression:
    return {"$ifNull": [f"{label}.label", None]}


def _stored_points(path: str) -> Any:
    return box_around(path, _LEAST)


def _stored_shapes(path: str) -> Any:
    joined = {"$concatArrays": ["$$value", "$$this"]}
    points = {"$reduce": {"input": path, "initialValue": [], "in": joined}}
    return box_around(points, _LEAST)


# where the mask of a detection is: in its document, or the path of its file
MASKS = ("mask", "mask_path")
_BOX = ("bounding_box", _as_it_is, _as_it_is, MASKS)
_SHAPES = ("points", _around_shapes, _stored_shapes, ("points", "closed", "filled"))
_POINTS = ("points", _around_points, _stored_points)
_IMAGE = ("id", _whole_image, _as_it_is)

LABEL_TYPES: dict[type, LabelType] = {
    one.document: one
    for one in (
        LabelType(fo.Detections, "detections", *_BOX),
        LabelType(fo.Detection, None, *_BOX),
        LabelType(fo.Polylines, "polylines", *_SHAPES),
        LabelType(fo.Polyline, None, *_SHAPES),
        LabelType(fo.Keypoints, "keypoints", *_POINTS),
        LabelType(fo.Keypoint, None, *_POINTS),
        LabelType(fo.Classifications, "classifications", *_IMAGE),
        LabelType(fo.Classification, None, *_IMAGE),
    )
}
# a field of one label → one of any number of the same
_LISTED = {
    fo.Detection: fo.Detections,
    fo.Polyline: fo.Polylines,
    fo.Keypoint: fo.Keypoints,
    fo.Classification: fo.Classifications,
}

_MAKE_INSTANCES = (
    "fiftyone.utils.labels.segmentations_to_detections(dataset, '{field}', '{field}_instances', "
    "mask_types='thing')"
)
# type → what a field of it holds, and what to do instead
_NO_PATCHES: dict[type, tuple[str, str]] = {
    fo.Segmentation: (
        "semantic segmentation, which has no instances",
        f"make them with {_MAKE_INSTANCES}, and choose that field",
    ),
    fo.Heatmap: (
        "heatmaps, which have no instances",
        "make a Segmentation of what is above a threshold, its instances with "
        "fiftyone.utils.labels.segmentations_to_detections, and choose their field",
    ),
    fo.TemporalDetections: ("events of videos", "choose labels of images or of frames"),
    fo.TemporalDetection: ("events of videos", "choose labels of images or of frames"),
    fo.Regression: ("numbers, which have no classes", "color a map by them instead"),
    fo.GeoLocation: ("places, which have no classes", "choose a field of labels"),
    fo.GeoLocations: ("places, which have no classes", "choose a field of labels"),
}


def label_type_of(field: Any) -> LabelType | None:
    """Returns the type of a field of a schema, None where its content is no patches."""
    return LABEL_TYPES.get(getattr(field, "document_type", None))  # type: ignore[arg-type]


def check_label_type(field: Any, name: str, others: list[str]) -> LabelType:
    """Returns the type of a field of a schema.

    Args:
        field: the field, None where there is none of that name
        name: its name
        others: the fields that could be chosen instead

    Raises:
        UnknownField: if there is no such field, or its content is no patches
    """
    advice = (
        f"choose one of {', '.join(others)}" if others else "add a field of labels to the dataset"
    )
    if field is None:
        raise UnknownField(f"There is no field '{name}' in this dataset: {advice}.")
    if (found := label_type_of(field)) is not None:
        return found
    holds, instead = _NO_PATCHES.get(
        getattr(field, "document_type", None),  # type: ignore[arg-type]
        ("no labels of images", advice),
    )
    raise UnknownField(f"'{name}' holds {holds}: {instead.format(field=name)}.")


def mean_confidence(stored: Any) -> float:
    """Returns a label's confidence, NaN where it has none: of keypoints, which have one for each
    point, the mean."""
    if isinstance(stored, list):
        known = [one for one in stored if one is not None and one == one]
        return float(np.mean(known)) if known else np.nan
    return np.nan if stored is None else float(stored)


def no_box(name: str, in_3d: bool) -> str:
    """Says that no label of a field has a box."""
    if in_3d:
        return (
            f"'{name}' holds labels in 3D, which cannot be cropped from images: choose a field of "
            "labels in 2D."
        )
    return f"No label of '{name}' has a box or points: choose another field."
