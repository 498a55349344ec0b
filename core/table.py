"""The patch table: which labels a run is about, as parallel columns.

Everything in the engine speaks this table. This module imports no FiftyOne, so that the nodes of a
cluster need no database.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

WHOLE_IMAGE = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True, eq=False)
class PatchTable:
    """Parallel columns that describe ``n`` patches in ``m`` images.

    Attributes:
        patches_field: the label field the patches come from, None for whole images
        sample_ids: (n,) ``<U24`` ids of the samples
        label_ids: (n,) ``<U24`` ids of the labels, None for whole images
        media: (n,) int32 index of each patch's image in ``filepaths``
        filepaths: (m,) object, the paths of the images, each listed once
        boxes: (n, 4) float64 ``[x, y, width, height]`` in units of the image's size, top-left
            origin; NaN where the label has no usable geometry
        codes: (n,) int32 index of each patch's label in ``classes``, -1 where it has none
        classes: (k,) object, the distinct labels, sorted
        confidences: (n,) float32, NaN where the label has none
        outlines: (n,) object, what of its box each label covers, see
            :mod:`labelvet.embeddings.outlines`; None where it says nothing of that, and for a table
            that was read without
    """

    patches_field: str | None
    sample_ids: NDArray[np.str_]
    label_ids: NDArray[np.str_] | None
    media: NDArray[np.int32]
    filepaths: NDArray[np.object_]
    boxes: NDArray[np.float64]
    codes: NDArray[np.int32]
    classes: NDArray[np.object_]
    confidences: NDArray[np.float32]
    outlines: NDArray[np.object_] | None = None

    def __len__(self) -> int:
        return len(self.sample_ids)

    @property
    def ids(self) -> NDArray[np.str_]:
        """(n,) ids of the things that the patches show: labels, or samples for whole images."""
        return self.sample_ids if self.label_ids is None else self.label_ids

    @property
    def pairs(self) -> NDArray[np.str_]:
        """(n,) what tells every patch from all others, see :func:`pair_ids`."""
        return pair_ids(self.sample_ids, self.label_ids)

    @property
    def labels(self) -> NDArray[np.object_]:
        """(n,) object column of labels, None where a patch has none."""
        with_none: NDArray[np.object_] = np.array([*self.classes, None], dtype=object)
        return with_none[self.codes]

    @property
    def of_whole_images(self) -> bool:
        """Whether every patch is its whole image, so that no box tells anything."""
        return bool((self.boxes == WHOLE_IMAGE).all())

    def take(self, rows: NDArray[Any]) -> PatchTable:
        """Returns the table of the given rows (indices or a boolean mask), images shared."""
        return PatchTable(
            patches_field=self.patches_field,
            sample_ids=self.sample_ids[rows],
            label_ids=None if self.label_ids is None else self.label_ids[rows],
            media=self.media[rows],
            filepaths=self.filepaths,
            boxes=self.boxes[rows],
            codes=self.codes[rows],
            classes=self.classes,
            confidences=self.confidences[rows],
            outlines=None if self.outlines is None else self.outlines[rows],
        )

    def box_problems(self) -> dict[str, str]:
        """Returns ``{id: reason}`` for every patch whose box cannot be cropped."""
        return {str(self.ids[row]): reason for row, reason in self.unusable_boxes().items()}

    def unusable_boxes(self) -> dict[int, str]:
        """Returns ``{row: reason}`` for every patch whose box cannot be cropped."""
        finite = np.asarray(np.isfinite(self.boxes).all(axis=1))
        x, y, width, height = np.where(finite[:, None], self.boxes, 0.0).T
        has_area = (width > 0) & (height > 0)
        visible = (x < 1) & (y < 1) & (x + width > 0) & (y + height > 0)
        problems: dict[int, str] = {}
        for bad, reason in (
            (~finite, "its box is missing or not a number"),
            (finite & ~has_area, "its box has no area"),
            (finite & has_area & ~visible, "its box lies outside the image"),
        ):
            problems.update((int(row), reason) for row in np.flatnonzero(bad))
        return problems

    def usable(self) -> NDArray[np.int64]:
        """Returns the rows of the patches whose boxes can be cropped."""
        return np.delete(np.arange(len(self)), list(self.unusable_boxes()))

    def extract(self, rows: NDArray[Any]) -> PatchTable:
        """Returns the table of the given rows with their images alone, to be sent elsewhere."""
        taken = self.take(rows)
        used, media = np.unique(taken.media, return_inverse=True)
        return replace(taken, media=media.astype(np.int32), filepaths=self.filepaths[used])


def pair_ids(sample_ids: Any, label_ids: Any) -> NDArray[np.str_]:
    """Returns (n,) ids of samples, each with its label's where there are labels: two samples may
    have labels of one id, as after samples were merged with their ids."""
    samples = np.asarray(sample_ids, dtype="<U24")
    return samples if label_ids is None else np.char.add(samples, np.asarray(label_ids, "<U24"))
