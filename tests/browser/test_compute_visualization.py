"""The guide's first section, clicked through in the real App by a real browser."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from labelvet.demo.mongod import free_port

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
CHROMIUM_FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
ARTIFACTS = Path(__file__).resolve().parents[1] / "artifacts"

LAUNCH = """
import sys, time
import fiftyone as fo
if __name__ == "__main__":
    dataset = fo.load_dataset(sys.argv[1])
    fo.launch_app(dataset, port=int(sys.argv[2]), address="127.0.0.1", remote=True)
    time.sleep(3600)
"""


@pytest.fixture
def app(coco128, tmp_path):
    """The App's address, showing ``coco128``."""
    script = tmp_path / "launch.py"
    script.write_text(LAUNCH)
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, str(script), coco128.name, str(port)],
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(120):
            try:
                urllib.request.urlopen(f"{address}/fiftyone", timeout=5)
                break
            except OSError:
                time.sleep(0.5)
        yield address
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


@pytest.fixture
def page():
    if CHROMIUM is None:
        pytest.skip("chromium is not installed: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
        page = browser.new_page(viewport={"width": 1500, "height": 950})
        page.set_default_timeout(60_000)
        page.add_init_script('localStorage["fiftyone-enterprise-tooltip-seen"] = "true"')
        yield page
        browser.close()


def test_the_guides_first_section(app, page, coco128):
    ARTIFACTS.mkdir(exist_ok=True)
    page.goto(f"{app}/datasets/{coco128.name}")
    page.wait_for_selector('[data-cy="looker"]')

    # Browse operations > Compute visualization
    page.keyboard.press("Backquote")
    page.get_by_placeholder("Search operations by name...").fill("Compute vis")
    page.get_by_text("Compute visualization").last.click()
    key = page.get_by_text("Brain key", exact=True).locator("xpath=following::input[1]")
    key.fill("1st patches")
    page.get_by_text("must not start with a digit").wait_for()
    key.fill("yolow_patches")
    page.get_by_text("Patches field", exact=True).locator(
        "xpath=following::*[@role='combobox'][1]"
    ).click()
    page.get_by_role("option", name="predictions").click()
    page.get_by_text("628 patches in 128 images will be embedded").wait_for()
    page.screenshot(path=ARTIFACTS / "compute-visualization-form.png")
    page.get_by_role("button", name="Execute").click()
    page.get_by_text("of 628 patches").wait_for()
    page.screenshot(path=ARTIFACTS / "compute-visualization-progress.png")
    page.get_by_text("628 points under 'yolow_patches'").wait_for(timeout=180_000)
    page.screenshot(path=ARTIFACTS / "compute-visualization-done.png")

    coco128.reload()
    assert len(coco128.load_brain_results("yolow_patches").points) == 628

    # New panel > Embeddings > yolow_patches
    columns = []
    page.on("response", lambda response: columns.append(response))
    page.goto(f"{app}/datasets/{coco128.name}")
    page.wait_for_selector('[data-cy="looker"]')
    page.evaluate(
        "window.__foo__.executeOperator('open_panel', "
        "{name: 'Embeddings', isActive: true, layout: 'horizontal'})"
    )
    page.get_by_text("yolow_patches", exact=True).click()
    deadline = time.monotonic() + 60
    drawn = None
    while drawn is None and time.monotonic() < deadline:
        page.wait_for_timeout(500)
        for response in columns:
            if response.url.endswith("/embeddings/v2/geometry") and response.ok:
                # FiftyOne's header: magic, version, dtype and width, then the number of points
                drawn = int.from_bytes(response.body()[8:12], "little")
    page.wait_for_timeout(2000)
    page.screenshot(path=ARTIFACTS / "embeddings-panel.png")
    assert drawn == 628
