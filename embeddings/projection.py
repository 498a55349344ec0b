"""Projects embeddings to two or three dimensions: UMAP, t-SNE or PCA.

Parameters have the names and defaults of FiftyOne's ``compute_visualization``.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass, fields
from importlib.util import find_spec
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..core.checks import check_number, check_whole
from ..core.errors import InvalidParameter
from ..core.sentences import agree, count
from .neighbors import NeighborGraph
from .numba_cache import keep_compiled

METRICS = ("euclidean", "cosine", "manhattan", "correlation")

# UMAP's spectral initialization solves an eigenproblem that needs more points than dimensions.
_FEWEST_FOR_UMAP = 6
_FEWEST_FOR_TSNE = 6

_FEWEST_NEIGHBORS = 15
_MOST_ITERATIONS = 1_000_000

# Above, the eigenproblem takes longer than all the rest, and PCA starts as well: the map is as
# trustworthy (docs/performance.md).
_SPECTRAL_UP_TO = 20_000


# umap-learn runs 500 epochs of up to 10,000 points and 200 of more; 300 are as trustworthy.
_EPOCHS_OF_FEW, _FEW = 300, 10_000


@dataclass(frozen=True)
class Method:
    """What all methods share.

    Attributes:
        num_dims: 2 or 3
        seed: makes the result reproducible
    """

    num_dims: int = 2
    seed: int | None = None

    name: ClassVar[str]
    title: ClassVar[str]

    def __post_init__(self) -> None:
        check_whole("Dimensions", self.num_dims, 2, 3)
        if self.seed is not None:
            check_whole("The seed", self.seed, 0, 2**32 - 1)


@dataclass(frozen=True)
class UMAP(Method):
    """McInnes, Healy, Melville: "UMAP: Uniform Manifold Approximation and Projection", 2018.

    Attributes:
        num_neighbors: neighbors that each point is placed by; larger shows more of the whole
        min_dist: how closely points may be packed, in [0, 1]
        metric: metric of the embeddings
    """

    num_neighbors: int = 15
    min_dist: float = 0.1
    metric: str = "euclidean"

    name: ClassVar[str] = "umap"
    title: ClassVar[str] = "UMAP"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole("The number of neighbors", self.num_neighbors, 2, 1000)
        check_number("The minimum distance", self.min_dist, 0, 1)
        _check_metric(self.metric)


@dataclass(frozen=True)
class TSNE(Method):
    """van der Maaten, Hinton: "Visualizing Data using t-SNE", 2008, from scikit-learn.

    Attributes:
        pca_dims: dimensions that PCA leaves before t-SNE, None to leave out PCA
        metric: metric of the embeddings
        perplexity: about how many neighbors each point has
        learning_rate: step of the gradient descent
        max_iters: iterations of the gradient descent, at least 250
    """

    pca_dims: int | None = 50
    metric: str = "euclidean"
    perplexity: float = 30.0
    learning_rate: float = 200.0
    max_iters: int = 1000

    name: ClassVar[str] = "tsne"
    title: ClassVar[str] = "t-SNE"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.pca_dims is not None:
            check_whole("PCA dimensions", self.pca_dims, 2)
        check_number("Perplexity", self.perplexity, 1)
        check_number("The learning rate", self.learning_rate, 0, above=True)
        check_whole("Iterations", self.max_iters, 250, _MOST_ITERATIONS)
        _check_metric(self.metric)


@dataclass(frozen=True)
class PCA(Method):
    """Principal component analysis, from scikit-learn.

    Attributes:
        svd_solver: scikit-learn's name of the solver
    """

    svd_solver: str = "randomized"

    name: ClassVar[str] = "pca"
    title: ClassVar[str] = "PCA"

    def __post_init__(self) -> None:
        super().__post_init__()
        solvers = ("auto", "full", "arpack", "randomized")
        _check(
            self.svd_solver in solvers,
            f"The SVD solver must be one of {', '.join(solvers)}, not '{self.svd_solver}'.",
        )


METHODS: dict[str, type[Method]] = {cls.name: cls for cls in (UMAP, TSNE, PCA)}


def make_method(name: str, **parameters: Any) -> Method:
    """Builds a checked method from its name and parameters.

    Args:
        name: "umap", "tsne" or "pca"
        **parameters: the attributes of :class:`UMAP`, :class:`TSNE` or :class:`PCA`

    Raises:
        InvalidParameter: if the method or a parameter does not exist or has an impossible value
    """
    cls = METHODS.get(name)
    if cls is None:
        raise InvalidParameter(f"The method must be one of {', '.join(METHODS)}, not '{name}'.")
    known = {field.name for field in fields(cls)}
    unknown = sorted(set(parameters) - known)
    if unknown:
        raise InvalidParameter(
            f"{name} has no parameter '{unknown[0]}'; it has {', '.join(sorted(known))}."
        )
    try:
        return cls(**parameters)
    except TypeError as error:
        raise InvalidParameter(f"A parameter of {name} has the wrong type: {error}.") from error


def neighbors_needed(method: Method, n: int) -> int:
    """Returns how many neighbors of each of ``n`` points, itself included, to find: those that the
    method reads, and no fewer than label checks, similar patches and duplicates want."""
    read = method.num_neighbors if isinstance(method, UMAP) else 0
    return min(max(read, _FEWEST_NEIGHBORS), n)


def project(
    vectors: NDArray[np.float32],
    method: Method,
    graph: NeighborGraph | None = None,
    on_epoch: Callable[[int, int], None] | None = None,
) -> tuple[NDArray[np.float32], list[str]]:
    """Projects embeddings.

    Args:
        vectors: (n, d) float32, n >= 1
        method: a :class:`UMAP`, :class:`TSNE` or :class:`PCA`
        graph: their neighbor graph, with ``neighbors_needed`` neighbors, which UMAP reads
        on_epoch: called by UMAP with the finished and the total number of epochs

    Returns:
        a tuple of (n, num_dims) float32 points, and sentences that say where too few vectors made
        the method or a parameter impossible and what was done instead
    """
    n = len(vectors)
    enough = n >= {UMAP: _FEWEST_FOR_UMAP, TSNE: _FEWEST_FOR_TSNE}.get(type(method), 1)
    # scikit-learn's t-SNE crashes the process where there is nothing to tell the points apart by
    distinct = bool(np.ptp(vectors, axis=0).any())
    if enough and distinct and isinstance(method, UMAP):
        return _fit_umap(vectors, method, graph, on_epoch)
    if enough and distinct and isinstance(method, TSNE):
        return _fit_tsne(vectors, method)
    notes = []
    if not distinct and n > 1:
        notes.append("All patches look the same to the backbone, so all points coincide.")
    elif not isinstance(method, PCA):
        notes.append(
            f"{count(n, 'patch is', 'patches are')} too few for {method.title}, so "
            f"{agree(n, 'it was', 'they were')} placed by PCA."
        )
    solver = method.svd_solver if isinstance(method, PCA) else "full"
    return _fit_pca(vectors, method.num_dims, method.seed, solver), notes


def _fit_umap(
    vectors: NDArray[np.float32],
    method: UMAP,
    graph: NeighborGraph | None,
    on_epoch: Callable[[int, int], None] | None,
) -> tuple[NDArray[np.float32], list[str]]:
    n = len(vectors)
    num_neighbors = min(method.num_neighbors, n - 1)
    notes = []
    if num_neighbors < method.num_neighbors:
        notes.append(
            f"{n} patches have at most {num_neighbors} neighbors each, so UMAP used "
            f"{num_neighbors} instead of {method.num_neighbors}."
        )
    if _use_cuml():
        return _fit_cuml(vectors, method, num_neighbors, graph), notes
    with warnings.catch_warnings():
        # that a seeded fit is single-threaded, and that a graph from elsewhere cannot transform
        warnings.simplefilter("ignore", UserWarning)
        import umap

        keep_compiled("umap")
        reducer = umap.UMAP(
            n_components=method.num_dims,
            n_neighbors=num_neighbors,
            min_dist=method.min_dist,
            metric=method.metric,
            random_state=method.seed,
            n_epochs=_EPOCHS_OF_FEW if n <= _FEW else None,
            init="spectral" if n <= _SPECTRAL_UP_TO else "pca",
            precomputed_knn=(
                (None, None, None)
                if graph is None
                else (graph.indices[:, :num_neighbors], graph.distances[:, :num_neighbors])
            ),
            tqdm_kwds={
                "disable": on_epoch is None,
                "file": _EpochLines(on_epoch),
                "bar_format": "{n_fmt}/{total_fmt} epochs",
                "mininterval": 0.25,
            },
        )
        return reducer.fit_transform(vectors).astype(np.float32), notes


def _use_cuml() -> bool:
    """Whether UMAP runs in cuML. Experimental: it has not been run yet, so it has to be asked for
    with ``LABELVET_EXPERIMENTAL_CUML=1``."""
    return os.environ.get("LABELVET_EXPERIMENTAL_CUML") == "1" and find_spec("cuml") is not None


def _fit_cuml(
    vectors: NDArray[np.float32], method: UMAP, num_neighbors: int, graph: NeighborGraph | None
) -> NDArray[np.float32]:
    """The same on a GPU, experimental. Written after cuML's documentation, and not yet run."""
    from cuml.manifold import UMAP as CumlUMAP

    reducer = CumlUMAP(
        n_components=method.num_dims,
        n_neighbors=num_neighbors,
        min_dist=method.min_dist,
        metric=method.metric,
        random_state=method.seed,
        output_type="numpy",
        precomputed_knn=(
            None
            if graph is None
            else (
                np.ascontiguousarray(graph.indices[:, :num_neighbors]),
                np.ascontiguousarray(graph.distances[:, :num_neighbors]),
            )
        ),
    )
    return np.asarray(reducer.fit_transform(vectors), dtype=np.float32)


def _fit_tsne(vectors: NDArray[np.float32], method: TSNE) -> tuple[NDArray[np.float32], list[str]]:
    from sklearn.manifold import TSNE as SklearnTSNE

    n = len(vectors)
    notes = []
    perplexity = min(method.perplexity, (n - 1) / 3)
    if perplexity < method.perplexity:
        notes.append(
            f"{n} patches are too few for a perplexity of {method.perplexity:g}, so t-SNE used "
            f"{perplexity:.3g}."
        )
    if method.pca_dims is not None and method.pca_dims < vectors.shape[1]:
        vectors = _fit_pca(vectors, min(method.pca_dims, n), method.seed, "randomized")
    points = SklearnTSNE(
        n_components=method.num_dims,
        perplexity=perplexity,
        learning_rate=method.learning_rate,
        max_iter=method.max_iters,
        metric=method.metric,
        init="pca",
        random_state=method.seed,
    ).fit_transform(vectors)
    return points.astype(np.float32), notes


def _fit_pca(
    vectors: NDArray[np.float32], num_dims: int, seed: int | None, svd_solver: str
) -> NDArray[np.float32]:
    """PCA that pads with zeros where there are fewer vectors than dimensions."""
    from sklearn.decomposition import PCA as SklearnPCA

    n, d = vectors.shape
    points = np.zeros((n, num_dims), dtype=np.float32)
    possible = min(num_dims, n, d)
    if n > 1:
        solver = "full" if svd_solver == "arpack" and possible >= min(n, d) else svd_solver
        pca = SklearnPCA(n_components=possible, svd_solver=solver, random_state=seed)
        with np.errstate(invalid="ignore"):  # identical vectors have no variance to explain
            points[:, :possible] = pca.fit_transform(vectors)
    return points


class _EpochLines:
    """The file that UMAP's progress bar writes to; each line becomes a call."""

    def __init__(self, on_epoch: Callable[[int, int], None] | None) -> None:
        self._on_epoch = on_epoch

    def write(self, text: str) -> None:
        match = re.search(r"(\d+)/(\d+) epochs", text)
        if match and self._on_epoch:
            self._on_epoch(int(match[1]), int(match[2]))

    def flush(self) -> None:
        pass


def _check(condition: bool, sentence: str) -> None:
    if not condition:
        raise InvalidParameter(sentence)


def _check_metric(metric: str) -> None:
    _check(metric in METRICS, f"The metric must be one of {', '.join(METRICS)}, not '{metric}'.")
