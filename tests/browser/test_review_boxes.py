"""Badly placed boxes in a review: the suggested one is taken, others are dragged and nudged."""

from __future__ import annotations

import numpy as np
import pytest
from labelvet import compute_visualization
from labelvet.issues.find import find_label_issues
from running import wait_until

from .test_review_queue import FIELD, KEY, LABELS, open_review, wait_for


@pytest.fixture
def misplaced(coco128):
    """A copy of ``coco128`` whose review begins with three labels that have a suggested box."""
    dataset = coco128.clone(persistent=True)
    compute_visualization(dataset, FIELD, KEY, seed=51, progress=False)
    find_label_issues(dataset, KEY, second_fields="ground_truth")
    some = [str(one["_id"]) for one in labels(dataset) if one.get("suggested_box")][:3]
    assert len(some) == 3
    dataset.select_labels(ids=some).tag_labels("needs-review", FIELD)
    yield dataset
    dataset.delete()


@pytest.fixture
def asked(page):
    """The crops that the page waits for."""
    waiting = set()
    page.on("request", lambda one: '"crops"' in (one.post_data or "") and waiting.add(one))
    for end in ("requestfinished", "requestfailed"):
        page.on(end, lambda one: waiting.discard(one))
    return waiting


def settled(page, locator, asked):
    """The frame of an element, once it stays where it is and no crop is waited for."""
    frame = None
    for _ in range(200):
        before, frame = frame, locator.bounding_box()
        if frame is not None and frame == before and not asked:
            return frame
        page.wait_for_timeout(700)
    raise AssertionError(f"{locator} does not come to rest")


def labels(dataset):
    """The labels as the database has them now."""
    dataset.reload()
    return [one.to_dict() for one in dataset.values(LABELS, unwind=True)]


def corrected(dataset):
    """The boxes of the labels that were corrected, now, before and as suggested, the last one
    last."""
    answered = [one for one in labels(dataset) if one.get("review") == "badly placed"]
    return [
        (one["bounding_box"], one["box_before"], one["suggested_box"])
        for one in sorted(answered, key=lambda one: one["reviewed_at"])
    ]


def test_boxes_are_corrected(app, page, misplaced, asked, screenshot):
    open_review(page, app(misplaced.name))
    page.locator(".lv-page").focus()
    picture = page.locator(".lv-box-editor")
    suggested = picture.locator("i[data-box=suggested]")
    suggested.wait_for()
    settled(page, suggested, asked)
    screenshot("review-box-suggested")
    # both boxes lie within the picture, with something around them
    frame = picture.bounding_box()
    for box in (suggested.bounding_box(), picture.locator("i[data-box=own]").bounding_box()):
        assert box["x"] >= frame["x"] - 3 and box["y"] >= frame["y"] - 3
        assert box["x"] + box["width"] <= frame["x"] + frame["width"] + 3

    page.keyboard.press("b")
    wait_for(page, "has a new box")
    ((now, before, said),) = corrected(misplaced)
    assert now == said and before != now
    page.keyboard.press("z")
    wait_for(page, "undone")
    assert corrected(misplaced) == [] and before in [
        one["bounding_box"] for one in labels(misplaced)
    ]

    # nearer and farther, then a corner of the suggested box is dragged
    suggested.wait_for()
    for key in ("-", "-", "+"):
        page.keyboard.press(key)
    box = settled(page, suggested, asked)
    corner = suggested.locator("b").last.bounding_box()
    at = corner["x"] + corner["width"] / 2, corner["y"] + corner["height"] / 2
    page.mouse.move(*at)
    page.mouse.down()
    page.mouse.move(at[0] - box["width"] / 4, at[1] - box["height"] / 2, steps=5)
    page.mouse.up()
    picture.locator("i[data-box=drawn]").wait_for()
    screenshot("review-box-dragged")
    page.keyboard.press("Escape")
    picture.locator("i[data-box=drawn]").wait_for(state="detached")
    page.mouse.move(*at)
    page.mouse.down()
    page.mouse.move(at[0] - box["width"] / 4, at[1] - box["height"] / 2, steps=5)
    page.mouse.up()
    page.keyboard.press("b")
    page.locator(".lv-status", has_text="has a new box").filter(has_not_text="Undone").wait_for()
    ((now, _, said),) = corrected(misplaced)
    wanted = [said[0], said[1], 0.75 * said[2], 0.5 * said[3]]
    assert np.allclose(now, wanted, atol=0.02 * max(said[2:]) + 0.002)

    # arrow keys move and size it
    page.wait_for_timeout(1500)
    settled(page, suggested, asked)
    for key in ("ArrowRight", "ArrowRight", "Shift+ArrowUp"):
        page.keyboard.press(key)
    picture.locator("i[data-box=drawn]").wait_for()
    page.keyboard.press("b")
    wait_until(lambda: len(corrected(misplaced)) == 2)
    now, _, said = corrected(misplaced)[-1]
    assert now[0] > said[0] and now[1] == said[1] and now[3] < said[3]

    # a drag elsewhere draws another box, one out of the image gets a sentence
    page.wait_for_timeout(1500)
    settled(page, suggested, asked)
    for _ in range(5):
        page.keyboard.press("-")
    page.wait_for_timeout(1500)
    frame = settled(page, picture, asked)
    page.mouse.move(frame["x"] + frame["width"] - 3, frame["y"] + 3)
    page.mouse.down()
    page.mouse.move(frame["x"] + frame["width"] + 60, frame["y"] + 40, steps=5)
    page.mouse.up()
    for _ in range(30):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("b")
    wait_for(page, "out of the image")
    screenshot("review-box-outside")
    assert len(corrected(misplaced)) == 2

    # on a page of crops both boxes are drawn, and what has no suggestion gets a sentence
    page.keyboard.press("g")
    page.locator(".lv-review-page .lv-tile img").nth(5).wait_for()
    page.wait_for_timeout(800)
    screenshot("review-box-page")
    tiles = page.locator(".lv-review-page .lv-tile")
    tiles.filter(has_not=page.locator("i[data-box=suggested]")).first.click()
    page.keyboard.press("b")
    wait_for(page, "No box is suggested here")
