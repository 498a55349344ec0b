"""The loop of approval, clicked through in *Auto Labeling* on the demo's scenes."""

from __future__ import annotations

import re

import pytest
from fiftyone import ViewField as F
from labelvet.autolabel.runs import AutoLabelRun, save_run
from labelvet.core.versions import PLUGIN
from labelvet.dataset.documents import samples_of
from labelvet.dataset.tags import tag_view
from labelvet.demo.dataset import PREDICTIONS, composed_dataset
from labelvet.demo.stamps import StampsUnavailable

from .conftest import open_dataset, open_panel

RUN = "first_pass"
TRUTH = "approved_labels"
LABELS = f"{PREDICTIONS}.detections"


@pytest.fixture
def labeled(tmp_path):
    """24 scenes whose predictions are those of a run, 30 of them flagged."""
    try:
        dataset = composed_dataset("labeled", tmp_path / "scenes", PLUGIN / ".cache" / "stamps", 24)
    except StampsUnavailable as error:
        pytest.skip(str(error))
    samples_of(dataset).update_many({}, {"$set": {f"{LABELS}.$[].auto_label_run": RUN}})
    dataset.add_dynamic_sample_fields()
    save_run(
        dataset,
        AutoLabelRun(
            RUN, PREDICTIONS, "simulated", None, 0.0, "in_review", labels=dataset.count(LABELS),
            images=24,
        ),
    )  # fmt: skip
    weakest = sorted(dataset.values(f"{LABELS}.confidence", unwind=True))[29]
    tag_view(
        dataset.filter_labels(PREDICTIONS, F("confidence") <= weakest), PREDICTIONS, "needs-review"
    )
    yield dataset
    dataset.delete()


def number(page, selector: str, pattern: str) -> int:
    match = re.search(pattern, page.locator(selector).inner_text())
    assert match, f"'{pattern}' is not in {selector}"
    return int(match[1].replace(",", ""))


def wait_for_said(page, text: str) -> None:
    page.locator(".lv-status", has_text=text).wait_for()


def wait_for_loop(page, text: str) -> None:
    page.locator('[data-cy="loop-line"]', has_text=re.compile(text)).wait_for()


def wait_for_grid(page, count: int, what: str = "patches") -> None:
    what = what if count != 1 else what.removesuffix("es")
    page.locator('[data-cy="entry-counts"]', has_text=re.compile(f"^{count:,} {what}$")).wait_for()


def cy(page, name: str):
    return page.locator(f'[data-cy="{name}"]')


def test_the_loop_of_approval(app, page, labeled, screenshot):
    from playwright.sync_api import expect

    found, flagged = labeled.count(LABELS), labeled.count_label_tags(PREDICTIONS)["needs-review"]
    address = app(labeled.name)
    open_dataset(page, address)
    open_panel(page, "auto_labeling")
    cy(page, f"auto-labeling-run-{RUN}").wait_for()
    screenshot("auto-labeling-runs")

    # review: the histogram, the classes, and the grid that follows, as patches
    cy(page, f"auto-labeling-run-{RUN}").click()
    wait_for_loop(page, f"{found:,} found · 0 approved · {flagged} flagged")
    wait_for_grid(page, found - flagged)
    assert number(page, '[data-cy="add"]', r"Add ([\d,]+)") == found - flagged
    page.locator('[data-cy="looker"]').first.wait_for()
    page.wait_for_timeout(1500)  # until the tiles are drawn, for the picture
    screenshot("auto-labeling-review")

    # the classes in another order
    names = page.locator("tbody .lv-class").all_inner_texts()
    page.get_by_role("button", name="Class", exact=True).click()
    assert page.locator("tbody .lv-class").all_inner_texts() == sorted(names)
    page.get_by_role("button", name="Labels", exact=True).click()
    assert page.locator("tbody .lv-class").all_inner_texts()[0] == names[0]
    screenshot("auto-labeling-ordered")

    # a class alone, above a confidence
    page.locator('[data-cy^="class-"] .lv-class').first.click()
    handle = page.get_by_label("Confidence of the labels to review, at least")
    handle.focus()
    for _ in range(50):
        page.keyboard.press("ArrowRight")
    name = page.locator('[data-cy^="class-"] .lv-class').first.inner_text()
    sure = labeled.filter_labels(
        PREDICTIONS,
        (F("label") == name) & (F("confidence") >= 0.5) & ~F("tags").contains("needs-review"),
    ).count(LABELS)
    cy(page, "add").get_by_text(f"Add {sure:,} label").wait_for()
    wait_for_grid(page, sure)
    cy(page, "auto-labeling").click(position={"x": 150, "y": 20})
    page.keyboard.press("a")
    wait_for_said(page, f"{sure} label")
    cy(page, f"basket-{name}").wait_for()
    expect(page.locator('[data-cy="looker"]')).to_have_count(
        0, timeout=150_000
    )  # nothing of it is left to review

    # all classes above it; one class is taken out again, and that undone
    page.get_by_label("All classes").check()
    cy(page, "add").click()
    wait_for_said(page, "added for approval")
    in_basket = labeled.filter_labels(
        PREDICTIONS, (F("confidence") >= 0.5) & ~F("tags").contains("needs-review")
    ).count(LABELS)
    wait_for_loop(page, f"{in_basket:,} in the basket")
    page.get_by_role("button", name=f"Remove {name}").click()
    wait_for_loop(page, f"{in_basket - sure:,} in the basket")
    page.locator(".lv-status").get_by_role("button", name="Undo").click()
    wait_for_loop(page, f"{in_basket:,} in the basket")
    cy(page, "grid-basket").click()
    wait_for_grid(page, in_basket)
    page.wait_for_timeout(2000)  # until the tiles are drawn, for the picture
    screenshot("auto-labeling-basket")

    # one patch of the basket is flagged after all
    select_first_patch(page)
    cy(page, "flag").click()
    wait_for_said(page, "1 label flagged")
    wait_for_loop(page, f"{flagged + 1} flagged")
    wait_for_grid(page, in_basket - 1)

    # approve into a new field
    cy(page, "approve-into").fill(TRUTH)
    page.get_by_text("a new field").wait_for()
    cy(page, "approve").click()
    wait_for_said(page, f"{in_basket - 1:,} labels approved into '{TRUTH}'")
    wait_for_loop(page, f"{in_basket - 1:,} approved")
    page.locator('[data-cy="rounds"]', has_text="flagged or rejected in this round").wait_for()
    labeled.reload()
    assert labeled.count(f"{TRUTH}.detections") == in_basket - 1
    assert labeled.distinct(f"{TRUTH}.detections.approved_model") == ["simulated"]
    left = labeled.count_label_tags(PREDICTIONS)["not-approved"]
    assert left == found - (in_basket - 1)
    cy(page, "grid-approved").click()
    wait_for_grid(page, in_basket - 1)
    screenshot("auto-labeling-approved")

    # finalize says how many, and is undone; then for good
    rest = found - (in_basket - 1)
    cy(page, "finalize").click()
    page.get_by_role("alertdialog", name=f"Remove {rest:,}").wait_for()
    screenshot("auto-labeling-finalize")
    cy(page, "confirm").click()
    wait_for_said(page, f"{rest:,} label")
    assert labeled.count(LABELS) == in_basket - 1
    page.locator(".lv-status").get_by_role("button", name="Undo").click()
    wait_for_said(page, "came back")
    assert labeled.count(LABELS) == found
    cy(page, "grid-all").click()
    in_range = labeled.filter_labels(PREDICTIONS, F("confidence") >= 0.5).count(LABELS)
    wait_for_grid(page, in_range)
    cy(page, "grid-approved").click()
    wait_for_loop(page, f"{found:,} found")
    cy(page, "finalize").click()
    cy(page, "confirm").click()
    wait_for_said(page, f"{rest:,} label")
    cy(page, "finish").click()
    cy(page, "confirm").click()
    wait_for_said(page, "Finished")
    wait_for_loop(page, f"{in_basket - 1:,} found")
    wait_for_grid(page, in_basket - 1)
    screenshot("auto-labeling-finished")
    labeled.reload()
    assert labeled.count(LABELS) == labeled.count(f"{TRUTH}.detections") == in_basket - 1
    assert not labeled.has_sample_field(f"{PREDICTIONS}_removed")

    cy(page, "grid-images").click()
    wait_for_grid(page, 24, "samples")


def test_what_was_finalized_comes_back_on_another_day(app, page, labeled, screenshot):
    found = labeled.count(LABELS)
    address = app(labeled.name)
    open_dataset(page, address)
    open_panel(page, "auto_labeling")
    cy(page, f"auto-labeling-run-{RUN}").click()
    wait_for_loop(page, f"{found:,} found")
    cy(page, "finalize").click()
    cy(page, "confirm").click()
    wait_for_said(page, f"{found:,} labels")
    assert labeled.count(LABELS) == 0

    # another page, which knows nothing of what this one did; the panel is open there too
    page.goto(address)
    cy(page, f"auto-labeling-run-{RUN}").click()
    page.get_by_role("button", name="What can be undone").click()
    listed = page.get_by_role("dialog", name="What can be undone")
    listed.get_by_role("listitem").first.wait_for()
    screenshot("auto-labeling-history")
    change = listed.get_by_role("listitem").filter(has_text=f"{found:,} labels")
    change.get_by_role("button", name="Undo").click()
    change.wait_for(state="detached")
    page.keyboard.press("Escape")
    wait_for_said(page, "came back")
    assert labeled.count(LABELS) == found


def select_first_patch(page) -> None:
    """Selects a patch in the grid, as a person does: its check box shows under the pointer."""
    tile = page.locator('[data-cy="looker"]').first
    box = tile.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.click(box["x"] + 14, box["y"] + 14)


def test_a_dataset_without_labels_says_what_to_do(app, page, make_dataset, tmp_path, screenshot):
    import fiftyone as fo
    from PIL import Image

    dataset = make_dataset()
    dataset.persistent = True
    Image.new("RGB", (60, 40)).save(tmp_path / "a.jpg")
    dataset.add_sample(fo.Sample(str(tmp_path / "a.jpg")))
    open_dataset(page, app(dataset.name))
    open_panel(page, "auto_labeling")
    page.get_by_text("No labels yet").wait_for()
    cy(page, "auto-label").wait_for()
    screenshot("auto-labeling-empty")
