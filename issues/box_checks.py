"""What is conspicuous about the boxes of a field, and its masks: found, told, and written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Event

import fiftyone as fo
import numpy as np
from numpy.typing import NDArray

from ..core.errors import InvalidParameter
from ..core.progress import WRITING, Progress
from ..core.sentences import count
from ..dataset.patches import (
    PatchTable,
    is_of_whole_images,
    label_path,
    list_masked,
    match_ids,
    read_stored,
)
from ..dataset.schema import check_attributes
from ..dataset.storage import locate
from .attributes import ATTRIBUTES, GEOMETRY, OWNER
from .geometry import GEOMETRY_KINDS, count_geometry, find_geometry, name_geometry
from .masks import MASK_KINDS, find_masks
from .reading import read_image_sizes
from .writing import write_columns, writing_alone

# masks take memory, and their progress is told after so many images
_MASKED_AT_ONCE = 200


@dataclass(frozen=True)
class BoxCheck:
    """What :func:`check_boxes` found and wrote.

    Attributes:
        patches_field: the field
        checked: how many labels it has
        geometry: ``{name: labels}`` of what is conspicuous about boxes, and masks if there are any
    """

    patches_field: str
    checked: int
    geometry: dict[str, int]

    def summary(self) -> str:
        """Returns two sentences that tell what was found."""
        return f"{count(self.checked, 'label')} checked. {describe_geometry(self.geometry)}"


def check_boxes(
    samples: fo.core.collections.SampleCollection,
    patches_field: str,
    *,
    progress: Callable[[float, str], None] | None = None,
    cancelled: Event | None = None,
) -> BoxCheck:
    """Writes what is conspicuous about the boxes of a field, and about their masks, into its
    labels; it needs no visualization.

    :func:`labelvet.issues.find.find_label_issues` writes the same.

    Args:
        samples: the dataset, or any view of it; all labels of the field are checked
        patches_field: a field whose labels have boxes
        progress: called with the finished fraction and a line on what happens
        cancelled: once set, the call ends, unless it is writing already

    Returns:
        the :class:`BoxCheck`

    Raises:
        LabelvetError: see :mod:`labelvet.core.errors`; nothing was written then
    """
    dataset = samples._root_dataset
    dataset.reload()
    tracker = Progress(progress, cancelled)
    storage = locate(dataset, patches_field)
    field, attributes = storage.path(patches_field), {GEOMETRY: ATTRIBUTES[GEOMETRY]}
    if is_of_whole_images(dataset, field):
        raise InvalidParameter(f"The labels of '{field}' are of whole images: they have no boxes.")
    with tracker.stage("Reading labels", 0.2):
        check_attributes(storage, label_path(storage, storage.local(field)), attributes, OWNER)
        table = read_stored(storage, field)
    geometry = find_geometry_of(dataset, table, tracker, 0.4)
    with tracker.stage(WRITING, 0.4, len(table), "labels") as stage, writing_alone(dataset):
        columns = {GEOMETRY: name_geometry(geometry)}
        write_columns(dataset, table, columns, stage.advance, attributes)
    return BoxCheck(field, len(table), count_geometry(geometry))


def describe_geometry(geometry: Mapping[str, int]) -> str:
    """Returns a sentence on what is conspicuous about boxes, and one about masks if there are."""
    sentences = []
    for what, kinds in (("Boxes", GEOMETRY_KINDS), ("Masks", MASK_KINDS)):
        told = {name: geometry[name] for name in kinds if name in geometry}
        found = ", ".join(f"{number:,} {name}" for name, number in told.items() if number)
        if told:
            sentences.append(f"{what}: {found or 'nothing stands out'}.")
    return " ".join(sentences)


def find_geometry_of(
    dataset: fo.Dataset, table: PatchTable, progress: Progress, share: float
) -> dict[str, NDArray[np.bool_]]:
    """Finds what is conspicuous about the boxes of a table and, where any has one, the masks.

    Masks are read some images at a time, as all of them might not fit into memory.
    """
    storage, field = locate(dataset, table.patches_field), str(table.patches_field)
    # of groups, those of the images alone
    masked = sorted({*list_masked(storage, storage.local(field))} & {*table.sample_ids.tolist()})
    with progress.stage("Checking boxes", share, len(masked), "images with masks") as stage:
        geometry = find_geometry(table, read_image_sizes(dataset, table))
        pairs, found = [], []
        for start in range(0, len(masked), _MASKED_AT_ONCE):
            ids = masked[start : start + _MASKED_AT_ONCE]
            some = read_stored(storage, field, ids, outlines=True)
            pairs.append(some.pairs)
            found.append(find_masks(some))
            stage.advance(len(ids))
    if masked:
        rows, others = match_ids(table.pairs, np.concatenate(pairs))
        for name in MASK_KINDS:
            geometry[name] = np.zeros(len(table), dtype=bool)
            geometry[name][rows] = np.concatenate([some[name] for some in found])[others]
    return geometry
