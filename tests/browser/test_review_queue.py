"""A review in *Label embeddings*: from nothing to answers by keys, and after a reload."""

from __future__ import annotations

import re

import pytest
from labelvet import compute_visualization
from labelvet.issues.find import find_label_issues

from .conftest import answers_late, choose_run, open_dataset, open_panel

FIELD = "predictions"
KEY = "review_patches"
LABELS = f"{FIELD}.detections"


@pytest.fixture
def mapped(coco128):
    """A copy of ``coco128`` with a map of its predictions."""
    dataset = coco128.clone(persistent=True)
    compute_visualization(dataset, FIELD, KEY, seed=51, progress=False)
    yield dataset
    dataset.delete()


def open_review(page, address: str) -> None:
    open_dataset(page, address)
    open_panel(page, "label_embeddings")
    choose_run(page, KEY, 628)
    page.keyboard.press("q")
    page.locator(".lv-review").wait_for()


def wait_for(page, text: str) -> None:
    page.locator(".lv-status", has_text=text).wait_for()


def wait_for_answered(page, count: int) -> None:
    page.locator(".lv-review header", has_text=f"{count} answered").wait_for()


def answered(page) -> int:
    match = re.search(r"([\d,]+) answered", page.locator(".lv-review header").inner_text())
    return int(match[1].replace(",", ""))


def test_the_keys_work_when_label_issues_were_found(app, page, mapped):
    open_review(page, app(mapped.name))
    page.locator(".lv-review").get_by_role("button", name="Find label issues").click()
    page.get_by_text("The labels of this visualization are checked").wait_for()
    page.get_by_role("button", name="Execute").click()
    page.locator(".lv-review-crop img").wait_for(timeout=180_000)
    page.get_by_role("button", name="Done", exact=True).click()
    page.get_by_role("button", name="Done", exact=True).wait_for(state="detached")
    # nobody clicked into the panel since the form was there
    page.keyboard.press("y")
    wait_for(page, "is right")
    # keys pressed where the focus is elsewhere are not the panel's
    page.locator('[data-cy="sidebar-column"], [data-cy="entry-counts"]').first.click()
    page.keyboard.press("y")
    page.wait_for_timeout(1500)
    assert answered(page) == 1
    # the App mounts a panel anew when its layout changes: the review is open yet
    page.evaluate("window.__foo__.executeOperator('close_panel', {name: 'label_embeddings'})")
    page.locator(".lv-review").wait_for(state="detached")
    open_panel(page, "label_embeddings")
    page.locator(".lv-review-crop img").wait_for()

    # an answer that is given while the queue is ranked anew is counted
    ranked = answers_late(page, "next_issues")
    page.locator(".lv-page").focus()
    with page.expect_request(lambda asked: '"next_issues"' in (asked.post_data or "")):
        for _ in range(5):
            page.keyboard.press("y")
    page.keyboard.press("y")
    wait_for_answered(page, 7)
    while not ranked:
        page.wait_for_timeout(100)
    page.wait_for_timeout(1000)
    assert answered(page) == 7


def test_review_queue(app, page, mapped, screenshot):
    address = app(mapped.name)
    open_review(page, address)
    # nothing was looked for: the panel leads to the operator
    page.get_by_text("No label issues yet").wait_for()
    screenshot("review-empty")
    page.locator(".lv-review").get_by_role("button", name="Find label issues").click()
    page.get_by_text("The labels of this visualization are checked").wait_for()
    screenshot("review-find-form")
    page.keyboard.press("Escape")
    find_label_issues(mapped, KEY)

    # it is there without a reload
    page.locator(".lv-review-crop img").wait_for()
    page.locator(".lv-expected", has_text="issues are left").wait_for()
    page.locator(".lv-beside img").first.wait_for()
    page.wait_for_timeout(500)
    screenshot("review-one")

    page.locator(".lv-page").focus()
    label = page.locator(".lv-review-facts h2")
    first = label.inner_text()
    page.keyboard.press("w")
    wait_for(page, f"'{first}' is now")
    page.keyboard.press("n")
    wait_for(page, "not an object")
    page.keyboard.press("y")
    wait_for(page, "is right")
    page.keyboard.press("k")
    wait_for(page, "Skipped")
    # another class, searched for
    page.keyboard.press("o")
    page.get_by_label("Search classes").fill("zeb")
    page.get_by_role("option", name="New class: zeb").wait_for()
    screenshot("review-pick")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    wait_for(page, "is now 'zebra'")
    # what was typed is taken as it is, though a longer name begins alike
    for typed in ("zeb", "zebra"):
        page.keyboard.press("z")
        wait_for(page, "undone")
        page.keyboard.press("o")
        page.get_by_label("Search classes").fill(typed)
        page.keyboard.press("Enter")
        wait_for(page, f"is now '{typed}'")
    mapped.reload()
    assert mapped.count_values(f"{LABELS}.review") == {
        None: 623, "wrong class": 2, "not an object": 1, "right": 1, "skipped": 1
    }  # fmt: skip
    assert mapped.count_label_tags(FIELD) == {"reviewed": 3, "rejected": 1}
    assert len(mapped.distinct(f"{LABELS}.reviewed_by")) == 1
    wait_for_answered(page, 4)

    # the same key as ever takes one back
    page.keyboard.press("z")
    wait_for(page, "undone")
    assert mapped.count_values(f"{LABELS}.review")["wrong class"] == 1

    # a page of crops: a click chooses, the keys answer
    page.keyboard.press("g")
    page.locator(".lv-review-page .lv-tile img").nth(5).wait_for()
    page.locator(".lv-review-page .lv-tile").nth(2).click()
    page.wait_for_timeout(500)
    screenshot("review-page")
    page.keyboard.press("n")
    wait_for(page, "not an object")
    page.keyboard.press("Shift+Y")
    wait_for(page, "24 answers saved")
    wait_for_answered(page, 28)

    # another day: what was answered is not asked again
    open_review(page, address)
    wait_for_answered(page, 28)
    page.locator(".lv-review-crop img").wait_for()

    # what was deleted meanwhile is refused, with a sentence
    mapped.delete_labels(ids=mapped.values(f"{LABELS}.id", unwind=True), fields=FIELD)
    page.locator(".lv-page").focus()
    page.keyboard.press("y")
    wait_for(page, "approved or deleted since")
    screenshot("review-deleted")
