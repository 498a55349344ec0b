"""Labels of one track, which show one thing again and again: they count once.

Frames of a video hardly differ, so the most similar patches of a label are those of its own track,
and a wrong class that is repeated over a track would confirm itself. So a track is one look: it is
judged by the average of its patches that have the class of most, among the looks of other tracks,
and what has another class than most is judged by that.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .boxes import Pairs, overlapping
from .classes import SUGGESTED, ClassFit
from .numerics import unit_rows

# a class that the look does not name is as likely as this
_LEAST = 0.01
# what is followed overlaps itself in the next frame so much, and looks as similar (cosine)
_SAME_PLACE, _ALIKE = 0.5, 0.8
# so many pairs of embeddings are held at a time
_COMPARED = 4096


@dataclass(frozen=True, eq=False)
class Tracks:
    """The t tracks of n labels, of which a label without one is a track of its own.

    Attributes:
        of: (n,) int64 the track of each label
        codes: (t,) int32 the class that most of each have, -1 where none has a class
        counts: (t,) int64 how many have that class
        totals: (t,) int64 how many have a class
        alike: (n,) int64 how many of the label's track have its class
    """

    of: NDArray[np.int64]
    codes: NDArray[np.int32]
    counts: NDArray[np.int64]
    totals: NDArray[np.int64]
    alike: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.codes)

    def take(self, rows: NDArray[np.integer]) -> Tracks:
        """Returns the same tracks of the labels in another order, a permutation of their rows."""
        return replace(self, of=self.of[rows], alike=self.alike[rows])

    def differ(self, codes: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Returns which of the n labels have another class than most of their track."""
        return np.asarray((codes >= 0) & (codes != self.codes[self.of]))

    def average(
        self, codes: NDArray[np.int32], vectors: NDArray[np.float32]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Returns what stands for each track.

        Args:
            codes: (n,) int32 the labels' classes
            vectors: (n, d) float32 their embeddings

        Returns:
            (t,) the label that is the nearest to the average of those with the class of most, and
            (t, d) float32 that average of unit vectors
        """
        from scipy.sparse import csr_array

        members = np.flatnonzero(codes == self.codes[self.of])
        of, units = self.of[members], unit_rows(vectors[members])
        cells = of, np.arange(len(members))
        sums = csr_array((np.ones(len(members), np.float32), cells), (len(self), len(of))) @ units
        averages = sums / np.bincount(of)[:, None].astype(np.float32)
        similar = np.einsum("ij,ij->i", units, averages[of])
        return members[_last_of_each(np.lexsort((-members, similar, of)), of)], averages

    def spread(self, fit: ClassFit, codes: NDArray[np.int32]) -> ClassFit:
        """Returns how the n labels fit, by how their tracks do.

        A label that has another class than most is as likely right as the look of the track says
        that it should have that class, times how many of the track have it, against the same of
        the class of most.

        Args:
            fit: of the t tracks
            codes: (n,) int32 the labels' classes
        """
        wrong, fits = fit.wrong[self.of], fit.fits[self.of]
        suggested, chances = fit.suggested[self.of], fit.chances[self.of]
        wrong[codes < 0], fits[codes < 0] = np.nan, np.nan
        rows = np.flatnonzero(self.differ(codes))
        track, own = self.of[rows], codes[rows]
        # where the look says nothing, the numbers are left
        looked = np.isfinite(fits[rows])
        most_right = np.where(looked, fits[rows], 1.0)
        likely = (1 - most_right)[:, None] * chances[rows]
        is_own = suggested[rows] == own[:, None]
        own_likely = np.where(looked, np.maximum(np.where(is_own, likely, 0).sum(1), _LEAST), 1)
        own_likely = own_likely * self.alike[rows]
        # the class of most is one that the label should have, and its own is not
        classes = np.column_stack([self.codes[track], suggested[rows]])
        likely = np.column_stack([most_right * self.counts[track], likely])
        likely[classes == own[:, None]] = 0
        others = likely.sum(axis=1)
        order = np.argsort(-likely, axis=1, kind="stable")[:, :SUGGESTED]
        classes = np.take_along_axis(classes, order, 1)
        likely = np.take_along_axis(likely, order, 1)
        suggested[rows] = np.where(likely > 0, classes, -1)
        wrong[rows] = others / (others + own_likely)
        chances[rows] = likely / np.maximum(others, 1e-12)[:, None]
        fits[rows] = 1 - wrong[rows]
        return ClassFit(wrong, fits, suggested, chances, fit.certain)


def find_tracks(codes: NDArray[np.int32], numbers: NDArray[np.int64]) -> Tracks:
    """Finds the tracks of n labels, in the order of their first labels.

    Args:
        codes: (n,) int32 the labels' classes, -1 for none
        numbers: (n,) the number of each one's track, -1 for none
    """
    n, k = len(codes), int(codes.max(initial=-1)) + 2
    alone = np.arange(n) + int(numbers.max(initial=-1)) + 1
    _, first, of = np.unique(
        np.where(numbers >= 0, numbers, alone), return_index=True, return_inverse=True
    )
    of = np.argsort(np.argsort(first))[of]
    cells, cell, sizes = np.unique(of * k + codes + 1, return_inverse=True, return_counts=True)
    track, code = np.divmod(cells, k)
    # of as many, the first class
    best = _last_of_each(np.lexsort((-code, sizes, code > 0, track)), track)
    totals = np.bincount(track, np.where(code > 0, sizes, 0)).astype(np.int64)
    return Tracks(of, (code[best] - 1).astype(np.int32), sizes[best], totals, sizes[cell])


def link_frames(
    moments: NDArray[np.int64],
    boxes: NDArray[np.float64],
    vectors: NDArray[np.float32],
    numbers: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Follows labels without a track from each frame to the next one.

    Two labels are of one thing where each overlaps the other the most, by at least half, and their
    patches look alike.

    Args:
        moments: (n,) the frames of all videos one after the other, with a gap between videos
        boxes: (n, 4) the labels' boxes
        vectors: (n, d) float32 their embeddings
        numbers: (n,) the number of each one's track, -1 for none

    Returns:
        (n,) the same, with numbers for the labels that were followed
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    rows = np.flatnonzero(numbers < 0)
    now, boxes = moments[rows], boxes[rows]
    pairs = overlapping(now, boxes, now - 1, boxes)
    pairs = pairs.take(pairs.iou >= _SAME_PLACE)
    alike = np.zeros(len(pairs.rows), dtype=bool)
    for start in range(0, len(alike), _COMPARED):
        some = slice(start, start + _COMPARED)
        one, other = (unit_rows(vectors[rows[side[some]]]) for side in (pairs.rows, pairs.others))
        alike[some] = np.einsum("ij,ij->i", one, other) >= _ALIKE
    pairs = pairs.take(alike)
    n = len(rows)
    back = Pairs(pairs.others, pairs.rows, pairs.iou, pairs.around, pairs.inside)
    each = np.arange(len(pairs.rows))
    mutual = (pairs.best(pairs.iou, n)[pairs.rows] == each) & (
        back.best(pairs.iou, n)[pairs.others] == each
    )
    ends = pairs.rows[mutual], pairs.others[mutual]
    links = coo_array((np.ones(len(ends[0]), dtype=bool), ends), (n, n))
    linked = numbers.copy()
    linked[rows] = connected_components(links, directed=False)[1] + numbers.max(initial=-1) + 1
    return linked


def _last_of_each(order: NDArray[np.int64], groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """Returns the last of each group in an order that sorts by group."""
    return np.asarray(order[np.flatnonzero(np.diff(groups[order], append=-1))])
