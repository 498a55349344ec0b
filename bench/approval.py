"""Approval of 200,000 labels: what the panel's Python half takes, and what a person waits for."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from . import browser
from .report import Aim, quick, write

_TURNS = 3
_TRUTH, _PANEL = "approved", "auto_labeling"


def run(folder: Path) -> None:
    """Runs the bench."""
    from .panel_data import make_dataset

    images = 2_000 if quick() else 50_000
    dataset = make_dataset(folder / "images", "approved", images, 4)
    figures: dict[str, Any] = {"images": images, "labels": 4 * images}
    steps = figures["python"] = _python(dataset)
    seen = figures["app"] = _in_the_app(folder, 4 * images)
    labels = f"{4 * images:,} labels"
    targets = [
        Aim(f"review of {labels}, s", steps["review"], "<=", 2.0),
        Aim("their patches, s", steps["patches"], "<=", 5.0),
        Aim("the patches within a range, s", steps["show"], "<=", 1.0),
        Aim(f"{steps['added']:,} into the basket, s", steps["add"], "<=", 5.0),
        Aim("and out again, s", steps["undo_add"], "<=", 5.0),
        Aim("approved into a new field, s", steps["approve"], "<=", 10.0),
        Aim("undone, s", steps["undo_approve"], "<=", 10.0),
        Aim("merged by IoU with as many, s", steps["merge"], "<=", 15.0),
        Aim("the rest removed, s", steps["finalize"], "<=", 10.0),
        Aim("and brought back, s", steps["undo_finalize"], "<=", 10.0),
        Aim("added, seen in the panel, s", seen["add"], "<=", 8.0),
        Aim("approved, seen in the panel, s", seen["approve"], "<=", 15.0),
        Aim("undone, seen in the panel, s", seen["undo"], "<=", 15.0),
        Aim("longest pause of the page meanwhile, s", seen["pause"], "<=", 1.0),
    ]
    write("approval", figures, targets)


def _python(dataset: Any) -> dict[str, Any]:
    """Seconds in the panel's methods, called as the App's server calls them."""
    import fiftyone as fo
    from fiftyone.operators.executor import ExecutionContext, Executor
    from labelvet.panels.auto_labeling import AutoLabeling
    from labelvet.panels.contracts import CONTRACTS

    from .panel_data import FIELD

    about = {"field": FIELD, "run": None, "contract": CONTRACTS[AutoLabeling.component]}

    view: list[Any] = []  # the App's view: patches are open, as they are while one reviews

    def call(method: str, **params: Any) -> Any:
        request = {"dataset_id": str(dataset._doc.id), "params": {**about, **params}, "view": view}
        context = ExecutionContext(request, executor=Executor())
        answer = getattr(AutoLabeling(), method)(context)
        if "error" in answer:
            raise RuntimeError(answer["error"])
        for asked in answer["then"]:
            if asked["operator_uri"].endswith("set_view"):
                view[:] = asked["params"]["view"]
        return json.loads(json.dumps(answer))  # it travels as JSON

    seconds: dict[str, list[float]] = {}

    def timed(name: str, action: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        answer = action()
        seconds.setdefault(name, []).append(time.perf_counter() - start)
        return answer

    timed("patches", partial(call, "show", state="open"))
    added = 0
    for _ in range(_TURNS):
        timed("review", partial(call, "review"))
        timed("show", partial(call, "show", state="open", low=0.66))
        done = timed("add", partial(call, "add", low=0.66))
        added = done["changed"]
        token = done["undo"]
        timed("undo_add", partial(call, "undo", token=token))
        call("add", low=0.66)
        token = timed("approve", partial(call, "approve", into=_TRUTH))["undo"]
        timed("undo_approve", partial(call, "undo", token=token))
        first = call("approve", into=_TRUTH)["undo"]
        rest = call("add", high=0.66)["undo"]
        token = timed("merge", partial(call, "approve", into=_TRUTH, rule="keep"))["undo"]
        call("undo", token=token)
        call("undo", token=rest)
        count = call("review")["progress"]["notApproved"]
        token = timed("finalize", partial(call, "finalize", count=count))["undo"]
        timed("undo_finalize", partial(call, "undo", token=token))
        call("show", state="open", anew=True)  # as the panel does: what came back has a patch again
        call("undo", token=first)
        call("remove")
    fo.delete_non_persistent_datasets()  # the patches: the App makes its own
    dataset.reload()
    return {"added": added, **{name: round(median(all_), 3) for name, all_ in seconds.items()}}


def _in_the_app(folder: Path, labels: int) -> dict[str, Any]:
    """Seconds that a person waits, in headless Chromium."""
    from labelvet.core.ports import free_port

    from .panel_data import FIELD

    figures: dict[str, Any] = {}
    with (
        browser.app("approved", free_port()) as address,
        browser.page(address, _PANEL) as page,
    ):
        card = page.locator(f'[data-cy="auto-labeling-field-{FIELD}"]')
        card.wait_for()
        start = time.perf_counter()
        card.click()
        page.locator('[data-cy="loop-line"]', has_text=f"{labels:,} found").wait_for()
        figures["review"] = round(time.perf_counter() - start, 3)
        page.locator('[data-cy="entry-counts"]', has_text=f"{labels:,} patches").wait_for()
        figures["grid"] = round(time.perf_counter() - start, 3)
        page.wait_for_timeout(3000)
        browser.start(page)
        undo = page.locator(".lv-status").get_by_role("button", name="Undo")
        for name, button, said in (
            ("add", page.locator('[data-cy="add"]'), "added for approval"),
            ("approve", page.locator('[data-cy="approve"]'), "approved into"),
            ("undo", undo, "went back"),
        ):
            start = time.perf_counter()
            button.click()
            page.locator(".lv-status", has_text=said).wait_for()
            figures[name] = round(time.perf_counter() - start, 3)
            page.wait_for_timeout(2000)
        figures["pause"] = round(browser.longest_pause(page), 3)
    return figures
