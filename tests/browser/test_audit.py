"""An audit in *Label embeddings*: asked with the keys of the queue, and what it says."""

from __future__ import annotations

import re

from labelvet.issues.find import find_label_issues
from labelvet.proof.audits import current_audit
from labelvet.proof.results import read_result

from .test_review_queue import KEY, mapped, open_review, wait_for  # noqa: F401


def answered(page) -> int:
    match = re.search(r"([\d,]+) answered", page.locator(".lv-review header").inner_text())
    return int(match[1].replace(",", ""))


def test_audit(app, page, mapped, screenshot):  # noqa: F811
    find_label_issues(mapped, KEY)
    address = app(mapped.name)
    open_review(page, address)
    page.locator(".lv-expected", has_text="issues are left").wait_for()
    page.keyboard.press("a")
    page.get_by_role("heading", name="Audit").wait_for()
    page.locator(".lv-expected", has_text="Audit of 628 labels").wait_for()
    page.locator(".lv-review-crop img").wait_for()
    for number in range(24):
        page.keyboard.press("n" if number % 8 == 7 else "y")
        page.locator("header", has_text=f"{number + 1} answered").wait_for()
    page.locator(".lv-expected", has_text="after 24 answers").wait_for()
    said = page.locator(".lv-expected").inner_text()
    assert re.match(
        r"[\d.]+% of 628 labels are wrong, [\d.]+% to [\d.]+% \(95%\), after 24 answers; "
        r"about [\d,]+ more would halve the interval\.",
        said,
    )
    page.locator(".lv-beside img").first.wait_for()
    screenshot("audit")
    found = read_result(mapped, current_audit(mapped, KEY))
    assert (found.answers, found.found) == (24, 3)

    page.keyboard.press("z")
    wait_for(page, "Undone: ")
    page.locator("header", has_text="23 answered").wait_for()

    # the queue goes on where it was, and the audit after a reload
    page.keyboard.press("a")
    page.get_by_role("heading", name="Review").wait_for()
    page.locator(".lv-expected", has_text="issues are left").wait_for()
    open_review(page, address)
    page.keyboard.press("a")
    page.locator(".lv-expected", has_text="after 23 answers").wait_for()
    assert answered(page) == 23
    page.get_by_role("button", name="Start a new audit").click()
    # two were found to be no objects: they are on their way out
    page.locator(".lv-expected", has_text="Audit of 626 labels").wait_for()
    assert answered(page) == 0
