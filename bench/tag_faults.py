"""Images that have several classes, of which some are added and some are dropped, and how label
issues find them.

An image is composed of one to three things of different classes, each of which is in no other
image. Digits are laid over each other, and their pixels are the embedding. Of cut-outs the
embedding is the mean of theirs, as average pooling makes it. One class goes with the first: it is
three times as frequent beside it as any other.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import mean
from typing import Any

import numpy as np
from labelvet.core.table import WHOLE_IMAGE, PatchTable
from labelvet.issues.embedding_evidence import find_neighbors
from labelvet.issues.tag_clues import TaggedImages
from labelvet.issues.tag_fit import fit_tags
from labelvet.issues.tags import find_tag_suspects
from numpy.typing import NDArray
from scipy.sparse import csr_array

from .issues_baselines import multilabel_scores
from .issues_data import Labels
from .issues_measures import best_ranked, ranked
from .report import quick

SHARES = (0.02, 0.05, 0.1)
_MANY, _MANY_CLASSES, _DIMENSION = 50_000, 20, 512


@dataclass(frozen=True, eq=False)
class Tagged:
    """n images with any of k classes.

    Attributes:
        has: (n, k) bool which classes each has
        vectors: (n, d) float32
    """

    has: NDArray[np.bool_]
    vectors: NDArray[np.float32]


def compose(labels: Labels, seed: int, join: np.ufunc) -> Tagged:
    """Composes images of things that have one class each.

    Args:
        labels: the things
        seed: of the choice
        join: what makes the embedding of an image of those of its things: ``np.maximum`` lays
            pixels over each other, ``np.add`` of embeddings gives their mean
    """
    rng = np.random.default_rng(seed)
    codes, k = labels.table.codes, len(labels.table.classes)
    left = [rng.permutation(np.flatnonzero(codes == code)).tolist() for code in range(k)]
    images: list[list[int]] = []
    while True:
        free = np.array([len(of_class) for of_class in left], dtype=np.float64)
        if not free.any():
            break
        first = int(rng.choice(k, p=free / free.sum()))
        odds = free * np.where(np.arange(k) == (first + 1) % k, 3.0, 1.0)
        odds[first] = 0
        more = min(int(rng.integers(3)), int((odds > 0).sum()))
        codes_in = [first]
        if more:
            codes_in += rng.choice(k, more, replace=False, p=odds / odds.sum()).tolist()
        images.append([left[code].pop() for code in codes_in])
    has = np.zeros((len(images), k), dtype=bool)
    vectors = np.empty((len(images), labels.vectors.shape[1]), dtype=np.float32)
    for number, things in enumerate(images):
        has[number, codes[things]] = True
        vectors[number] = join.reduce(labels.vectors[things])
        if join is np.add:
            vectors[number] /= len(things)
    return Tagged(has, vectors)


def disturb(has: NDArray[np.bool_], share: float, seed: int) -> NDArray[np.bool_]:
    """Drops a share of the classes of images, and adds as many, each to an image that lacks it; an
    image keeps at least one, as it would not be on the map otherwise."""
    rng = np.random.default_rng(seed)
    said, count = has.copy(), round(share * has.sum())
    for cell in rng.permutation(np.flatnonzero(has)):
        image = cell // has.shape[1]
        if count and said[image].sum() > 1:
            said.flat[cell] = False
            count -= 1
    said.flat[rng.choice(np.flatnonzero(~has), round(share * has.sum()), replace=False)] = True
    return said


def _table_of(said: NDArray[np.bool_]) -> PatchTable:
    """Returns labels for the classes of images."""
    images, codes = np.nonzero(said)
    m = len(images)
    samples = np.array([f"{image:024x}" for image in range(len(said))])
    return PatchTable(
        patches_field="tags",
        sample_ids=samples[images],
        label_ids=np.array([f"{row:024x}" for row in range(m)]),
        media=images.astype(np.int32),
        filepaths=np.array([f"{image}.jpg" for image in range(len(said))], dtype=object),
        boxes=np.tile(np.array(WHOLE_IMAGE), (m, 1)),
        codes=codes.astype(np.int32),
        classes=np.array([f"c{code:03}" for code in range(said.shape[1])], dtype=object),
        confidences=np.full(m, np.nan, dtype=np.float32),
    )


def tag_faults(things: dict[str, tuple[Labels, np.ufunc]]) -> dict[str, Any]:
    """Measures how added and dropped classes are found, by ours and by cleanlab's best score.

    Args:
        things: what images are composed of, and what joins their embeddings, by name
    """
    figures: dict[str, Any] = {
        name: {f"{share:.0%}": _measure(*one, share) for share in SHARES}
        for name, one in things.items()
    }
    if not quick():
        figures["many"] = _many()
    return figures


def _measure(labels: Labels, join: np.ufunc, share: float) -> dict[str, dict[str, float]]:
    seeds = range(1 if quick() else 3)
    runs = [_one(compose(labels, seed, join), share, seed) for seed in seeds]
    return {
        name: {key: round(mean(run[name][key] for run in runs), 4) for key in runs[0][name]}
        for name in runs[0]
    }


def _one(images: Tagged, share: float, seed: int) -> dict[str, dict[str, float]]:
    said = disturb(images.has, share, seed)
    near = find_neighbors(images.vectors)
    fit = fit_tags(TaggedImages(csr_array(said, dtype=np.float32), images.vectors, *near), least=0)
    added, dropped = ~images.has[said], images.has[~said]
    wrong, missed = fit.wrong, fit.missed.toarray()[~said]
    figures = {
        "added": {**ranked(added, wrong), **_marked(added, wrong)},
        "dropped": {**ranked(dropped, missed), **_marked(dropped, missed)},
    }
    theirs = multilabel_scores(said, images.vectors)
    for name, faults, cells_of in (("added", added, said), ("dropped", dropped, ~said)):
        if theirs:
            best = best_ranked(faults, {way: of[cells_of] for way, of in theirs.items()})
            figures[name] |= {f"cleanlab: {key}": value for key, value in best.items()}
    return figures


def _marked(true: NDArray[np.bool_], said: NDArray[np.floating]) -> dict[str, float]:
    marked = said >= 0.5
    return {
        "precision": float(true[marked].mean()) if marked.any() else 0.0,
        "recall": float(marked[true].mean()),
        "said, times the truth": float(said.sum() / true.sum()),
    }


def _many() -> dict[str, float]:
    """Judges the classes of 50,000 images, neighbors included."""
    rng = np.random.default_rng(51)
    centers = rng.normal(size=(_MANY_CLASSES, _DIMENSION))
    has = np.zeros((_MANY, _MANY_CLASSES), dtype=bool)
    for _ in range(3):
        has[np.arange(_MANY), rng.integers(_MANY_CLASSES, size=_MANY)] = True
    vectors = has @ centers + 3 * rng.normal(size=(_MANY, _DIMENSION))
    said = disturb(has, 0.05, 51)
    table = _table_of(said)
    spread = vectors.astype(np.float32)[table.media]
    start = time.perf_counter()
    found = find_tag_suspects(table, spread)
    seconds = time.perf_counter() - start
    return {
        "images": _MANY,
        "classes": _MANY_CLASSES,
        "seconds": round(seconds, 1),
        "added: average_precision": round(
            ranked(~has[said], found.found.suspicion)["average_precision"], 4
        ),
        "missed": len(found.missed),
    }
