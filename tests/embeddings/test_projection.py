"""Neighbors and projections: right where it matters, sensible where there is too little."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial

import numpy as np
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from labelvet.core.errors import Cancelled, InvalidParameter, NeighborsUnavailable, StoreFull
from labelvet.embeddings import neighbor_search, neighbors
from labelvet.embeddings.neighbors import build_neighbor_graph
from labelvet.embeddings.projection import METHODS, make_method, neighbors_needed, project
from tables import fewest_steps


def clusters(n=150, d=32, seed=51):
    """Three well separated clusters: (n, d) vectors and (n,) cluster numbers."""
    rng = np.random.default_rng(seed)
    which = np.arange(n) % 3
    centers = 10 * rng.normal(size=(3, d))
    return (centers[which] + rng.normal(size=(n, d))).astype(np.float32), which


def run(vectors, method):
    k = neighbors_needed(method, len(vectors))
    graph = build_neighbor_graph(vectors, k, "euclidean") if k else None
    return project(vectors, method, graph)


@pytest.mark.parametrize("num_dims", [2, 3])
@pytest.mark.parametrize(
    "name", [*sorted(METHODS.keys() - {"tsne"}), pytest.param("tsne", marks=pytest.mark.slow)]
)
def test_clusters_stay_together_and_seeds_repeat(name, num_dims):
    vectors, which = clusters()
    # the default learning rate is FiftyOne's, and too fast for so few points
    parameters = {"learning_rate": 20.0, "max_iters": 400} if name == "tsne" else {}
    method = make_method(name, num_dims=num_dims, seed=51, **parameters)
    points, notes = run(vectors, method)
    assert points.shape == (150, num_dims) and points.dtype == np.float32 and not notes
    nearest = build_neighbor_graph(points, 6).indices[:, 1:]
    assert (which[nearest] == which[:, None]).mean() > 0.9
    np.testing.assert_array_equal(points, run(vectors, method)[0])


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 6, 7, 10, 16])
@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("num_dims", [2, 3])
def test_few_patches_still_get_points(name, n, num_dims):
    vectors, _ = clusters(n=n)
    points, notes = run(vectors, make_method(name, num_dims=num_dims, **fewest_steps(name)))
    assert points.shape == (n, num_dims) and np.isfinite(points).all()
    if name == "umap":
        assert bool(notes) == (n <= 15)


@pytest.mark.parametrize("name", METHODS)
def test_identical_patches_still_get_points(name):
    points, _ = run(np.ones((20, 8), dtype=np.float32), make_method(name))
    assert np.isfinite(points).all()


@settings(max_examples=25, deadline=None)
@given(n=st.integers(1, 60), d=st.integers(1, 20), k=st.integers(1, 60), seed=st.integers(0, 99))
def test_exact_neighbors_are_the_nearest(n, d, k, seed):
    k = min(k, n)
    vectors = np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)
    graph = build_neighbor_graph(vectors, k)
    distances = np.linalg.norm(vectors[:, None] - vectors[None], axis=2)
    np.testing.assert_allclose(graph.distances, np.sort(distances, axis=1)[:, :k], atol=1e-3)
    assert graph.indices.dtype == np.int32 and graph.distances.dtype == np.float32


@pytest.mark.processes
def test_approximate_neighbors_are_nearly_the_nearest(monkeypatch, capfd):
    vectors, _ = clusters(n=3000)
    exact = build_neighbor_graph(vectors, 15)
    monkeypatch.setattr(neighbors, "EXACT_UP_TO", 100)
    passes = set()
    approximate = build_neighbor_graph(
        vectors, 15, seed=51, progress=lambda *done: passes.add(done)
    )
    assert (0, 0) in passes and all(done < most for done, most in passes - {(0, 0)})
    assert len(passes) > 1
    assert "NN descent" not in capfd.readouterr().err
    found = [len(set(a) & set(b)) for a, b in zip(exact.indices, approximate.indices, strict=True)]
    assert np.mean(found) / 15 > 0.95


def test_umap_reports_its_epochs():
    vectors, _ = clusters()
    seen = []
    method = make_method("umap")
    graph = build_neighbor_graph(vectors, neighbors_needed(method, len(vectors)))
    project(vectors, method, graph, lambda done, total: seen.append((done, total)))
    assert seen and seen[-1][0] <= seen[-1][1]


@pytest.mark.parametrize(
    ("name", "parameters", "part"),
    [
        ("lle", {}, "method must be one of umap, tsne, pca"),
        ("umap", {"num_dims": 4}, "from 2 to 3"),
        ("umap", {"num_neighbors": 1}, "neighbors"),
        ("umap", {"min_dist": -0.1}, "minimum distance"),
        ("umap", {"min_dist": float("nan")}, "minimum distance"),
        ("umap", {"metric": "taxi"}, "metric"),
        ("umap", {"perplexity": 3}, "no parameter 'perplexity'"),
        ("umap", {"num_neighbors": "many"}, "neighbors must be a whole number.*'many'"),
        ("umap", {"num_neighbors": 10.5}, "from 2 to 1000, not 10.5"),
        ("umap", {"num_neighbors": True}, "whole number"),
        ("umap", {"num_neighbors": 10**400}, "not 1000"),
        ("umap", {"min_dist": 10**400}, "minimum distance"),
        ("tsne", {"learning_rate": 10**400}, "learning rate must be a number above 0"),
        ("tsne", {"perplexity": None}, "Perplexity must be a number of at least 1"),
        ("tsne", {"pca_dims": 10.5}, "PCA dimensions"),
        ("pca", {"num_dims": 2.0}, "from 2 to 3"),
        ("pca", {"seed": 1.5}, "seed"),
        ("tsne", {"perplexity": 0}, "Perplexity"),
        ("tsne", {"max_iters": 1}, "250"),
        ("tsne", {"learning_rate": float("inf")}, "learning rate"),
        ("pca", {"svd_solver": "magic"}, "SVD"),
        ("pca", {"seed": -1}, "seed"),
    ],
)
def test_impossible_parameters_get_a_sentence(name, parameters, part):
    with pytest.raises(InvalidParameter, match=part):
        make_method(name, **parameters)


@pytest.mark.parametrize("metric", ["euclidean", "cosine", "correlation"])
def test_exact_neighbors_agree_with_scikit_learn(metric):
    from sklearn.neighbors import NearestNeighbors

    vectors = np.random.default_rng(0).normal(3, 1, size=(1500, 32)).astype(np.float32)
    graph = build_neighbor_graph(vectors, 10, metric)
    index = NearestNeighbors(n_neighbors=10, metric=metric, algorithm="brute").fit(vectors)
    distances, indices = index.kneighbors(vectors)
    assert (graph.indices == indices).mean() > 0.999
    np.testing.assert_allclose(graph.distances[:, 1:], distances[:, 1:], rtol=1e-3)
    assert (graph.indices[:, 0] == np.arange(1500)).all()


def test_equal_vectors_are_their_own_first_neighbor():
    graph = build_neighbor_graph(np.ones((50, 8), dtype=np.float32), 5)
    assert (graph.indices[:, 0] == np.arange(50)).all()
    assert (graph.distances == 0).all()


@pytest.mark.processes
def test_compiled_functions_are_kept_for_the_next_process(tmp_path):
    """A second process compiles less: it finds what the first one left."""
    code = """
import numpy as np, umap
from labelvet.embeddings.numba_cache import keep_compiled
keep_compiled("umap")
kept = umap.umap_.smooth_knn_dist  # a whole fit would compile for half a minute
kept(np.ones((60, 15), np.float32), 15.0)
print(sum(kept.stats.cache_hits.values()))
"""
    hits = [
        int(
            subprocess.run(
                [sys.executable, "-W", "ignore", "-c", code],
                env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)},
                capture_output=True,
                text=True,
                check=True,
                timeout=280,
            ).stdout.splitlines()[-1]
        )
        for _ in range(2)
    ]
    assert hits == [0, 1]


def searches():
    """The processes that search for this one, which has others, such as mongod."""
    children = psutil.Process().children()
    return [c for c in children if any("neighbor_search" in part for part in c.cmdline())]


@pytest.mark.processes
def test_an_approximate_search_is_stopped_where_it_is():
    """It would take half a minute; numba, which it runs in, can otherwise not be interrupted."""
    vectors = np.random.default_rng(0).normal(size=(60_000, 256)).astype(np.float32)
    searching = []

    def cancel_once_it_searches(done, most):
        searching.extend(child for child in searches() if child.cpu_times().user > 3)
        if searching:
            raise Cancelled("Canceled.")

    with pytest.raises(Cancelled):
        build_neighbor_graph(vectors, 15, progress=cancel_once_it_searches)
    assert searching and not searching[0].is_running()


@pytest.mark.processes
def test_a_search_whose_process_dies_says_so(monkeypatch):
    monkeypatch.setattr(neighbors, "EXACT_UP_TO", 100)

    def kill(done, most):
        for child in searches():
            child.kill()

    with pytest.raises(NeighborsUnavailable, match="memory"):
        build_neighbor_graph(clusters()[0], 15, progress=kill)


def test_a_search_that_has_no_room_on_disk_says_so(monkeypatch):
    monkeypatch.setattr(neighbors, "EXACT_UP_TO", 100)
    monkeypatch.setattr(neighbor_search, "temporary_file", partial(open, "/dev/full", "r+b"))
    with pytest.raises(StoreFull, match="LABELVET_CACHE_DIR"):
        build_neighbor_graph(clusters()[0], 15)
