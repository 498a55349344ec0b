import numpy as np
import pytest
from labelvet.embeddings.neighbors import build_neighbor_graph, distances_to
from labelvet.maps.similar import nearest_on_map, nearest_rows, similar_by_graph, similar_by_map


@pytest.fixture
def line():
    return np.stack([np.arange(40) ** 1.01, np.zeros(40)], axis=1).astype(np.float32)


@pytest.mark.parametrize("rows, near", [([20], [19, 21]), ([10, 11, 12], [9, 13]), ([0], [1, 2])])
def test_the_nearest_come_first_and_never_the_asked(line, rows, near):
    rows, graph = np.array(rows), build_neighbor_graph(line, 6)
    for found in (similar_by_graph(graph, rows, 2), similar_by_map(line, rows, 2)):
        assert sorted(found.tolist()) == near


def test_neighbors_of_neighbors_are_found_too(line):
    graph = build_neighbor_graph(line, 4)
    found = similar_by_graph(graph, np.array([0]), 20)
    assert len(found) == 20 and 0 not in found and max(found) < 30


def test_there_are_no_more_than_there_are(line):
    rows = np.arange(39)
    graph = build_neighbor_graph(line, 4)
    assert similar_by_graph(graph, rows, 50).tolist() == [39]
    assert similar_by_map(line, rows, 50).tolist() == [39]
    assert len(similar_by_map(line, np.arange(40), 50)) == 0


def test_points_that_are_not_finite_are_not_near(line):
    line[21] = np.nan
    assert 21 not in similar_by_map(line, np.array([20]), 30)


def test_the_nearest_of_every_point_itself_first(line):
    near = nearest_on_map(line, 3)
    assert near[0].tolist() == [0, 1, 2] and near[39].tolist() == [39, 38, 37]
    line[21] = np.nan
    near = nearest_on_map(line, 3)
    assert near[21].tolist() == [-1, -1, -1] and 21 not in near
    assert nearest_on_map(line[:2], 3).tolist() == [[0, 1, -1], [1, 0, -1]]
    assert nearest_on_map(np.full((2, 2), np.nan, np.float32), 3).tolist() == [[-1] * 3] * 2


@pytest.mark.parametrize("metric", ["euclidean", "cosine", "manhattan", "correlation"])
def test_the_nearest_of_a_vector_are_those_of_the_graph(metric):
    vectors = np.random.default_rng(51).standard_normal((60, 9)).astype(np.float32)
    graph = build_neighbor_graph(vectors, 6, metric)
    for row in range(0, 60, 7):
        near = nearest_rows(distances_to(vectors[row], vectors, metric), 6)
        assert near.tolist() == graph.indices[row].tolist()


def test_of_equally_near_rows_the_first_comes_first():
    distances = np.array([1, 0, 1, np.inf, 0] * 20, np.float32)
    assert nearest_rows(distances, 3).tolist() == [1, 4, 6]
    assert len(nearest_rows(distances, 1000)) == 80
    zeros = np.zeros((3, 4), np.float32)
    assert len(nearest_rows(distances_to(zeros[0], zeros, "correlation"), 3)) == 0
