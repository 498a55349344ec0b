"""The panel *Label embeddings*: what its Python half takes, and what a person waits for in the App,
beside the native Embeddings panel on the same dataset."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from . import browser
from .report import Aim, quick, write

_TURNS = 3
_TAG = "needs-review"
_OURS, _NATIVE = "label_embeddings", "Embeddings"
_NATIVE_LIMIT = 90.0


def run(folder: Path) -> None:
    """Runs the bench."""
    from .panel_data import make_dataset

    images, scale = (2_000, 4) if quick() else (50_000, 20)
    judged = make_dataset(folder / "images", "judged", images, 4)
    large = make_dataset(folder / "images", "large", images, scale)
    labels, points = 4 * images, scale * images
    figures: dict[str, Any] = {
        "images": images,
        "labels": labels,
        "points_of_the_large_map": points,
    }
    figures["python"] = _python(judged, large)
    python = figures["python"]
    wanted = python["selected"]
    targets = [
        Aim(f"color column of {labels:,} rows, cold, s", python["color_cold"], "<=", 1.5),
        Aim(f"color column of {labels:,} rows, warm, s", python["color_warm"], "<=", 0.2),
        Aim(f"stages, page and counts of {wanted:,} labels, s", python["select"], "<=", 2.0),
        Aim(f"tagging {wanted:,} labels, s", python["tag"], "<=", 5.0),
        Aim("undoing it, s", python["undo"], "<=", 5.0),
    ]
    seen = figures["app"] = _in_the_app(folder, points)
    targets += [
        Aim(f"first picture of {points:,} points, s", seen["picture"]["ours"], "<=", 2.0),
        Aim(
            "first picture, ours over the native panel's",
            seen["picture"]["ours"] / seen["picture"]["native"], "<=", 1.0,
        ),
        Aim(f"recolored {labels:,} points, cold, s", seen["recolor_cold"], "<=", 1.5),
        Aim(f"recolored {labels:,} points, warm, s", seen["recolor_warm"], "<=", 0.2),
        Aim(f"lasso of {seen['lassoed']:,} until the grid shows, s", seen["grid"], "<=", 2.0),
        Aim("tagged, seen in the panel, s", seen["tag"], "<=", 5.0),
        Aim("undone, seen in the panel, s", seen["undo"], "<=", 5.0),
        Aim(
            "questions to Python while panning and lassoing",
            seen["asked_while_panning_and_lassoing"], "<=", 0,
        ),
        Aim("longest pause of the page meanwhile, s", seen["pause"], "<=", 1.0),
    ]  # fmt: skip
    write("panel", figures, targets)


def _python(judged: Any, large: Any) -> dict[str, Any]:
    """Seconds in the panel's methods, called as the App's server calls them."""
    import fiftyone.server.view as fosv
    from fiftyone.operators.executor import ExecutionContext, Executor
    from labelvet.core.packed import pack
    from labelvet.maps import columns
    from labelvet.maps import map as maps
    from labelvet.panels.contracts import CONTRACTS
    from labelvet.panels.label_embeddings import LabelEmbeddings

    from .panel_data import FIELD, KEY

    def call(dataset: Any, method: str, **params: Any) -> Any:
        params["contract"] = CONTRACTS[LabelEmbeddings.component]
        request = {"dataset_id": str(dataset._doc.id), "params": params}
        answer = getattr(LabelEmbeddings(), method)(ExecutionContext(request, executor=Executor()))
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return json.loads(json.dumps(answer))  # it travels as JSON

    figures: dict[str, Any] = {}
    for name, dataset in (("open", judged), ("open_large", large)):
        opening = partial(call, dataset, "open_run", key=KEY)
        figures[f"{name}_cold"] = _seconds(opening, maps._maps.clear)
        figures[f"{name}_warm"] = _seconds(opening)
    opened = call(judged, "open_run", key=KEY)["run"]
    about = {"key": KEY, "run": opened["run"]}
    label = f"{FIELD}.detections.label"
    color = partial(call, judged, "color_columns", paths=[label], **about)
    figures["color_cold"] = _seconds(color, columns._columns.clear)
    figures["color_warm"] = _seconds(color)

    rows = _nearest(maps.load_map(judged, KEY).points)
    figures["selected"] = int(rows.sum())
    bits = pack(rows, "rows")

    def select() -> None:
        stages = call(judged, "select_rows", rows=bits, **about)["stages"]
        view = fosv.get_view(judged.name, extended_stages=stages)
        first = len(list(view.limit(20)._aggregate()))
        shown = view.count(f"{FIELD}.detections")
        if not first or shown != figures["selected"]:
            raise RuntimeError(f"the grid would show {shown} labels")

    figures["select"] = _seconds(select)
    tagging: list[float] = []
    undoing: list[float] = []
    for _ in range(_TURNS):
        start = time.perf_counter()
        params = {"rows": bits, "tag": _TAG, "target": "labels", "remove": False}
        done = call(judged, "tag", **params, **about)
        tagged = time.perf_counter()
        undone = call(judged, "undo", token=done["undo"])
        undoing.append(time.perf_counter() - tagged)
        tagging.append(tagged - start)
        told = f"{figures['selected']:,} label" in undone["sentence"]
        if done["changed"] != figures["selected"] or not told:
            raise RuntimeError("not all labels were tagged, or untagged")
    figures |= {"tag": median(tagging), "undo": median(undoing)}
    figures["clusters"] = _seconds(partial(call, judged, "clusters", path=label, **about))
    return {name: round(value, 4) for name, value in figures.items()}


def _in_the_app(folder: Path, points: int) -> dict[str, Any]:
    """Seconds that a person waits, in headless Chromium."""
    from labelvet.core.ports import free_port

    figures: dict[str, Any] = {"picture": {}}
    pictures: dict[str, list[float]] = {"ours": [], "native": []}

    @contextmanager
    def opened(dataset: str, panel: str) -> Iterator[Any]:
        # an App of its own each time, since it remembers the panels that were open
        with (
            browser.app(dataset, free_port()) as address,
            browser.page(address, panel) as page,
        ):
            yield page

    for _ in range(_TURNS):  # in turns: the machine is noisy
        for side, panel in (("ours", _OURS), ("native", _NATIVE)):
            with opened("large", panel) as page:
                card = _card(page, side)
                browser.start(page)
                card.click()
                pictures[side].append(round(browser.seconds_to_picture(page, points), 3))
    figures["pictures"] = pictures
    figures["picture"] = {side: median(seconds) for side, seconds in pictures.items()}
    with opened("judged", _OURS) as page:
        figures |= _judge(page)
    with opened("judged", _NATIVE) as page:
        figures["native_grid"] = _native_lasso(page)
    return figures


def _judge(page: Any) -> dict[str, Any]:
    _card(page, "ours").click()
    page.locator(".lv-legend li").first.wait_for()
    page.wait_for_timeout(3000)
    points = _number(page.locator(".lv-count").inner_text(), "points")
    figures: dict[str, Any] = {}
    for name, attribute in (
        ("recolor_cold", "tags"),  # the others are read when the map is opened
        ("recolor_warm", "confidence"),
    ):
        page.get_by_label("Color by").fill(attribute)
        option = page.get_by_role("option", name=re.compile(rf"^{attribute}\b")).first
        option.wait_for()
        browser.start(page)
        option.click()
        figures[name] = round(browser.seconds_to_picture(page, points, -1), 3)
    asked: list[str] = []
    page.on("request", lambda request: asked.extend({request.url} if _to_python(request) else ()))
    page.get_by_role("button", name="Move the map").click()
    _drag(page, page.locator(".lv-map"))
    page.mouse.up()
    page.get_by_role("button", name="See the whole map").click()
    page.get_by_role("button", name="Lasso").click()
    _drag(page, page.locator(".lv-map"))
    figures["asked_while_panning_and_lassoing"] = len(asked)
    browser.start(page)
    page.mouse.up()
    figures["grid"] = browser.seconds_to_grid(page)
    text = page.locator(".lv-count", has_text="selected").inner_text()
    figures["lassoed"] = _number(text, "selected")
    page.wait_for_timeout(3000)
    browser.start(page)
    for key, said, name in (("t", "was added", "tag"), ("z", "no longer", "undo")):
        start = time.perf_counter()
        page.keyboard.press(key)
        page.locator(".lv-status", has_text=said).wait_for()
        figures[name] = round(time.perf_counter() - start, 3)
    page.wait_for_timeout(2000)
    figures["pause"] = round(browser.longest_pause(page), 3)
    return figures


def _native_lasso(page: Any) -> float | None:
    _card(page, "native").click()
    page.wait_for_timeout(5000)
    page.get_by_text("Select", exact=True).last.click()
    _drag(page, page.locator("canvas").last)
    browser.start(page)
    page.mouse.up()
    return browser.seconds_to_grid(page, _NATIVE_LIMIT)


def _card(page: Any, side: str) -> Any:
    from .panel_data import KEY

    card = page.locator(".lv-runs button", has=page.get_by_text(KEY, exact=True))
    card = card if side == "ours" else page.get_by_text(KEY, exact=True).last
    card.wait_for()
    return card


def _drag(page: Any, canvas: Any) -> None:
    """Draws a lasso around much of a map and holds the button."""
    box = canvas.bounding_box()
    corners = [(0.42, 0.41), (0.57, 0.41), (0.57, 0.58), (0.42, 0.58), (0.42, 0.43)]
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in corners]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=6)


def _to_python(request: Any) -> bool:
    return "/operators/" in request.url


def _number(text: str, what: str) -> int:
    before = text.split(what)[0].replace(",", "").split()
    return int(before[-1])


def _nearest(points: Any) -> Any:
    """A fifth of the rows, around one of them: (n,) bool."""
    distances = ((points - points[len(points) // 3]) ** 2).sum(axis=1)
    return distances <= np.partition(distances, len(points) // 5 - 1)[len(points) // 5 - 1]


def _seconds(action: Callable[[], Any], before: Callable[[], Any] = lambda: None) -> float:
    seconds = []
    for _ in range(_TURNS):
        before()
        start = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - start)
    return median(seconds)
