"""The patch table: which labels a run is about, as parallel columns.

Everything in the engine speaks this table. This module imports no FiftyOne, so that the nodes of a
cluster need no database.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

WHOLE_IMAGE = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True, eq=False)
class PatchTable:
    """Parallel columns that describe ``n`` patches in ``m`` images.

    Attributes:
        patches_field: the label field the patches come from, of several the first; None for whole
            images
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
        other_fields: the further label fields, see :func:`join_tables`
        field_codes: (n,) int16 index of each patch's field in ``fields``, ascending; None where all
            are of one
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
    other_fields: tuple[str, ...] = ()
    field_codes: NDArray[np.int16] | None = None

    def __len__(self) -> int:
        return len(self.sample_ids)

    @property
    def ids(self) -> NDArray[np.str_]:
        """(n,) ids of the things that the patches show: labels, or samples for whole images."""
        return self.sample_ids if self.label_ids is None else self.label_ids

    @property
    def pairs(self) -> NDArray[np.str_]:
        """(n,) what tells every patch from all others, see :func:`pair_ids`."""
        return self._marked(pair_ids(self.sample_ids, self.label_ids))

    @property
    def names(self) -> NDArray[np.str_]:
        """(n,) the ids, those of a further field of the table followed by that field: one that was
        cloned has labels of the same ids."""
        return self._marked(self.ids)

    def _marked(self, ids: NDArray[np.str_]) -> NDArray[np.str_]:
        if self.field_codes is None:
            return ids
        marks = np.array(["", *map(mark_of, self.other_fields)])
        return np.char.add(ids, marks[self.field_codes])

    @property
    def fields(self) -> tuple[str, ...]:
        """The label fields that the patches come from, none for whole images."""
        return () if self.patches_field is None else (self.patches_field, *self.other_fields)

    @property
    def labels(self) -> NDArray[np.object_]:
        """(n,) object column of labels, None where a patch has none."""
        with_none: NDArray[np.object_] = np.array([*self.classes, None], dtype=object)
        return with_none[self.codes]

    @property
    def of_whole_images(self) -> bool:
        """Whether every patch is its whole image, so that no box tells anything."""
        return bool((self.boxes == WHOLE_IMAGE).all())

    def parts(self) -> Iterator[tuple[PatchTable, slice]]:
        """Yields the table of each field, and which rows those are here."""
        if self.field_codes is None:
            yield self, slice(0, len(self))
            return
        starts = np.searchsorted(self.field_codes, np.arange(len(self.fields) + 1)).tolist()
        for code, field in enumerate(self.fields):
            rows = slice(starts[code], starts[code + 1])
            part = replace(self, patches_field=field, other_fields=(), field_codes=None)
            yield part.take(rows), rows

    def take(self, rows: NDArray[Any] | slice) -> PatchTable:
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
            other_fields=self.other_fields,
            field_codes=None if self.field_codes is None else self.field_codes[rows],
        )

    def box_problems(self) -> dict[str, str]:
        """Returns ``{name: reason}`` for every patch whose box cannot be cropped."""
        names = self.names
        return {str(names[row]): reason for row, reason in self.unusable_boxes().items()}

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


def mark_of(field: str) -> str:
    """Returns what follows the pair of a label that is of a further field of a table: a field that
    was cloned has labels of the same ids."""
    return f"/{field}"


def join_tables(tables: Sequence[PatchTable], fields: Sequence[str | None]) -> PatchTable:
    """Joins the tables of several fields of the same samples, one field after the other.

    Args:
        tables: a table of each field
        fields: the fields, of which the first is the ``patches_field`` of what is joined; None for
            whole images, which are joined with nothing

    Returns:
        the table, in which each image and each class is listed once; the only table as it is
    """
    first, *others = fields
    if not others:
        return replace(tables[0], patches_field=first)
    place_of = {path: place for place, path in enumerate(_distinct(t.filepaths for t in tables))}
    classes = sorted(_distinct(table.classes for table in tables))
    code_of = {name: code for code, name in enumerate(classes)}
    media, codes, outlines = [], [], []
    for table in tables:
        places = np.array([place_of[path] for path in table.filepaths.tolist()], np.int32)
        media.append(places[table.media])
        # a label without a class has the code -1, which is the last here
        known = np.array([*(code_of[name] for name in table.classes.tolist()), -1], np.int32)
        codes.append(known[table.codes])
        none = np.full(len(table), None, dtype=object)
        outlines.append(none if table.outlines is None else table.outlines)
    numbers = [len(table) for table in tables]
    return PatchTable(
        patches_field=first,
        sample_ids=np.concatenate([table.sample_ids for table in tables]),
        label_ids=np.concatenate([table.ids for table in tables]),
        media=np.concatenate(media),
        filepaths=np.array(list(place_of), dtype=object),
        boxes=np.concatenate([table.boxes for table in tables]),
        codes=np.concatenate(codes),
        classes=np.array(classes, dtype=object),
        confidences=np.concatenate([table.confidences for table in tables]),
        outlines=None if all(t.outlines is None for t in tables) else np.concatenate(outlines),
        other_fields=tuple(map(str, others)),
        field_codes=np.repeat(np.arange(len(fields), dtype=np.int16), numbers),
    )


def _distinct(columns: Iterator[NDArray[np.object_]]) -> list[Any]:
    """Returns the values of some columns, each once."""
    return list(dict.fromkeys(chain.from_iterable(column.tolist() for column in columns)))
