"""What is drawn of a label's shape: exactly what it covers, and of much only so much."""

from __future__ import annotations

import io
import zlib

import numpy as np
import pytest
from labelvet.dataset.label_shapes import Shape
from labelvet.maps.drawings import draw_shape, trace_mask
from skimage.measure import points_in_poly

WHOLE, BOX = (0.0, 0.0, 1.0, 1.0), np.array([0.25, 0.5, 0.5, 0.25])
LEFT = np.tile([True, True, False, False], (3, 1))


def stored(mask):
    file = io.BytesIO()
    np.save(file, mask)
    return zlib.compress(file.getvalue())


def covered(lines, shape):
    """Which centers of cells lie within an odd number of closed lines."""
    height, width = shape
    cells = np.indices(shape).reshape(2, -1).T[:, ::-1] + 0.5
    inside = [points_in_poly(cells / (width, height), np.array(line)) for line in lines]
    return np.logical_xor.reduce(inside).reshape(shape)


@pytest.mark.parametrize("seed", range(4))
def test_the_edges_of_a_mask_enclose_its_cells(seed):
    mask = np.random.default_rng(seed).random((13, 9)) < 0.6
    edges = trace_mask(mask)
    assert np.array_equal(covered(edges, mask.shape), mask)
    corners = np.concatenate(edges) * (9, 13)
    assert np.allclose(corners, corners.round())


def test_a_mask_lies_in_its_box():
    drawn = draw_shape(Shape(mask=stored(LEFT)), BOX, WHOLE, 100)
    assert drawn.closed and drawn.filled and not drawn.points
    (line,) = drawn.lines
    assert sorted(line) == [[0.25, 0.5], [0.25, 0.75], [0.5, 0.5], [0.5, 0.75]]
    # of a part of the image that the box fills
    (line,) = draw_shape(Shape(mask=stored(LEFT)), BOX, BOX, 100).lines
    assert sorted(line) == [[0, 0], [0, 1], [0.5, 0], [0.5, 1]]
    nothing = draw_shape(Shape(mask=stored(np.zeros((3, 4), bool))), BOX, WHOLE, 100)
    assert nothing.lines == []


@pytest.mark.slow
def test_a_large_mask_is_drawn_to_half_a_pixel():
    """A disc with a hole, of more cells than are looked at."""
    y, x = np.indices((2500, 3000)) + 0.5
    away = np.hypot(x / 1500 - 1, y / 1250 - 1)
    mask = (away < 1) & (away > 0.5)
    outer, hole = sorted(draw_shape(Shape(mask=stored(mask)), np.array(WHOLE), WHOLE, 200).lines)
    for line, radius in ((outer, 100), (hole, 50)):
        off = np.hypot(*(200 * (np.array(line) - 0.5)).T) - radius
        assert 8 < len(line) < 100 and np.abs(off).max() < 0.6
    assert np.allclose([np.min(outer), np.max(outer)], [0, 1], atol=0.5 / 200)


def test_of_very_much_the_largest_is_drawn():
    speckled = np.random.default_rng(0).random((600, 600)) < 0.3
    speckled[100:400, 200:500] = True
    drawn = draw_shape(Shape(mask=stored(speckled)), np.array(WHOLE), WHOLE, 640)
    assert len(drawn.lines) <= 200 and sum(map(len, drawn.lines)) <= 1000
    assert max(np.ptp(line) for line in drawn.lines) >= 0.5
    turns = np.linspace(0, 200, 30_000)
    spiral = 0.5 + turns[:, None] / 400 * np.stack([np.cos(turns), np.sin(turns)], axis=1)
    (line,) = draw_shape(Shape(lines=[spiral]), BOX, WHOLE, 640).lines
    assert 100 < len(line) <= 1000 and np.allclose(np.ptp(line, axis=0), 1, atol=0.1)


def test_lines_and_points_stay_as_they_are():
    line = np.array([(0.5, 0.5), (0.6, 0.5), (0.7, 0.5), (1e300, -1e300)])
    drawn = draw_shape(Shape(lines=[line], filled=True, points=line[:1]), BOX, BOX, 64)
    assert (drawn.closed, drawn.filled, drawn.points) == (False, True, [[0.5, 0]])
    (drawn_line,) = drawn.lines
    assert np.allclose(drawn_line[:3], [(0.5, 0), (0.7, 0), (0.9, 0)], atol=1e-4)
    assert np.isfinite(drawn_line).all() and len(drawn_line) == 4
