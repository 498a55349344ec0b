"""Maps of classes of whole images, of keypoints, lines and masks: seen, lassoed, answered."""

from __future__ import annotations

import re

import numpy as np
import pytest
from label_types import one_class_each
from labelvet.issues.find import find_label_issues

from .conftest import choose_run, open_dataset, open_panel

IMAGES = 48


MASK = np.tile([True, False], (3, 1))
# Left, top, right and bottom of what is drawn, in parts of the picture: the points in what it shows
# of the image, [0, 0, 1, 0.9], a line and a point in [0, 0, 0.9, 1], and the left half of the box
# that the mask has.
DRAWN = {
    "keypoints": [0.2, 0.1 / 0.9, 0.6, 0.5 / 0.9],
    "polylines": [0.1 / 0.9, 0.2, 0.5 / 0.9, 0.9],
    "detections": [0.25, 0.25, 0.5, 0.75],
}

# the bounds of the lines over a picture, and its width and height, in pixels of the page
BOUNDS = """picture => {
  const {left, top, width, height} = picture.querySelector("img").getBoundingClientRect();
  const corners = [...picture.querySelectorAll("[data-part=line]:not([d=''])")].flatMap((path) => {
    const {x, y, width, height} = path.getBBox();
    return [[x, y], [x + width, y + height]].map(
      ([x, y]) => new DOMPoint(x, y).matrixTransform(path.getScreenCTM()));
  });
  const xs = corners.map(({x}) => x - left), ys = corners.map(({y}) => y - top);
  return [[Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)], [width, height]];
}"""


@pytest.fixture(params=["classification", "keypoints", "polylines", "detections"])
def mapped(make_dataset, tmp_path, request):
    """A dataset whose first labels are wrong, and its field of labels of one type."""
    dataset = make_dataset()
    dataset.persistent = True
    one_class_each(dataset, tmp_path, request.param, n=IMAGES)
    if request.param == "detections":
        dataset.set_values("detections.detections.mask", [[MASK]] * IMAGES)
    find_label_issues(dataset, "map")
    return dataset, request.param


def test_labels_of_the_type_are_seen_and_answered(app, page, mapped, screenshot):
    dataset, field = mapped
    open_dataset(page, app(dataset.name))
    open_panel(page, "label_embeddings")
    choose_run(page, "map", IMAGES)
    page.locator(".lv-legend", has_text="c0").wait_for()
    screenshot(f"label-types-{field}-map")

    # what is selected is what the grid shows
    page.locator(".lv-legend li button", has_text="c1").first.dblclick()
    shown = dataset.filter_labels(field, {"$eq": ["$$this.label", "c1"]})
    if field == "classification":
        shown = dataset.match({"classification.label": "c1"})
    page.locator('[data-cy="entry-counts"]', has_text=re.compile(rf"^{len(shown)} ")).wait_for()
    page.keyboard.press("a")
    page.locator(".lv-tile img").first.wait_for()
    screenshot(f"label-types-{field}-selected")
    page.keyboard.press("Escape")

    # the review asks about the wrong ones, and writes the class that it suggests
    page.keyboard.press("q")
    page.locator(".lv-review-crop img").wait_for()
    page.wait_for_timeout(500)
    screenshot(f"label-types-{field}-review")
    if field in DRAWN:
        bounds, size = page.locator(".lv-review-crop").evaluate(BOUNDS)
        assert bounds == pytest.approx(np.multiply(DRAWN[field], size * 2), abs=1)
    root, _ = dataset._get_label_field_root(field)
    before = dataset.count_values(f"{root}.label")
    page.keyboard.press("1")
    page.locator(".lv-status", has_text="is now").wait_for()
    dataset.reload()
    assert dataset.count_values(f"{root}.label") != before
    assert dataset.count_values(f"{root}.review") == {"wrong class": 1, None: IMAGES - 1}

    if field == "detections":  # in the annotation that the App has itself
        page.keyboard.press("Shift+E")
        page.get_by_text("Add schema").wait_for()
