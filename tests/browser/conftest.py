"""The real App, in a process of its own, and a real browser to look at it with."""

from __future__ import annotations

import json
import re
import shutil
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from labelvet.bench.browser import FLAGS
from labelvet.core.app_server import app_server
from labelvet.core.ports import free_port

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
ARTIFACTS = Path(__file__).resolve().parents[1] / "artifacts"


@pytest.fixture(scope="package")
def _server() -> Iterator[str]:
    """The address of one App for all tests: each would start for seconds."""
    with app_server(free_port()) as server:
        server.wait()
        yield f"http://127.0.0.1:{server.port}"


@pytest.fixture
def app(_server: str) -> Iterator[Callable[[str], str]]:
    """A function that returns the address of a dataset's page in the App."""
    yield lambda name: f"{_server}/datasets/{name}"
    _forget_dataset(_server)


def _forget_dataset(address: str) -> None:
    """Has the App leave its dataset, as it does for another: the view and the panels that were open
    are not the next test's."""
    asked = {
        "polling": True,
        "events": [],
        "subscription": uuid.uuid4().hex,
        "initializer": {"dataset": "none of the tests"},
    }
    request = urllib.request.Request(
        f"{address}/events",
        json.dumps(asked).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        (said,) = json.load(answer)["events"]
    assert said["data"]["state"].get("dataset") is None


@pytest.fixture(scope="package")
def _browser():
    """One Chromium for all tests, each of which has pages of its own."""
    if CHROMIUM is None:
        pytest.skip("chromium is not installed: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()


_failed = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item):
    report = yield
    item.stash[_failed] = report.when == "call" and report.failed
    return report


@pytest.fixture
def page(request: pytest.FixtureRequest, _browser):
    """A page of the browser, of which there is a picture where its test failed."""
    ARTIFACTS.mkdir(exist_ok=True)
    shown = new_page(_browser)
    yield shown
    if request.node.stash.get(_failed, False):
        shown.screenshot(path=ARTIFACTS / f"failed-{request.node.name}.png")
    shown.close()


# each frame of a transition is drawn by the processor, and a click waits until it is over
_STILL = """
document.addEventListener("DOMContentLoaded", () => {
  const style = document.createElement("style");
  style.textContent =
    "*, ::before, ::after { transition: none !important; animation: none !important }";
  document.head.append(style);
});
"""


def new_page(browser):
    """A page of 1500 x 950 pixels, with patience, without transitions and without the App's
    advertisement."""
    page = browser.new_page(viewport={"width": 1500, "height": 950})
    page.set_default_timeout(150_000)
    page.add_init_script(_STILL)
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


def choose_run(page, key: str, points: int) -> None:
    """Opens a run in *Label embeddings*, which does so by itself where there is no other."""
    from playwright.sync_api import TimeoutError

    card = page.locator(".lv-runs button", has=page.get_by_text(key, exact=True))
    shown = page.locator(".lv-count", has_text=f"{points:,} points")
    card.or_(shown).first.wait_for()
    if card.count():
        with suppress(TimeoutError):  # the only run opens by itself
            card.click(timeout=10_000)
    shown.wait_for()
    page.locator(".lv-page").focus()  # so that it hears keys


def wait_for_rest(page) -> None:
    """Waits until *Label embeddings* has counted what was chosen."""
    before, now = None, page.locator(".lv-count").inner_text()
    while before != now:
        page.wait_for_timeout(800)
        before, now = now, page.locator(".lv-count").inner_text()


def color_by(page, field: str, name: str) -> None:
    """Colors the map by an attribute of the labels, which the menu lists under their field."""
    page.get_by_label("Color by").fill(name)
    group = page.locator(".MuiAutocomplete-popper li", has=page.get_by_text(field, exact=True))
    group.get_by_role("option", name=re.compile(rf"^{name}\b")).click()


def answers_late(page, method: str) -> list[str]:
    """Lets the answers of a panel's method arrive three seconds late, and returns the list that
    they are put into."""
    answers: list[str] = []

    def late(route) -> None:
        if f'"{method}"' in (route.request.post_data or ""):
            response = route.fetch()
            page.wait_for_timeout(3000)
            answers.append(response.text())
            route.fulfill(response=response)
        else:
            route.continue_()

    page.route("**/operators/**", late)
    return answers


def switch_dataset(page, name: str) -> None:
    """Has the App show another dataset, with no new page."""
    page.evaluate("name => window.__foo__.executeOperator('open_dataset', {dataset: name})", name)


def open_dataset(page, address: str) -> None:
    """Goes to a dataset's page and waits until its grid shows images."""
    page.goto(address)
    page.wait_for_selector('[data-cy="looker"]')
