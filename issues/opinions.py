"""What other fields of the same images say of each label: a second opinion, or several.

A field is trusted as far as it proves right here: a box of it counts by how often boxes of its
confidence lie on a label of their class.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from ..core.table import PatchTable
from .boxes import Pairs, overlapping

# two boxes show one object from here on, and may do so from there on
SAME_OBJECT, SOME_OVERLAP = 0.5, 0.1
# a field whose boxes are the judged ones to this share is a copy
_COPY = 0.99
# a box that is trusted less is not suggested: what it mends it spoils elsewhere
_SUGGESTED = 0.2

OTHERS_EVIDENCE = (
    "same class", "other class", "anything near", "overlap of the class", "partly the class",
    "agrees", "contradicts",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Opinions:
    """What f other fields say of n labels.

    Attributes:
        names: the fields that were asked
        known: (n, f) whether each of them knows the label's class
        evidence: ``{name: (n,)}``, of ``OTHERS_EVIDENCE``; 0 where none was asked
        agreeing: (n,) int32 the field whose box of the label's class is trusted the most there, -1
            for none
        agreement: (n,) the greatest overlap with any box of the class of that field
        boxes: (n, 4) that box, NaN for none that is trusted
        opposing: (n,) int32 the field that has another class on it, -1 for none
        opposed: (n,) int32 code of that class, -1 for none
        classes: pairs of a label and another class that fields have on it: (p,) rows, (p,) codes
            and (p,) how much they say so, in [0, 1]
        notes: sentences on fields that say little
    """

    names: tuple[str, ...]
    known: NDArray[np.bool_]
    evidence: dict[str, NDArray[np.float64]]
    agreeing: NDArray[np.int32]
    agreement: NDArray[np.float64]
    boxes: NDArray[np.float64]
    opposing: NDArray[np.int32]
    opposed: NDArray[np.int32]
    classes: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]
    notes: list[str]

    @property
    def asked(self) -> NDArray[np.bool_]:
        """(n,) whether any of them knows the label's class."""
        return np.asarray(self.known.any(axis=1))

    def take(self, rows: NDArray[np.int64]) -> Opinions:
        """Returns what they say of some labels, each at most once."""
        place = np.full(len(self.known), -1)
        place[rows] = np.arange(len(rows))
        kept = place[self.classes[0]] >= 0
        labels, codes, weights = self.classes
        return Opinions(
            self.names, self.known[rows],
            {name: values[rows] for name, values in self.evidence.items()},
            self.agreeing[rows], self.agreement[rows], self.boxes[rows], self.opposing[rows],
            self.opposed[rows], (place[labels[kept]], codes[kept], weights[kept]), self.notes,
        )  # fmt: skip


def align(
    table: PatchTable, others: list[PatchTable], samples: Iterable[str] = ()
) -> tuple[PatchTable, list[PatchTable]]:
    """Gives tables the images and the classes of the first one, whose classes grow by theirs.

    Images are told apart by their samples, as each table counts them on its own; what lies in
    other samples is left out, but for those that are given.
    """
    classes = list(table.classes)
    code = {name: number for number, name in enumerate(classes)}
    image = dict(zip(table.sample_ids.tolist(), table.media.tolist(), strict=True))
    free = len(table.filepaths)
    for number, sample in enumerate(samples):
        image.setdefault(sample, free + number)
    aligned = []
    for other in others:
        for name in other.classes:
            if name not in code:
                code[name] = len(classes)
                classes.append(name)
        codes = np.array([*(code[name] for name in other.classes), -1], dtype=np.int32)
        media = np.array([image.get(sample, -1) for sample in other.sample_ids.tolist()], np.int32)
        rows = np.flatnonzero(media >= 0)
        aligned.append(replace(other, media=media, codes=codes[other.codes]).take(rows))
    names = np.array(classes, dtype=object)
    return replace(table, classes=names), [replace(other, classes=names) for other in aligned]


def ask(table: PatchTable, others: list[PatchTable]) -> Opinions:
    """Asks other fields about the labels of a table.

    Args:
        table: n labels
        others: other fields, with its images and classes (see :func:`align`)
    """
    n = len(table)
    notes: list[str] = []
    names: list[str] = []
    total = {name: np.zeros(n) for name in OTHERS_EVIDENCE}
    knowing: list[NDArray[np.bool_]] = []
    agreeing, opposing = np.full(n, -1, np.int32), np.full(n, -1, np.int32)
    opposed = np.full(n, -1, np.int32)
    support, opposition = np.zeros(n), np.zeros(n)
    agreement, boxes = np.zeros(n), np.full((n, 4), np.nan)
    said: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]] = []
    for other in others:
        name = f"'{other.patches_field}'"
        if not len(other):
            notes.append(f"{name} has no labels in these images and was not used.")
            continue
        known = np.isin(table.codes, np.unique(other.codes[other.codes >= 0]))
        if not known.any():
            notes.append(f"{name} has none of these classes and was not used.")
            continue
        pairs = overlapping(table.media, table.boxes, other.media, other.boxes)
        equal = table.codes[pairs.rows] == other.codes[pairs.others]
        if _is_copy(table, other, pairs, equal):
            notes.append(
                f"{name} has the same labels and was not used: a copy is not a second opinion."
            )
            continue
        same = equal & (table.codes[pairs.rows] >= 0)  # no class is not one class
        trust = _trust(other, pairs, same)[pairs.others]
        field = len(names)
        names.append(str(other.patches_field))
        for what, values in _evidence(n, pairs, same, trust).items():
            total[what] += np.where(known, values, 0)
        knowing.append(known)
        weight = trust * pairs.iou**2
        # where a box is trusted matters more than how much of a badly placed one it overlaps
        for_it = np.where(same & (pairs.iou >= SOME_OVERLAP), trust * np.sqrt(pairs.iou), 0)
        rows = np.flatnonzero(pairs.greatest(for_it, n) > support)
        best = pairs.best(for_it, n)[rows]
        support[rows], agreeing[rows] = for_it[best], field
        agreement[rows] = pairs.greatest(np.where(same, pairs.iou, 0), n)[rows]
        trusted = trust[best] >= _SUGGESTED
        boxes[rows] = np.where(trusted[:, None], other.boxes[pairs.others[best]], np.nan)
        against = ~same & (pairs.iou >= SAME_OBJECT) & (other.codes[pairs.others] >= 0)
        against_it = np.where(against, weight, 0)
        rows = np.flatnonzero(pairs.greatest(against_it, n) > opposition)
        best = pairs.best(against_it, n)[rows]
        opposition[rows], opposing[rows] = against_it[best], field
        opposed[rows] = other.codes[pairs.others[best]]
        some = np.flatnonzero(against)
        said.append((pairs.rows[some], other.codes[pairs.others[some]].astype(np.int64),
                     weight[some]))  # fmt: skip
    if not names:
        return _no_opinions(n, notes)
    known = np.stack(knowing, axis=1)
    count = np.maximum(known.sum(axis=1), 1)
    evidence = {what: values / count for what, values in total.items()}
    columns = [np.concatenate(column) for column in zip(*said, strict=True)]
    classes = (columns[0], columns[1], columns[2] / len(names))
    return Opinions(
        tuple(names), known, evidence, agreeing, agreement, boxes, opposing, opposed, classes,
        notes,
    )  # fmt: skip


def find_holders(
    table: PatchTable,
    opinions: Opinions,
    accepted: NDArray[np.bool_],
    misplaced: NDArray[np.bool_],
) -> NDArray[np.int32]:
    """Returns the label that has the object which another one would be moved to.

    To move a label there would repeat that label: it is the accepted one of its class that the
    suggested box overlaps by ``SAME_OBJECT`` or, where several would be moved to one box, the one
    that is the nearest.

    Args:
        table: n labels
        opinions: what other fields say of them
        accepted: (n,) which are accepted
        misplaced: (n,) which would be moved

    Returns:
        (n,) int32 rows, -1 for none
    """
    holder = np.full(len(table), -1, dtype=np.int32)
    moved = np.flatnonzero(misplaced & np.isfinite(opinions.boxes).all(axis=1))
    there, boxes, codes = np.flatnonzero(accepted), opinions.boxes[moved], table.codes
    pairs = overlapping(table.media[moved], boxes, table.media[there], table.boxes[there])
    ours, theirs = moved[pairs.rows], there[pairs.others]
    shown = (ours != theirs) & (codes[ours] == codes[theirs]) & (pairs.iou >= SAME_OBJECT)
    best = pairs.best(np.where(shown, pairs.iou, 0), len(moved))
    holder[moved[best >= 0]] = theirs[best[best >= 0]]
    free = np.flatnonzero(best < 0)
    if not len(free):
        return holder
    own = pairs.greatest(np.where(ours == theirs, pairs.iou, 0), len(moved))
    places = np.column_stack([table.media[moved[free]], codes[moved[free]], boxes[free]])
    place = np.unique(places, axis=0, return_inverse=True)[1].ravel()
    nearest = np.lexsort((-own[free], place))
    first = nearest[np.unique(place[nearest], return_index=True)[1]]
    away = first[place] != np.arange(len(free))
    holder[moved[free[away]]] = moved[free[first[place[away]]]]
    return holder


def _no_opinions(n: int, notes: list[str]) -> Opinions:
    """Returns the opinions of no field on n labels."""
    none = np.full(n, -1, np.int32)
    return Opinions(
        (), np.zeros((n, 0), dtype=bool), {name: np.zeros(n) for name in OTHERS_EVIDENCE}, none,
        np.zeros(n), np.full((n, 4), np.nan), none, none,
        (np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)), notes,
    )  # fmt: skip


def _evidence(
    n: int, pairs: Pairs, same: NDArray[np.bool_], trust: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    """Returns what one field says, in the order of ``OTHERS_EVIDENCE``."""
    close, part = pairs.iou >= SAME_OBJECT, pairs.iou >= SOME_OVERLAP
    weighed = trust * pairs.iou**2
    columns = (
        np.where(same, weighed, 0),
        np.where(~same, weighed, 0),
        np.where(part, trust, 0),
        np.where(same, pairs.iou, 0),
        np.where(same & part & ~close, trust, 0),
        np.where(same & close, trust, 0),
        np.where(~same & close, trust, 0),
    )
    return {
        name: pairs.greatest(column, n)
        for name, column in zip(OTHERS_EVIDENCE, columns, strict=True)
    }


def _trust(other: PatchTable, pairs: Pairs, same: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Returns how often labels of each one's confidence lie on a judged label of their class."""
    from sklearn.linear_model import LogisticRegression

    hit = np.zeros(len(other), dtype=bool)
    hit[pairs.others[same & (pairs.iou >= SAME_OBJECT)]] = True
    known = np.isfinite(other.confidences)
    share = np.full(len(other), (hit.sum() + 1) / (len(hit) + 2))
    sure = logit(np.clip(other.confidences[known].astype(np.float64), 0.01, 0.99))[:, None]
    if known.any() and sure.std() > 1e-6 and 0 < hit[known].sum() < known.sum():
        share[known] = LogisticRegression().fit(sure, hit[known]).predict_proba(sure)[:, 1]
    return share


def _is_copy(table: PatchTable, other: PatchTable, pairs: Pairs, same: NDArray[np.bool_]) -> bool:
    alike = same & (pairs.iou > 0.999)
    rows = np.unique(pairs.rows[alike])
    return len(table) == len(other) and len(rows) >= _COPY * len(table)
