"""The App in headless Chromium, and a clock in its page: when was a picture finished, and the grid
shown?

A picture is finished when the GPU (here software) has drawn at least 99 % of the points: the page's
drawing functions are wrapped, and each waits for its result. That slows both panels alike.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..core.app_server import app_server

FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)

_CLOCK = """
localStorage["fiftyone-enterprise-tooltip-seen"] = "true";
window.clock = {draws: [], started: 0, gap: 0};
for (const context of [WebGLRenderingContext, WebGL2RenderingContext])
  for (const [name, at] of [["drawArrays", 2], ["drawElements", 1],
                            ["drawArraysInstanced", 3], ["drawElementsInstanced", 4]]) {
    const draw = context.prototype[name];
    if (!draw) continue;
    context.prototype[name] = function (...args) {
      draw.apply(this, args);
      this.finish();
      this.readPixels(0, 0, 1, 1, this.RGBA, this.UNSIGNED_BYTE, new Uint8Array(4));
      window.clock.draws.push({at: performance.now(), count: args[at]});
    };
  }
let last = performance.now();
setInterval(() => {
  const now = performance.now();
  window.clock.gap = Math.max(window.clock.gap, now - last);
  last = now;
}, 20);
"""

_START = """() => {
  window.clock.draws = [];
  window.clock.gap = 0;
  window.clock.started = performance.now();
  document.querySelectorAll('[data-cy="looker"]').forEach((e) => e.setAttribute("data-old", ""));
}"""


@contextmanager
def app(dataset_name: str, port: int) -> Iterator[str]:
    """Runs the App's server and yields the address of a dataset's page."""
    with app_server(port) as server:
        server.wait()
        yield f"http://127.0.0.1:{port}/datasets/{dataset_name}"


@contextmanager
def page(address: str, panel: str) -> Iterator[Any]:
    """A page of the App with a panel beside the grid, and the clock in it."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        opened = browser.new_page(viewport={"width": 1500, "height": 950})
        opened.set_default_timeout(180_000)
        opened.add_init_script(_CLOCK)
        opened.goto(address)
        opened.wait_for_selector('[data-cy="looker"]')
        opened.evaluate(
            "name => window.__foo__.executeOperator('open_panel', "
            "{name, isActive: true, layout: 'horizontal'})",
            panel,
        )
        yield opened
        browser.close()


def start(opened: Any) -> None:
    """Starts the page's clock."""
    opened.evaluate(_START)


def seconds_to_picture(opened: Any, points: int, which: int = 0) -> float:
    """Waits until a picture of all points is finished and no other follows; seconds from the start
    to the first (``which`` 0) or the last (-1) of them."""
    opened.wait_for_function(
        """n => {
          const whole = window.clock.draws.filter(({count}) => count >= 0.99 * n);
          return whole.length && performance.now() - whole.at(-1).at > 1500;
        }""",
        arg=points,
    )
    return float(
        opened.evaluate(
            "([n, which]) => (window.clock.draws.filter((d) => d.count >= 0.99 * n).at(which).at"
            " - window.clock.started) / 1000",
            [points, which],
        )
    )


def seconds_to_grid(opened: Any, limit: float = 180.0) -> float | None:
    """Waits until the grid shows other samples than at the start; None if it never does."""
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        shown = opened.evaluate(
            """() => document.querySelectorAll('[data-cy="looker"]:not([data-old])').length
              && (performance.now() - window.clock.started) / 1000"""
        )
        if shown:
            return float(shown)
        time.sleep(0.02)
    return None


def longest_pause(opened: Any) -> float:
    """The longest time since the start that the page's main thread did not answer, in seconds."""
    return float(opened.evaluate("window.clock.gap")) / 1000
