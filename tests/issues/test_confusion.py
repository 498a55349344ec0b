"""Which classes are confused and cannot be told apart, and which names mean one class."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from labelvet.issues.class_names import PLURAL, SPELLING, TYPO, find_similar_names
from labelvet.issues.confusion import (
    classes_of_neighbors,
    find_confusions,
    find_mixed,
    looks_by_neighbors,
    looks_by_scores,
)


def test_what_most_neighbors_are():
    codes = np.array([0, 0, 1, 1, -1])
    neighbors = np.array(
        [
            [0, 2, 3, 1],  # 1, 1, 0: more than half are 1
            [1, 2, 0, -1],  # 1, 0: no more than half
            [2, 0, 1, 4],  # 0, 0 and one without a class
            [3, 4, -1, -1],  # none that has a class
            [4, 0, 1, 2],  # it has no class of its own
        ],
        np.int32,
    )
    near = classes_of_neighbors(codes, neighbors)
    assert near.tolist()[0] == [-1, 1, 1, 0]
    assert looks_by_neighbors(codes, near).tolist() == [1, -1, 0, -1, -1]
    none = classes_of_neighbors(codes, np.empty((5, 0), np.int32))
    assert looks_by_neighbors(codes, none).tolist() == [-1] * 5


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10_000))
def test_as_counting_one_by_one(seed):
    rng = np.random.default_rng(seed)
    codes = rng.integers(-1, 3, 20)
    neighbors = rng.integers(-1, 20, (20, int(rng.integers(0, 6)))).astype(np.int32)
    near = classes_of_neighbors(codes, neighbors)
    looks = looks_by_neighbors(codes, near)
    for row, look in enumerate(looks.tolist()):
        votes = [
            int(codes[other])
            for other in neighbors[row].tolist()
            if other not in (-1, row) and codes[other] >= 0
        ]
        most = [code for code in set(votes) if 2 * votes.count(code) > len(votes)]
        expected = most[0] if most and codes[row] not in (-1, most[0]) else -1
        assert look == expected
    found = find_confusions(codes, looks)
    assert sum(len(one.rows) for one in found) == (looks >= 0).sum()
    for one in found:
        assert (codes[one.rows] == one.code).all() and (looks[one.rows] == one.looks_like).all()
        assert one.of == (codes == one.code).sum()


def test_scores_say_what_a_label_looks_like():
    wrong = np.array([0.9, 0.2, 0.19, np.nan, 0.5])
    looks = looks_by_scores(wrong, np.array([1, 1, 1, 1, -1]))
    assert looks.tolist() == [1, 1, -1, -1, -1]
    found = find_confusions(np.array([0, 0, 0, 0, 0]), looks)
    assert [(one.code, one.looks_like, one.rows.tolist(), one.of) for one in found] == [
        (0, 1, [0, 1], 5)
    ]
    assert find_confusions(np.array([0, 1]), np.array([-1, -1])) == []


def test_two_names_of_one_thing_are_mixed():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 600)
    points = 10 * np.eye(3)[truth] + rng.normal(size=(600, 3))
    # a fifth of the first class has another name
    codes = np.where((truth == 0) & (rng.random(600) < 0.2), 3, truth)
    order = np.argsort(((points[:, None] - points[None]) ** 2).sum(axis=2), axis=1)
    near = classes_of_neighbors(codes, order[:, :16].astype(np.int32))
    mixed = find_mixed(codes, near)
    assert list(mixed) == [(0, 3)] and mixed[0, 3] == pytest.approx(1, abs=0.15)
    assert find_mixed(np.full(600, -1), near) == {}
    # two rare classes among many of a third are no pair
    rare = np.where(truth == 0, np.where(rng.random(600) < 0.2, 3, 0), truth)
    rare = np.where((rare == 0) & (rng.random(600) < 0.25), 4, rare)
    assert np.bincount(rare)[3:].min() >= 30
    near = classes_of_neighbors(rare, order[:, :16].astype(np.int32))
    assert (3, 4) not in find_mixed(rare, near)
    # of few labels, no more neighbors can be their own
    few = np.where(np.arange(600) == np.flatnonzero(truth == 0)[:6, None], 3, truth).max(axis=0)
    near = classes_of_neighbors(few, order[:, :16].astype(np.int32))
    assert np.bincount(few)[3] == 6 and find_mixed(few, near) == {}


@pytest.mark.parametrize(
    ("names", "why"),
    [
        (("Person", "person"), SPELLING),
        (("traffic light", "traffic_light"), SPELLING),
        (("trafficLight", "traffic-light"), SPELLING),
        (("traffic light", "trafficlight"), SPELLING),
        (("bus", "buses"), PLURAL),
        (("cars", "car"), PLURAL),
        (("berry", "Berries"), PLURAL),
        (("knife", "knives"), PLURAL),
        (("Platelets", "Platetets"), TYPO),
        (("traffic light", "trafic light"), TYPO),
        (("cat", "cap"), None),
        (("glass", "grass"), None),
        (("keyboard", "skateboard"), None),
        (("speed limit 30", "speed limit 50"), None),
        (("class_1", "class_2"), None),
        (("motorcycle left", "motorcycle right"), None),
        (("", "a"), None),
    ],
)
def test_names_that_mean_the_same(names, why):
    assert find_similar_names(names) == ({} if why is None else {(0, 1): why})
    assert find_similar_names(names[::-1]) == ({} if why is None else {(0, 1): why})


@pytest.mark.slow
def test_no_class_of_coco_or_of_many_means_another():
    from torchvision.models._meta import _COCO_CATEGORIES

    assert find_similar_names(sorted(set(_COCO_CATEGORIES))) == {}
    many = [f"sign {number}" for number in range(3000)]
    assert find_similar_names(many) == {}
