import numpy as np
import pytest
from labelvet.maps.clusters import find_clusters, name_clusters
from labelvet.maps.columns import Column


def blobs(dimensions, each=300, seed=0):
    rng = np.random.default_rng(seed)
    centers = np.eye(3)[:, :dimensions] * 20
    points = np.concatenate([c + rng.normal(0, 1, (each, dimensions)) for c in centers])
    return points.astype(np.float32), np.repeat(np.arange(3), each)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_what_lies_apart_is_apart(dimensions):
    points, truth = blobs(dimensions)
    codes = find_clusters(points)
    for cluster in range(1, codes.max() + 1):
        assert len(set(truth[codes == cluster])) == 1
    large = [code for code, size in enumerate(np.bincount(codes)) if code and size > 100]
    assert 3 <= len(large) <= 6
    sizes = np.bincount(codes)[1:]
    assert (np.diff(sizes) <= 0).all()


def test_dots_of_another_color_in_one_sea_come_first():
    points, truth = blobs(2)
    labels = np.array([1, 2, 3], dtype=np.uint16)[truth]
    labels[[5, 17]] = 2  # strangers in the first
    labels[300:450] = 3  # a mixture, not a sea
    labels[600:] = 0  # no label at all
    codes = (truth + 1).astype(np.uint16)
    column = Column("categorical", codes=labels, categories=("a", "b", "c"))
    first, second, third = name_clusters(points, codes, column)
    assert first.label == "a" and first.strangers.tolist() == [5, 17] and first.size == 300
    assert first.purity == pytest.approx(298 / 300)
    assert second.purity == pytest.approx(0.5) and len(second.strangers) == 150
    assert third.label is None and third.purity == 0 and not len(third.strangers)
    assert np.allclose(first.center, points[:300].mean(0), atol=1e-4)


@pytest.mark.parametrize(
    "points",
    [
        np.empty((0, 2)),
        np.zeros((1, 2)),
        np.zeros((50, 3)),
        np.full((9, 2), np.nan),
        np.array([[0, 0], [1e30, 1e30], [np.inf, 0], [-1e-30, 5]]),
        np.stack([np.arange(99), np.zeros(99)], axis=1),
    ],
)
def test_odd_maps_have_codes_all_the_same(points):
    points = points.astype(np.float32)
    codes = find_clusters(points)
    assert codes.shape == (len(points),) and codes.dtype == np.uint16
    assert (codes[~np.isfinite(points).all(axis=1)] == 0).all()
    column = Column("categorical", codes=np.ones(len(points), np.uint16), categories=("a",))
    assert len(name_clusters(points, codes, column)) == codes.max(initial=0)
