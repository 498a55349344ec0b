"""A map of classes of whole images, and one of keypoints: seen, lassoed, answered."""

from __future__ import annotations

import re

import pytest
from label_types import one_class_each
from labelvet.issues.find import find_label_issues

from .conftest import choose_run, open_dataset, open_panel

IMAGES = 48


@pytest.fixture(params=["classification", "keypoints"])
def mapped(make_dataset, tmp_path, request):
    """A dataset whose first labels are wrong, and its field of labels of one type."""
    dataset = make_dataset()
    dataset.persistent = True
    one_class_each(dataset, tmp_path, request.param, n=IMAGES)
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
    root, _ = dataset._get_label_field_root(field)
    before = dataset.count_values(f"{root}.label")
    page.keyboard.press("1")
    page.locator(".lv-status", has_text="is now").wait_for()
    dataset.reload()
    assert dataset.count_values(f"{root}.label") != before
    assert dataset.count_values(f"{root}.review") == {"wrong class": 1, None: IMAGES - 1}
