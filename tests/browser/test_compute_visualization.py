"""The guide's first section, clicked through in the real App by a real browser."""

from __future__ import annotations

import time

from labelvet.embeddings.store import clear_store

from .conftest import open_dataset, open_panel


def test_the_guides_first_section(app, page, coco128, screenshot):
    clear_store()  # what other tests embedded would leave no progress to see
    address = app(coco128.name)
    open_dataset(page, address)

    # Browse operations > Compute visualization
    page.keyboard.press("Backquote")
    page.get_by_placeholder("Search operations by name...").fill("Compute vis")
    page.get_by_text("Compute visualization").last.click()
    key = page.get_by_text("Brain key", exact=True).locator("xpath=following::input[1]")
    key.fill("1st patches")
    refused = page.get_by_text("must not start with a digit")
    refused.wait_for()
    key.fill("yolow_patches")
    refused.wait_for(state="hidden")  # an answer that is on its way would undo the next choice
    page.get_by_text("Patches field", exact=True).locator(
        "xpath=following::*[@role='combobox'][1]"
    ).click()
    page.get_by_role("option", name="predictions").click()
    page.get_by_text("628 patches in 128 images will be embedded").wait_for()
    screenshot("compute-visualization-form")
    page.get_by_role("button", name="Execute").click()
    page.get_by_text("of 628 patches").wait_for()
    screenshot("compute-visualization-progress")
    page.get_by_text("628 points under 'yolow_patches'").wait_for(timeout=180_000)
    screenshot("compute-visualization-done")

    coco128.reload()
    assert len(coco128.load_brain_results("yolow_patches").points) == 628

    # New panel > Embeddings > yolow_patches
    columns = []
    page.on("response", lambda response: columns.append(response))
    open_dataset(page, address)
    open_panel(page, "Embeddings")
    page.get_by_text("yolow_patches", exact=True).click()
    deadline = time.monotonic() + 150
    drawn = None
    while drawn is None and time.monotonic() < deadline:
        page.wait_for_timeout(500)
        for response in columns:
            if response.url.endswith("/embeddings/v2/geometry") and response.ok:
                # FiftyOne's header: magic, version, dtype and width, then the number of points
                drawn = int.from_bytes(response.body()[8:12], "little")
    page.wait_for_timeout(2000)
    screenshot("embeddings-panel")
    assert drawn == 628
