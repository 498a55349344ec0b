"""Suspicion: how likely each label is wrong, in what way, why, and what it should be.

The parts are joined here: how well the class fits (:mod:`.classes`), what the label's own box and
confidence tell (:mod:`.evidence`), what other fields say (:mod:`.opinions`), and the model that
makes probabilities of them (:mod:`.kinds`). A review goes down the list of what is probably wrong
in any way, and learns (:mod:`labelvet.review.learning`).

Everything is computed in the order of the labels' ids, so that it does not depend on the order of
the rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from ..core.progress import Progress
from ..core.sentences import agree, count
from ..core.table import PatchTable
from ..embeddings.neighbors import NeighborGraph
from .class_clues import ClassedPatches
from .classes import STEPS, SUGGESTED, ClassFit, fit_classes
from .embedding_evidence import SHOWN_NEIGHBORS, check_embeddings, find_neighbors, look_of
from .evidence import OWN_EVIDENCE, OwnEvidence, gather
from .kinds import (
    BACKGROUND,
    BADLY_PLACED,
    DUPLICATE,
    KINDS,
    RIGHT,
    WRONG_CLASS,
    KindModel,
    kind_model,
)
from .missed import score_missed
from .numerics import unit_rows
from .opinions import Opinions, ask, find_holders
from .tracks import Tracks, find_tracks

# patches of the suggested class that a reviewer sees beside a label
SHOWN_EXAMPLES = 5

_COMPARED = 2048  # patches of a class that examples are looked for among
# a class that other fields have on a label counts so much beside the chance that the look gives it
_SAID = 2.0
# of fewer labels, wrong classes are ranked well, and the fit may take all of them for right
_FEW = 200
# without a confidence or other fields: how fast a label that covers another becomes its duplicate
_DUPLICATE_SLOPE, _DUPLICATE_OVERLAP = 20.0, 0.6


@dataclass(frozen=True, eq=False)
class Suspicion:
    """What is suspected of the n patches of a table, in its order.

    Attributes:
        kinds: (n, 5) float32 probability of each of :data:`labelvet.issues.kinds.KINDS`; rows add
            up to 1. What cannot be known in this dataset has none
        known: (5,) whether each kind can be known
        class_known: (n,) whether anything speaks for or against the label's class: labels of other
            classes, another field or, of whole images, the confidence
        suggested: (n, 3) int32 codes of the classes that it should be, the likeliest first, -1
            where there are no more
        missed: (n,) float32 probability that a label which is not accepted shows an object that no
            accepted one shows; NaN for those that are accepted
        original: (n,) int32 row of the label that this one covers, -1 where there is none
        overlap: (n,) float32 the overlap with it
        better_boxes: (n, 4) float32 where other fields have it, NaN where they have nothing, or
            what another label shows
        holder: (n,) int32 row of that other label, -1 where there is none
        neighbors: (n, up to 10) int32 rows of the most similar patches, nearest first: the evidence
        examples: (n, 5) int32 rows of patches of the suggested class, most similar first, -1 where
            there are no more; the evidence for the suggestion
        clues: (n, c) float32 what the model that learns from a review looks at: the log odds that
            the label is wrong, the evidence, and last the look of the patch in a few dimensions
        look: how many of the clues are the look
        certain: whether the share of wrong classes is known, or no more than what fits best
        notes: sentences on what cannot be known in this dataset
        tracks: the tracks that they were judged by, None where each was judged by itself
    """

    kinds: NDArray[np.float32]
    known: NDArray[np.bool_]
    class_known: NDArray[np.bool_]
    suggested: NDArray[np.int32]
    missed: NDArray[np.float32]
    original: NDArray[np.int32]
    overlap: NDArray[np.float32]
    better_boxes: NDArray[np.float32]
    holder: NDArray[np.int32]
    neighbors: NDArray[np.int32]
    examples: NDArray[np.int32]
    clues: NDArray[np.float32]
    look: int
    certain: bool
    notes: list[str] = field(default_factory=list)
    tracks: Tracks | None = None

    @property
    def suspicion(self) -> NDArray[np.float32]:
        """(n,) float32 probability that the label is wrong in any way."""
        return np.asarray(1 - self.kinds[:, RIGHT])

    @property
    def mislabeled(self) -> NDArray[np.float32]:
        """(n,) float32 probability that its class is wrong; NaN where it cannot be known."""
        return np.where(self.class_known, self.kinds[:, WRONG_CLASS], np.float32(np.nan))

    def evidence_of(self, name: str) -> NDArray[np.float32]:
        """Returns a column of the evidence, (n,), by its name in :mod:`.evidence`."""
        return np.asarray(self.clues[:, 1 + OWN_EVIDENCE.index(name)])

    @property
    def likeliest(self) -> NDArray[np.int64]:
        """(n,) index of the likeliest kind, ``RIGHT`` among them."""
        return np.asarray(self.kinds.argmax(axis=1))

    @cached_property
    def spread(self) -> NDArray[np.float64]:
        """(c,) what each clue is divided by where clues are compared."""
        spread = np.asarray(self.clues.std(axis=0), dtype=np.float64)
        count = self.clues.shape[1] - self.look
        spread[:count] = np.maximum(spread[:count], 1e-3)
        # the look's directions are scaled to the first one, not each by itself: noise stays small
        spread[count:] = 1.0
        return spread

    def probability(self, kind: int) -> NDArray[np.float32]:
        """Returns the probability of a kind, (n,) float32, NaN where it cannot be known."""
        if kind == WRONG_CLASS:
            return self.mislabeled
        column = self.kinds[:, kind]
        return column if self.known[kind] else np.full_like(column, np.nan)


def find_suspects(
    table: PatchTable,
    vectors: NDArray[np.float32],
    rejected: NDArray[np.bool_] | None = None,
    *,
    graph: NeighborGraph | None = None,
    opinions: Opinions | None = None,
    tracks: NDArray[np.int64] | None = None,
    progress: Progress | None = None,
    share: float = 1.0,
) -> Suspicion:
    """Judges every label of a table by its embedding, neighbors, class, confidence and box.

    Args:
        table: n patches of labels
        vectors: (n, d) float32 their embeddings
        rejected: (n,) which labels were rejected; with those of a low confidence they are what
            missed objects are looked for among
        graph: the neighbor graph of these embeddings where there is one, of any metric; up to
            30,000 labels an exact one is built anyhow, as it has more neighbors
        opinions: what other fields say of the labels
        tracks: (n,) the number of each label's track, -1 for none. A track is one look: it has one
            vote, and none on itself
        progress: where to report, as stages that take ``share`` of the whole
        share: see ``progress``

    Raises:
        InvalidParameter: if the patches are whole images, or the embeddings do not fit the table
    """
    check_embeddings(table, vectors)
    progress = progress or Progress()
    order = np.argsort(table.ids, kind="stable")
    with progress.stage("Finding neighbors", share * 0.6) as stage:
        # they mostly are in this order, and a copy takes as much memory again
        ordered = vectors if (np.diff(order) > 0).all() else vectors[order]
        labels = table.take(order)
        if tracks is None:
            looks = _Looks(labels, ordered)
            graph = graph.take(order) if graph is not None else None
        else:
            looks = _Looks.of_tracks(labels, ordered, find_tracks(labels.codes, tracks[order]))
            graph = None  # in which those of a track are neighbors
        neighbors = find_neighbors(looks.vectors, graph, stage.set)
    with progress.stage("Judging labels", share * 0.4, STEPS, "steps") as stage:
        judged = _judge(
            labels,
            ordered,
            looks,
            neighbors,
            rejected=rejected[order] if rejected is not None else np.zeros(len(table), dtype=bool),
            opinions=(opinions or ask(table, [])).take(order),
            advance=stage.advance,
        )
    return restore(judged, order)


@dataclass(frozen=True, eq=False)
class _Looks:
    """What classes are judged by: each label, or one label of each track.

    Attributes:
        table: t of n labels
        vectors: (t, d) float32
        tracks: the tracks of the n labels, None where each is judged by itself
        rows: (t,) which of the n labels they are, None for all
    """

    table: PatchTable
    vectors: NDArray[np.float32]
    tracks: Tracks | None = None
    rows: NDArray[np.int64] | None = None

    @classmethod
    def of_tracks(cls, table: PatchTable, vectors: NDArray[np.float32], tracks: Tracks) -> _Looks:
        rows, averages = tracks.average(table.codes, vectors)
        return cls(table.take(rows), averages, tracks, rows)

    def spread(
        self, fit: ClassFit, neighbors: NDArray[np.int32], codes: NDArray[np.int32]
    ) -> tuple[ClassFit, NDArray[np.int32]]:
        """Returns how all n labels fit, and the labels that are their neighbors."""
        if self.tracks is None or self.rows is None:
            return fit, neighbors
        rows = self.rows[neighbors].astype(np.int32)
        return self.tracks.spread(fit, codes), rows[self.tracks.of]


def _judge(
    table: PatchTable,
    vectors: NDArray[np.float32],
    looks: _Looks,
    nearest: tuple[NDArray[np.int32], NDArray[np.float32]],
    *,
    rejected: NDArray[np.bool_],
    opinions: Opinions,
    advance: Callable[[], None],
) -> Suspicion:
    notes: list[str] = []
    thing = "label" if looks.tracks is None else "track"
    fit = _fit_classes(looks.table, looks.vectors, *nearest, notes, advance=advance, thing=thing)
    fit, neighbors = looks.spread(fit, nearest[0], table.codes)
    confidences = telling_confidences(table)
    own = gather(table, confidences, fit, neighbors, rejected)
    sure = bool(np.isfinite(confidences).any())
    kinds, known = _kinds(own, opinions, fit, sure)
    if looks.tracks is not None:
        _blame_class(kinds, fit.wrong, looks.tracks.differ(table.codes))
    # other fields may have another class there
    class_known = np.isfinite(fit.wrong) | (opinions.opposed >= 0)
    if table.of_whole_images:
        kinds, known = _without_places(kinds, known)
        class_known |= kinds[:, WRONG_CLASS] > 0  # the confidence speaks against it
    else:
        # where no other class is known, what shows another object shows none of the known one
        kinds[~class_known, BACKGROUND] += kinds[~class_known, WRONG_CLASS]
        kinds[~class_known, WRONG_CLASS] = 0
        if not known.all():
            have = "all the same" if np.isfinite(table.confidences).any() else "no"
            notes.append(
                f"The labels have {have} confidence, so false positives cannot be told from true "
                "ones: only wrong classes and duplicates are looked for."
            )
    notes += opinions.notes
    if np.isfinite(fit.wrong).any() and len(looks.table) < _FEW and not opinions.names:
        notes.append(
            f"{count(len(looks.table), thing)} are too few to tell how many have a wrong class: "
            "what is said of the most suspicious ones may be far too low."
        )
    suggested = _suggest(fit, opinions, table)
    missed = score_missed(table, neighbors, fit.wrong, rejected)
    if table.of_whole_images:
        missed[:] = np.nan
    misplaced = kinds.argmax(axis=1) == BADLY_PLACED
    holder = find_holders(table, opinions, np.isnan(missed), misplaced)
    look = look_of(vectors)
    wrong = np.clip(1 - kinds[:, RIGHT], 1e-6, 1 - 1e-6)
    columns = [logit(wrong), *own.columns.values(), *opinions.evidence.values()]
    return Suspicion(
        kinds=kinds.astype(np.float32),
        known=known,
        class_known=class_known,
        suggested=suggested,
        missed=missed,
        original=own.original,
        overlap=own.overlap,
        better_boxes=np.where(holder[:, None] < 0, opinions.boxes, np.nan).astype(np.float32),
        holder=holder,
        neighbors=neighbors[:, :SHOWN_NEIGHBORS],
        examples=_examples(table.codes, suggested[:, 0], vectors, neighbors),
        clues=np.concatenate([np.stack(columns, axis=1), look], axis=1).astype(np.float32),
        look=look.shape[1],
        certain=fit.certain or sure or bool(opinions.names),
        notes=notes,
        tracks=looks.tracks,
    )


def telling_confidences(table: PatchTable) -> NDArray[np.float64]:
    """Returns the confidences, all NaN where they are all the same and say nothing."""
    confidences = table.confidences.astype(np.float64)
    sure = confidences[np.isfinite(confidences)]
    return confidences if len(sure) and np.ptp(sure) > 1e-6 else np.full(len(table), np.nan)


def _kinds(
    own: OwnEvidence, opinions: Opinions, fit: ClassFit, sure: bool
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Returns the probability of each kind, (n, 5), and which kinds can be known."""
    known = np.ones(len(KINDS), dtype=bool)
    if sure:
        kinds = kind_model("alone").judge(own.columns)
    else:
        kinds = _class_or_duplicate(own, fit)
        known[[BADLY_PLACED, BACKGROUND]] = bool(opinions.names)
    if opinions.asked.any():
        evidence = {**own.columns, **opinions.evidence}
        model: KindModel = kind_model("seconded" if sure else "annotated")
        kinds = np.where(opinions.asked[:, None], model.judge(evidence), kinds)
    return kinds, known


def _class_or_duplicate(own: OwnEvidence, fit: ClassFit) -> NDArray[np.float64]:
    """What can be told without a confidence, and with nobody to ask."""
    wrong = np.nan_to_num(fit.wrong.astype(np.float64), nan=0.0)
    duplicate = expit(_DUPLICATE_SLOPE * (own.overlap.astype(np.float64) - _DUPLICATE_OVERLAP))
    duplicate = np.where(own.original >= 0, duplicate, 0.0)
    kinds = np.zeros((len(wrong), len(KINDS)))
    kinds[:, DUPLICATE] = duplicate
    kinds[:, WRONG_CLASS] = (1 - duplicate) * wrong
    kinds[:, RIGHT] = 1 - kinds.sum(axis=1)
    return kinds


def _blame_class(
    kinds: NDArray[np.float64], wrong: NDArray[np.float32], rows: NDArray[np.bool_]
) -> None:
    """Makes a wrong class of some labels as likely as their track says, if that is more."""
    before = kinds[rows, WRONG_CLASS]
    most = np.maximum(before, wrong[rows])
    kinds[rows] *= ((1 - most) / np.maximum(1 - before, 1e-12))[:, None]
    kinds[rows, WRONG_CLASS] = most


def _without_places(
    kinds: NDArray[np.float64], known: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """What is wrong with a label of a whole image is its class: nothing can lie elsewhere."""
    kinds, known = kinds.copy(), known.copy()
    kinds[:, WRONG_CLASS] += kinds[:, BADLY_PLACED] + kinds[:, BACKGROUND]
    kinds[:, [BADLY_PLACED, BACKGROUND]] = 0
    known[[BADLY_PLACED, BACKGROUND]] = False
    return kinds, known


def _suggest(fit: ClassFit, opinions: Opinions, table: PatchTable) -> NDArray[np.int32]:
    """Returns the likeliest other classes, by the look and by what other fields have there."""
    said_rows, said_codes, weights = opinions.classes
    if not len(said_rows):
        return fit.suggested
    rows, place = np.nonzero(fit.suggested >= 0)
    k, n = len(table.classes), len(table)
    cells = np.concatenate([rows * k + fit.suggested[rows, place], said_rows * k + said_codes])
    scores = np.concatenate([fit.chances[rows, place], _SAID * weights])
    cells, where = np.unique(cells, return_inverse=True)
    of_row, codes = np.divmod(cells, k)
    order = np.lexsort((-np.bincount(where, scores), of_row))
    of_row, codes = of_row[order], codes[order]
    rank = np.arange(len(of_row)) - np.searchsorted(of_row, of_row, "left")
    first = rank < SUGGESTED
    suggested = np.full((n, SUGGESTED), -1, dtype=np.int32)
    suggested[of_row[first], rank[first]] = codes[first]
    return suggested


def _fit_classes(
    table: PatchTable,
    vectors: NDArray[np.float32],
    neighbors: NDArray[np.int32],
    similarities: NDArray[np.float32],
    notes: list[str],
    *,
    advance: Callable[[], None] = lambda: None,
    thing: str = "label",
) -> ClassFit:
    n = len(table)
    unknown = ClassFit(
        np.full(n, np.nan, np.float32),
        np.full(n, np.nan, np.float32),
        np.full((n, SUGGESTED), -1, np.int32),
        np.zeros((n, SUGGESTED), np.float32),
        certain=True,
    )
    labeled = table.codes >= 0
    if not labeled.all():
        without = int((~labeled).sum())
        have = agree(without, "has", "have")
        notes.append(f"{count(without, thing)} {have} no class, which cannot be checked.")
    used, codes = np.unique(table.codes[labeled], return_inverse=True)
    if len(used) < 2 or labeled.sum() < 3:
        notes.append(
            f"All {thing}s are of one class: no look tells a wrong class from a right one."
            if labeled.sum() >= 3
            else f"There are too few {thing}s to compare."
        )
        return unknown
    lonely = int((np.bincount(codes) == 1).sum())
    if lonely:
        notes.append(
            f"{lonely:,} of {len(used):,} classes {agree(lonely, 'has', 'have')} only one {thing}, "
            "which nothing can confirm: it is judged by how well the other classes fit."
        )
    if not labeled.all():
        neighbors, similarities = find_neighbors(vectors[labeled])
        table, vectors = table.take(labeled), vectors[labeled]
    found = fit_classes(
        ClassedPatches(
            codes.astype(np.int32), len(used), table.media, table.boxes, vectors, neighbors,
            similarities,
        ),
        advance,
    )  # fmt: skip
    unknown.wrong[labeled] = found.wrong
    unknown.fits[labeled] = found.fits
    unknown.suggested[labeled] = np.where(found.suggested >= 0, used[found.suggested], -1)
    unknown.chances[labeled] = found.chances
    return replace(unknown, certain=found.certain)


def _examples(
    codes: NDArray[np.int32],
    suggested: NDArray[np.int32],
    vectors: NDArray[np.float32],
    neighbors: NDArray[np.int32],
) -> NDArray[np.int32]:
    """Finds the patches of each label's suggested class that are most similar to it."""
    import torch

    n = len(codes)
    examples = np.full((n, SHOWN_EXAMPLES), -1, dtype=np.int32)
    fits = codes[neighbors] == suggested[:, None]
    first = np.argsort(~fits, axis=1, kind="stable")[:, :SHOWN_EXAMPLES]
    near = np.take_along_axis(neighbors, first, axis=1)
    examples[:, : near.shape[1]] = np.where(np.take_along_axis(fits, first, axis=1), near, -1)
    # the neighbors hold too few of a rare class: then all of it is compared
    for code in np.unique(suggested[(examples[:, -1] < 0) & (suggested >= 0)]).tolist():
        members = np.flatnonzero(codes == code)[:_COMPARED]
        units = torch.from_numpy(unit_rows(vectors[members])).T
        shown = min(SHOWN_EXAMPLES, len(members))
        lacking = np.flatnonzero((suggested == code) & (examples[:, -1] < 0))
        for rows in np.array_split(lacking, 1 + len(lacking) // _COMPARED):
            # a row's own length does not change which are the most similar to it
            best = (torch.from_numpy(vectors[rows]) @ units).topk(shown).indices
            examples[rows, :shown] = members[best.numpy()]
    return examples


def restore(judged: Suspicion, order: NDArray[np.int64]) -> Suspicion:
    """Puts what was judged in sorted order back into the table's order."""
    n = len(order)
    place = np.empty(n, dtype=np.int64)
    place[order] = np.arange(n)

    def rows(numbers: NDArray[np.int32]) -> NDArray[np.int32]:
        return np.where(numbers >= 0, order[numbers], -1).astype(np.int32)

    columns = (
        "kinds", "class_known", "suggested", "missed", "overlap", "better_boxes", "clues",
    )  # fmt: skip
    return replace(
        judged,
        original=rows(judged.original)[place],
        holder=rows(judged.holder)[place],
        neighbors=rows(judged.neighbors)[place],
        examples=rows(judged.examples)[place],
        tracks=None if judged.tracks is None else judged.tracks.take(place),
        **{name: getattr(judged, name)[place] for name in columns},
    )
