"""``labelvet check`` and ``open`` as their user runs them: from the wheel, in an empty home.

A check of coco128 as YOLO and as COCO, twice each; what it lists beside what *Find label issues*
writes; 50,000 boxes in one command; a JSON that is too large; and how long it takes from the wheel
to the review.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import fiftyone as fo
import numpy as np
from labelvet.core.ports import free_port
from labelvet.issues.find import find_label_issues
from labelvet.visualization.compute import compute_visualization

from .browser import FLAGS
from .data import COCO128, coco128_dataset, noise_table
from .report import Aim, quick, write
from .wheel import build_wheel, install_wheel

_BAD_INPUT = 2
_TOO_LARGE = 500 * 2**20
_PER_IMAGE = 50
# what is kept of the environment, so that the home is empty and the database the command's own
_KEPT = ("PATH", "LANG", "FIFTYONE_DO_NOT_TRACK")

# file, class, issue and box of each
_Issues = list[tuple[str, str, str, list[float]]]


def run(folder: Path) -> None:
    """Runs the bench; needs the folder of coco128, and Chromium."""
    commands = Commands(folder / "home", folder / "environment")
    begun = time.perf_counter()
    install_wheel(build_wheel(folder / "wheel"), commands.environment)
    figures: dict[str, Any] = {"install seconds": _since(begun)}

    dataset = _coco128()
    sources = {"YOLO": _as_yolo(dataset, folder), "COCO": _as_coco(dataset, folder)}
    listed = {}
    for name, source in sources.items():
        file = folder / f"{name}.json"
        first = commands.run("check", *source, "--json", file)
        again = commands.run("check", *source)
        listed[name] = _listed(file)
        figures[name] = {"first": first.seconds, "second": again.seconds}
    expected = _found_in_fiftyone(dataset)
    for name in sources:
        figures[name]["issues that differ"] = _differing(listed[name], expected)
    figures["issues"] = len(expected)
    figures["to the review"] = commands.open_review(*sources["YOLO"])

    boxes = 2_000 if quick() else 50_000
    many = commands.run("check", _noise_as_yolo(folder / "many", boxes), timeout=3600)
    figures["many"] = {"boxes": boxes, **asdict(many)}
    refused = commands.run("check", _too_large(folder), status=_BAD_INPUT)
    figures["too large"] = asdict(refused)

    differ = max(figures[name]["issues that differ"] for name in sources)
    second = max(figures[name]["second"] for name in sources)
    write("check", figures, [
        Aim("issues that differ from the App's", differ, "<=", 0),
        Aim("seconds of a second check", second, "<=", 10),
        Aim(f"seconds without a line, of {boxes:,} boxes", many.silence, "<=", 15),
        Aim("seconds until 500 MB of JSON are refused", refused.seconds, "<=", 10),
    ])  # fmt: skip


class Commands:
    """The command ``labelvet`` of an environment, each time a process.

    Args:
        home: an empty folder
        environment: a virtual environment, which has to be made yet
    """

    def __init__(self, home: Path, environment: Path) -> None:
        home.mkdir()
        self.home = home
        self.environment = environment

    def run(self, *arguments: object, status: int = 0, timeout: float = 600) -> _Ended:
        """Runs the command to its end, without a terminal.

        Raises:
            RuntimeError: if it ends with another status
        """
        begun = last = time.perf_counter()
        silence, lines = 0.0, []
        process = self._start(*arguments)
        assert process.stdout is not None
        for line in process.stdout:
            now = time.perf_counter()
            silence, last = max(silence, now - last), now
            lines.append(line.rstrip())
        if process.wait(timeout) != status:
            raise RuntimeError("\n".join(lines))
        return _Ended(_since(begun), len(lines), round(silence, 1), lines[-1])

    def open_review(self, *source: object) -> dict[str, float]:
        """Opens a dataset and its page, and returns the seconds until each is there."""
        from playwright.sync_api import sync_playwright

        begun = time.perf_counter()
        process = self._start("open", *source, "--port", free_port())
        assert process.stdout is not None
        try:
            found = (re.search(r"open: (http\S+)", line) for line in process.stdout)
            address = next(match[1] for match in found if match)
            opened = _since(begun)
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    executable_path=shutil.which("chromium"), args=list(FLAGS)
                )
                page = browser.new_page()
                page.goto(address)
                page.locator(".lv-review-crop img").wait_for(timeout=180_000)
                shown = _since(begun)
                browser.close()
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)
        return {"opened": opened, "first label shown": shown}

    def _start(self, *arguments: object) -> subprocess.Popen[str]:
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        return subprocess.Popen(
            [self.environment / "bin" / "labelvet", *map(str, arguments)],
            env={**kept, "HOME": str(self.home)},
            cwd=self.home,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


@dataclass(frozen=True)
class _Ended:
    seconds: float
    lines: int
    silence: float
    last: str


def _since(begun: float) -> float:
    return round(time.perf_counter() - begun, 1)


def _coco128() -> fo.Dataset:
    """Returns coco128 with its true labels, every twentieth of which has another class."""
    truth = json.loads((COCO128 / "ground_truth.json").read_text())
    classes = sorted({entry["label"] for entries in truth.values() for entry in entries})
    rng = np.random.default_rng(51)

    def label_of(entry: dict[str, Any]) -> str:
        return str(rng.choice(classes)) if rng.random() < 0.05 else str(entry["label"])

    return coco128_dataset("labels", label_of)


def _as_yolo(dataset: fo.Dataset, folder: Path) -> list[Path | str]:
    dataset.export(
        str(folder / "yolo"), fo.types.YOLOv5Dataset, label_field="labels", split="train",
        classes=dataset.distinct("labels.detections.label"), progress=False,
    )  # fmt: skip
    return [folder / "yolo" / "dataset.yaml"]


def _as_coco(dataset: fo.Dataset, folder: Path) -> list[Path | str]:
    dataset.export(
        str(folder / "coco"), fo.types.COCODetectionDataset, label_field="labels",
        classes=dataset.distinct("labels.detections.label"), progress=False,
    )  # fmt: skip
    return [folder / "coco" / "labels.json", "--images", folder / "coco" / "data"]


def _found_in_fiftyone(dataset: fo.Dataset) -> _Issues:
    compute_visualization(dataset, "labels", "map", method="pca", seed=51, progress=False)
    find_label_issues(dataset, "map")
    return [
        (Path(sample.filepath).name, label.label, label["issue"], label.bounding_box)
        for sample in dataset
        for label in sample.labels.detections
        if label.has_attribute("issue") and label["issue"]
    ]


def _listed(file: Path) -> _Issues:
    issues = json.loads(file.read_text())["issues"]
    return [(Path(i["file"]).name, i["label"], i["issue"], i["box"]) for i in issues]


def _differing(found: _Issues, expected: _Issues) -> int:
    """Counts the issues of one list that the other does not have; files round boxes."""
    left, unknown = list(expected), 0
    for *issue, box in found:
        for other in left:
            if list(other[:3]) == issue and np.allclose(other[3], box, atol=1e-3):
                left.remove(other)
                break
        else:
            unknown += 1
    return len(left) + unknown


def _noise_as_yolo(folder: Path, boxes: int) -> Path:
    """Writes a YOLO dataset of noise, some boxes of each class."""
    table = noise_table(folder / "images", boxes, _PER_IMAGE)
    (folder / "labels").mkdir()
    for number, path in enumerate(table.filepaths):
        x, y, w, h = table.boxes[table.media == number].T
        lines = [
            f"{place % 10} {' '.join(f'{value:.6f}' for value in box)}\n"
            for place, box in enumerate(zip(x + w / 2, y + h / 2, w, h, strict=True))
        ]
        (folder / "labels" / f"{Path(path).stem}.txt").write_text("".join(lines))
    names = json.dumps([f"thing {number}" for number in range(10)])
    (folder / "dataset.yaml").write_text(f"path: .\ntrain: images\nnames: {names}\n")
    return folder / "dataset.yaml"


def _too_large(folder: Path) -> Path:
    file = folder / "large.json"
    with file.open("w") as opened:
        opened.write('{"images": [], "categories": [], "annotations": [')
        piece = '{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 1, 1]},' * 1000
        for _ in range(_TOO_LARGE // len(piece) + 1):
            opened.write(piece)
        opened.write("{}]}")
    return file
