"""The real App, in a process of its own, and a real browser to look at it with."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
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
def app(tmp_path) -> Iterator[Callable[[str], str]]:
    """A function that starts the App on a dataset and returns the address of its page."""
    script = tmp_path / "launch.py"
    script.write_text(LAUNCH)
    processes = []

    def start(dataset_name: str) -> str:
        port = free_port()
        process = subprocess.Popen(
            [sys.executable, str(script), dataset_name, str(port)],
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        processes.append(process)
        address = f"http://127.0.0.1:{port}"
        for _ in range(120):
            try:
                urllib.request.urlopen(f"{address}/fiftyone", timeout=5)
                break
            except OSError:
                time.sleep(0.5)
        return f"{address}/datasets/{dataset_name}"

    try:
        yield start
    finally:
        for process in processes:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(30)


@pytest.fixture
def page():
    """A page of the browser."""
    if CHROMIUM is None:
        pytest.skip("chromium is not installed: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    ARTIFACTS.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
        yield new_page(browser)
        browser.close()


def new_page(browser):
    """A page of 1500 x 950 pixels, with patience and without the App's advertisement."""
    page = browser.new_page(viewport={"width": 1500, "height": 950})
    page.set_default_timeout(60_000)
    page.add_init_script('localStorage["fiftyone-enterprise-tooltip-seen"] = "true"')
    return page


@pytest.fixture
def screenshot(page):
    """Keeps a picture of the page for a person to look at."""
    return lambda name: page.screenshot(path=ARTIFACTS / f"{name}.png")


def open_panel(page, name: str) -> None:
    """Opens a panel beside the grid."""
    page.evaluate(
        "name => window.__foo__.executeOperator('open_panel', "
        "{name, isActive: true, layout: 'horizontal'})",
        name,
    )


def open_dataset(page, address: str) -> None:
    """Goes to a dataset's page and waits until its grid shows images."""
    page.goto(address)
    page.wait_for_selector('[data-cy="looker"]')
