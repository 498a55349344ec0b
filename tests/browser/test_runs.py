"""Scheduled on a cluster in the form's drop-down, and watched in *Runs* to its end."""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from running import schedule, wait_for_state, wait_until

from .conftest import open_dataset, open_panel

KEY = "scheduled_patches"
FORM = "Compute visualization"


@pytest.fixture
def worker(ray_cluster, start_worker, empty_queue, tmp_path):
    environment = {**ray_cluster.environment, "LABELVET_CACHE_DIR": str(tmp_path / "store")}
    return start_worker("gpu-cluster", "--ray", ray_cluster.address, env=environment)


@pytest.fixture
def two_workers():
    """Two workers that are there, as far as the App can tell."""
    from labelvet.workers.targets import Registration, Worker

    present = [Registration(Worker(name, "machine", "a machine")) for name in ("attic", "shelf")]
    stop = threading.Event()

    def renew():
        while not stop.wait(2):
            for worker in present:
                worker.renew()

    heart = threading.Thread(target=renew)
    heart.start()
    yield
    stop.set()
    heart.join()
    for worker in present:
        worker.leave()


def open_form(page, key):
    """Opens the form and fills in what it needs."""
    page.keyboard.press("Backquote")
    page.get_by_placeholder("Search operations by name...").fill("Compute vis")
    page.get_by_text(FORM).last.click()
    page.get_by_text("Brain key", exact=True).locator("xpath=following::input[1]").fill(key)
    page.wait_for_timeout(1500)  # an answer that is on its way would undo the next choice
    choose(page, "Patches field", "predictions")
    page.get_by_text("628 patches in 128 images will be embedded").wait_for()


def choose(page, label, option):
    box = page.get_by_text(label, exact=True).locator("xpath=following::*[@role='combobox'][1]")
    box.click()
    page.get_by_role("option", name=option).click()


def schedule_in_the_form(page, name):
    """Chooses a target under the arrow beside Execute, and schedules."""
    page.get_by_role("button", name="Execute").locator("xpath=following::button[1]").click()
    page.get_by_text(f"Schedule on {name}").click()
    page.get_by_role("button", name=re.compile("Schedule")).first.click()


def bar(page) -> int:
    """The percentage of the run's progress bar; -1 where there is none."""
    bars = page.locator(".lv-run-bar")
    return int(bars.first.get_attribute("aria-valuenow")) if bars.count() else -1


def test_schedule_on_the_cluster_watch_and_open(app, page, coco128, worker, screenshot):
    open_dataset(page, app(coco128.name))
    open_form(page, KEY)
    schedule_in_the_form(page, "gpu-cluster")

    open_panel(page, "labelvet_runs")
    row = page.locator(".lv-run")
    row.wait_for()
    page.get_by_text(f"{FORM}: {KEY}").wait_for()
    row.locator("button[aria-expanded]").click()
    seen = set()
    while row.get_attribute("data-state") in ("queued", "running"):
        if (value := bar(page)) >= 0 and value not in seen:
            seen.add(value)
            screenshot("runs-running")
        page.wait_for_timeout(200)
    screenshot("runs-completed")
    assert row.get_attribute("data-state") == "completed", row.inner_text()
    assert len(seen) > 3
    assert "628 points under" in row.inner_text()
    # once more: it replaces what it made
    coco128.reload()
    before = coco128.get_brain_info(KEY).timestamp
    row.get_by_role("button", name="Re-run").click()
    page.get_by_role("alertdialog").get_by_text("replace the current map").wait_for()
    assert page.locator(".lv-run").count() == 1
    screenshot("runs-replace")
    page.locator('[data-cy="confirm"]').click()
    page.locator(".lv-run").nth(1).wait_for()
    row = page.locator(".lv-run").first
    page.locator('.lv-run[data-state="completed"]').nth(1).wait_for()
    coco128.reload()
    assert coco128.get_brain_info(KEY).timestamp > before
    row.get_by_role("button", name="Open").click()
    page.get_by_text(KEY).first.wait_for()
    page.locator(".lv-count", has_text="628").wait_for()
    screenshot("runs-opened")


def test_without_a_worker_the_form_and_the_panel_say_how_to_start_one(
    app, page, coco128, empty_queue, screenshot
):
    open_dataset(page, app(coco128.name))
    open_panel(page, "labelvet_runs")
    page.get_by_text("labelvet worker --name NAME").wait_for()
    page.get_by_text("Nothing has been scheduled yet").wait_for()
    with ThreadPoolExecutor() as pool:  # playwright's event loop is in the way here
        id_ = pool.submit(schedule, coco128, "never", "nowhere").result()
    row = page.locator(".lv-run")
    row.wait_for()
    row.get_by_role("button", name="Cancel").click()
    failed = wait_for_state(id_, "failed")
    assert failed.error == "Canceled before it started."
    page.get_by_text("Canceled before it started.").wait_for()
    row.locator("button[aria-expanded]").click()
    row.get_by_text("@labelvet/labelvet/compute_visualization").wait_for()
    screenshot("runs-cancelled")
    row.get_by_role("button", name="Delete").click()
    page.get_by_text("Nothing has been scheduled yet").wait_for()


def test_of_several_workers_the_chosen_one_is_honoured(
    app, page, coco128, empty_queue, two_workers, screenshot
):
    from labelvet.workers.operations import list_operations

    open_dataset(page, app(coco128.name))
    open_form(page, "never")
    choose(page, "Schedule on", "shelf")
    page.wait_for_timeout(1500)  # the drop-down follows the form
    screenshot("runs-two-workers")
    schedule_in_the_form(page, "shelf")
    (operation,) = wait_until(lambda: list_operations(coco128._doc.id))
    assert operation.target == "shelf"
