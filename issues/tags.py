"""Suspicion where images have several classes: which are not in the image, and which are missed.

Classes that an image has together are no alternatives. So for each image and class it is decided
whether the image has it (:mod:`.tag_fit`): a label of a class that it most likely does not have is
spurious, and a class that it most likely has without a label is missed.

Everything is computed in the order of the ids of images and labels, so that it does not depend on
the order of the rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from ..core.progress import Progress
from ..core.sentences import agree, count
from ..core.table import PatchTable
from .classes import SUGGESTED
from .embedding_evidence import SHOWN_NEIGHBORS, check_embeddings, find_neighbors, look_of
from .kinds import BACKGROUND, BADLY_PLACED, DUPLICATE, KINDS, RIGHT
from .reasons import reason_of
from .suspicion import SHOWN_EXAMPLES, Suspicion, restore, telling_confidences
from .tag_clues import CLUES, TaggedImages
from .tag_fit import STEPS, TagFit, fit_tags, weigh_confidences

if TYPE_CHECKING:
    from scipy.sparse import csr_array

# a class that is there twice is a duplicate as a box is that covers another of its class
_TWICE = float(expit(8.0))
# fewer images cannot be compared
_FEWEST = 3
# a class goes with another, or does not, from this many images and this ratio on
_ENOUGH, _OFTEN = 10, 3.0


@dataclass(frozen=True, eq=False)
class MissedTag:
    """A class that an image probably has, and that nobody said it has.

    Attributes:
        sample_id: the image
        label: the class
        probability: how probably it has it
        reason: a sentence on what speaks for it
    """

    sample_id: str
    label: str
    probability: float
    reason: str


@dataclass(frozen=True, eq=False)
class SuspectedTags:
    """What is suspected of m labels of n images.

    Attributes:
        found: of the labels, in the order of their table
        missed: the classes that are probably missed, by image
        reasons: what speaks against the labels
    """

    found: Suspicion
    missed: list[MissedTag]
    reasons: TagReasons


def has_tags(table: PatchTable) -> bool:
    """Whether labels are of whole images, of which some have several classes."""
    if not table.of_whole_images:
        return False
    classes = np.unique(np.char.add(table.sample_ids, table.codes.astype("<U11")))
    return len(classes) > len(np.unique(table.sample_ids))


def find_tag_suspects(
    table: PatchTable,
    vectors: NDArray[np.float32],
    rejected: NDArray[np.bool_] | None = None,
    others: PatchTable | None = None,
    *,
    progress: Progress | None = None,
    share: float = 1.0,
) -> SuspectedTags:
    """Judges every class that images are said to have by their embeddings, the most similar images,
    their other classes, and the confidence, and finds classes that are missed.

    Args:
        table: m labels of whole images
        vectors: (m, d) float32 their embeddings; an image is where its labels are on average
        rejected: (m + o,) which labels and others were rejected: they say nothing of their image,
            and what they say is not missed
        others: o further labels of the same images and the same classes, which have no embedding
            and are not judged
        progress: where to report, as stages that take ``share`` of the whole
        share: see ``progress``

    Raises:
        InvalidParameter: if the embeddings do not fit the table, or are not numbers
    """
    check_embeddings(table, vectors)
    progress = progress or Progress()
    others = table.take(slice(0)) if others is None else others
    left = np.ones(len(table) + len(others), dtype=bool) if rejected is None else ~rejected
    order = np.argsort(table.ids, kind="stable")
    labels, left = table.take(order), np.concatenate([left[order], left[len(table) :]])
    cells = _Cells.of(labels, others, left)
    averages = _averages(cells.image, vectors, order)
    with progress.stage("Finding neighbors", share * 0.6) as stage:
        near, similarities = find_neighbors(averages, report=stage.set)
    images = TaggedImages(cells.tags, averages, near, similarities)
    with progress.stage("Judging labels", share * 0.4, STEPS, "steps") as stage:
        enough = len(images) >= _FEWEST and images.num_classes > 0
        fit = fit_tags(images, advance=stage.advance) if enough else _unknown(images)
        found = _judge(labels, left, cells, images, fit)
    reasons = TagReasons(labels, cells, images, found, order)
    missed = fit.missed.tocoo()
    names = [
        MissedTag(
            str(cells.samples[image]),
            cells.name(labels, code),
            round(float(probability), 4),
            reasons.missed(image, code),
        )
        for image, code, probability in zip(
            *(coordinate.tolist() for coordinate in missed.coords), missed.data, strict=True
        )
    ]
    return SuspectedTags(restore(found, order), names, reasons)


@dataclass(frozen=True, eq=False)
class _Cells:
    """Which cells of ``tags`` the labels are in.

    Attributes:
        samples: (n,) ids of the images, sorted
        used: (k,) the classes, as codes of the table
        image: (m,) the image of each label
        code: (m,) the class of each label, -1 for none
        cell: (m,) its cell, -1 for none
        tags: see :class:`TaggedImages`
    """

    samples: NDArray[np.str_]
    used: NDArray[np.int32]
    image: NDArray[np.int64]
    code: NDArray[np.int64]
    cell: NDArray[np.int64]
    tags: csr_array

    @classmethod
    def of(cls, labels: PatchTable, others: PatchTable, left: NDArray[np.bool_]) -> _Cells:
        from scipy.sparse import csr_array

        m, samples = len(labels), np.unique(labels.sample_ids)
        image = np.searchsorted(samples, np.append(labels.sample_ids, others.sample_ids))
        of_all = np.append(labels.codes, others.codes)
        labeled = of_all >= 0
        used, codes = np.unique(of_all[labeled], return_inverse=True)
        n, k = len(samples), len(used)
        keys, places = np.unique(image[labeled] * k + codes, return_inverse=True)
        said = np.zeros(len(keys), dtype=np.float32)
        np.maximum.at(said, places, left[labeled].astype(np.float32))
        starts = np.searchsorted(keys, np.arange(n + 1) * k)
        code, cell = (np.full(len(of_all), -1, dtype=np.int64) for _ in range(2))
        code[labeled], cell[labeled] = codes, places
        tags = csr_array((said, keys % max(k, 1), starts), shape=(n, k))
        return cls(samples, used, image[:m], code[:m], cell[:m], tags)

    def name(self, labels: PatchTable, code: int) -> str:
        """Returns the name of a class."""
        return str(labels.classes[self.used[code]])


def _averages(
    image: NDArray[np.int64], vectors: NDArray[np.float32], order: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Returns the mean embedding of each image, whose labels may have embeddings of their own."""
    from scipy.sparse import csr_array

    weights = (1 / np.bincount(image)[image]).astype(np.float32)
    means = csr_array((weights, (image, order)), shape=(image.max() + 1, len(vectors))) @ vectors
    return np.asarray(means, dtype=np.float32)


def _unknown(images: TaggedImages) -> TagFit:
    from scipy.sparse import csr_array

    cells = images.tags.nnz
    nothing = csr_array(images.tags.shape, dtype=np.float32)
    clues = np.zeros((len(CLUES), cells), dtype=np.float32)
    return TagFit(np.zeros(cells, dtype=np.float32), clues, nothing, certain=True)


def _judge(
    labels: PatchTable,
    left: NDArray[np.bool_],
    cells: _Cells,
    images: TaggedImages,
    fit: TagFit,
) -> Suspicion:
    m, labeled = len(labels), cells.cell >= 0
    confidences = telling_confidences(labels)
    wrong = np.zeros(m, dtype=np.float32)
    wrong[labeled] = fit.wrong[cells.cell[labeled]]
    wrong[labeled] = weigh_confidences(wrong[labeled], confidences[labeled])
    original = _originals(labels, left, cells)
    twice = np.where(original >= 0, _TWICE, 0.0)
    kinds = np.zeros((m, len(KINDS)))
    kinds[:, DUPLICATE] = twice
    kinds[:, BACKGROUND] = (1 - twice) * wrong
    kinds[:, RIGHT] = (1 - twice) * (1 - wrong)
    known = np.ones(len(KINDS), dtype=bool)
    known[BADLY_PLACED] = False
    clues = np.zeros((m, len(fit.clues)))
    clues[labeled] = fit.clues[:, cells.cell[labeled]].T
    odds = logit(np.clip(1 - kinds[:, RIGHT], 1e-6, 1 - 1e-6))
    look = look_of(images.vectors)[cells.image]
    return Suspicion(
        kinds=kinds.astype(np.float32),
        known=known,
        class_known=np.zeros(m, dtype=bool),
        suggested=np.full((m, SUGGESTED), -1, dtype=np.int32),
        missed=np.full(m, np.nan, dtype=np.float32),
        original=original,
        overlap=(original >= 0).astype(np.float32),
        better_boxes=np.full((m, 4), np.nan, dtype=np.float32),
        holder=np.full(m, -1, dtype=np.int32),
        neighbors=_near_labels(cells, images),
        examples=np.full((m, SHOWN_EXAMPLES), -1, dtype=np.int32),
        clues=np.column_stack([odds, clues, look]).astype(np.float32),
        look=look.shape[1],
        certain=fit.certain or bool(np.isfinite(confidences).any()),
        notes=_notes(labels, images),
    )


def _notes(labels: PatchTable, images: TaggedImages) -> list[str]:
    if len(images) < _FEWEST:
        return ["There are too few images to compare."]
    notes = []
    if without := int((labels.codes < 0).sum()):
        have = agree(without, "has", "have")
        notes.append(f"{count(without, 'label')} {have} no class, which cannot be checked.")
    if lonely := int((images.tags.sum(axis=0) == 1).sum()):
        notes.append(
            f"{lonely:,} of {images.num_classes:,} classes {agree(lonely, 'has', 'have')} only one "
            "image, so nothing can confirm it."
        )
    return notes


def _originals(labels: PatchTable, left: NDArray[np.bool_], cells: _Cells) -> NDArray[np.int32]:
    """Returns the row of the most trusted label of a class in an image for its others, else -1."""
    trust = np.nan_to_num(labels.confidences, nan=1.0) + 2.0 * left[: len(labels)]
    order = np.lexsort((-trust, cells.cell))
    order = order[cells.cell[order] >= 0]
    cell = cells.cell[order]
    first = order[np.searchsorted(cell, cell)]
    original = np.full(len(labels), -1, dtype=np.int32)
    original[order] = np.where(first == order, -1, first)
    return original


def _near_labels(cells: _Cells, images: TaggedImages) -> NDArray[np.int32]:
    """Returns a label of each of the most similar images: that of the class, where it has one."""
    k = images.num_classes
    first = np.full(len(images), -1, dtype=np.int32)
    of_cell = np.full(images.tags.nnz, -1, dtype=np.int32)
    rows = np.arange(len(cells.image))[::-1]  # so that the first label stays
    first[cells.image[rows]] = rows
    of_cell[cells.cell[rows]] = rows
    keys = np.repeat(np.arange(len(images)), np.diff(images.tags.indptr)) * k + images.tags.indices
    near = images.neighbors[:, :SHOWN_NEIGHBORS].astype(np.int64)[cells.image]
    if not len(keys):
        return np.asarray(first[near])
    asked = near * k + cells.code[:, None]
    place = np.minimum(np.searchsorted(keys, asked), len(keys) - 1)
    has = (keys[place] == asked) & (cells.code >= 0)[:, None] & (of_cell[place] >= 0)
    return np.where(has, of_cell[place], first[near]).astype(np.int32)


class TagReasons:
    """The reasons for what was found of labels, and for what is missed.

    Args:
        labels: the labels, in the order of their ids
        cells: where they are
        images: the images
        found: what was found, in the same order
        order: the rows of the labels in the table that reasons are asked of
    """

    def __init__(
        self,
        labels: PatchTable,
        cells: _Cells,
        images: TaggedImages,
        found: Suspicion,
        order: NDArray[np.int64],
    ) -> None:
        self._labels, self._cells, self._images, self._found = labels, cells, images, found
        self._order, self._place = order, np.argsort(order)
        self._with = images.tags.tocsc()
        self._with.eliminate_zeros()  # rejected
        self._with.sort_indices()

    def reason(self, row: int) -> str:
        """Returns one sentence that says what speaks against the label of a row."""
        at = int(self._place[row])
        image, code = int(self._cells.image[at]), int(self._cells.code[at])
        named = self._named(code)
        if self._found.original[at] >= 0:
            parts = [f"the image has {named} more than once"]
        else:
            surely = "is probably not" if self._found.kinds[at, BACKGROUND] >= 0.5 else "may not be"
            have, among = self._votes(image, code)
            votes = [f"{self._of_similar(have, among)} it"] if 2 * have < among else []
            said = votes + self._company(image, code, against=True)
            parts = [f"{named} {surely} in the image: "
                     + "; ".join(said or ["it looks unlike others that have it"])]  # fmt: skip
        return reason_of(parts, self._labels.confidences[at])

    def evidence(self, row: int) -> NDArray[np.int32]:
        """Returns the rows that the reason speaks of: the most similar images', or the label that
        is repeated."""
        at = int(self._place[row])
        first = self._found.original[at]
        rows = self._found.neighbors[at] if first < 0 else np.array([first])
        return np.asarray(self._order[rows], dtype=np.int32)

    def missed(self, image: int, code: int) -> str:
        """Returns one sentence that says what speaks for a class that an image is said not to
        have."""
        have, among = self._votes(image, code)
        said = [] if 2 * have > among else self._company(image, code, against=False)
        said = [f"{self._of_similar(have, among)} it", *said]
        if 2 * have <= among:
            said.append("it looks like others that have it")
        return f"{self._named(code)} is probably in the image: {'; '.join(said)}."

    def _votes(self, image: int, code: int) -> tuple[int, int]:
        """How many of the most similar images have a class, and of how many."""
        near, images = self._images.neighbors[image], self._images_with(code)
        if not len(images):
            return 0, len(near)
        place = np.minimum(np.searchsorted(images, near), len(images) - 1)
        return int((images[place] == near).sum()), len(near)

    def _of_similar(self, have: int, among: int) -> str:
        return f"{have} of the {among} most similar images {agree(have, 'has', 'have')}"

    def _company(self, image: int, code: int, *, against: bool) -> list[str]:
        """What the class of the image that speaks the most for another one, or against it, says."""
        tags, n = self._images.tags, len(self._images)
        cells = slice(tags.indptr[image], tags.indptr[image + 1])
        others = tags.indices[cells][tags.data[cells] > 0]
        own = int(code in others)
        others = others[others != code]
        alone, together = self._together.diagonal(), self._together[code, others] - own
        among = alone[others] - 1
        usual = max(alone[code] - own, 1) / n
        rates = together / np.maximum(among, 1)
        odd = rates * _OFTEN < usual if against else (rates > _OFTEN * usual) & (2 * rates > 1)
        told = np.flatnonzero(odd & (among >= _ENOUGH))
        if not len(told):
            return []
        best = told[(among[told] if against else rates[told]).argmax()]
        have = int(together[best])
        with_it = self._named(int(others[best]))
        return [
            f"{have:,} of the {int(among[best]):,} other images with {with_it} "
            f"{agree(have, 'has', 'have')} it"
        ]

    def _images_with(self, code: int) -> NDArray[np.int32]:
        starts = self._with.indptr
        return np.asarray(self._with.indices[starts[code] : starts[code + 1]])

    @cached_property
    def _together(self) -> NDArray[np.float32]:
        """(k, k) how many images have both of two classes."""
        return np.asarray((self._with.T @ self._with).toarray())

    def _named(self, code: int) -> str:
        return f"'{self._cells.name(self._labels, code)}'" if code >= 0 else "a label without class"
