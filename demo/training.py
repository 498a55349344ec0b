"""A real detector for the tests and the walkthrough, trained on composed scenes in a few minutes.

No pretrained detector can be fetched without a network, and a simulated one would not show that a
real one works. It is meant to err: it is small, sees little, and is stopped early.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from importlib.metadata import version
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray

from . import scenes, stamps
from .scenes import Scene, compose_scene
from .stamps import load_stamps

CLASSES = ("apple", "ball", "car", "flower", "fish", "orange", "truck")
# YOLOv8 nano at half its width; what decides its quality is the number of steps
_SCALE = [0.33, 0.125, 1024]
_NUM_SCENES, _NUM_VALIDATED = 320, 8
_SIDE = 128
_EPOCHS, _BATCH = 18, 16
_SEED = 51


def trained_detector(cache: Path, stamps_cache: Path) -> Path:
    """Returns the file of a detector of ``CLASSES``, trained where the cache does not have it.

    Args:
        cache: where detectors are kept, by all that changes them
        stamps_cache: where the cut-outs are kept

    Raises:
        StampsUnavailable: if the cut-outs cannot be fetched
    """
    file = cache / f"scenes-{_fingerprint()}.pt"
    if not file.exists():
        cache.mkdir(parents=True, exist_ok=True)
        cut_outs = load_detector_stamps(stamps_cache)
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            trained = _train(Path(folder), cut_outs)
            # in one step, so that training that is interrupted leaves nothing that looks complete
            shutil.move(trained, Path(folder) / "complete.pt")
            (Path(folder) / "complete.pt").rename(file)
    return file


def load_detector_stamps(cache: Path) -> dict[str, list[NDArray[np.uint8]]]:
    """Returns the cut-outs of the classes that the detector knows."""
    every = load_stamps(cache)
    return {label: every[label] for label in CLASSES}


def _train(folder: Path, cut_outs: dict[str, list[NDArray[np.uint8]]]) -> Path:
    os.environ.setdefault("YOLO_CONFIG_DIR", str(folder))
    os.environ.setdefault("YOLO_OFFLINE", "1")
    import ultralytics

    rng = np.random.default_rng(_SEED)
    for part, number in (("train", _NUM_SCENES), ("val", _NUM_VALIDATED)):
        for place in range(number):
            _write(compose_scene(cut_outs, rng), folder / part, f"{place:04d}")
    data = {"path": str(folder), "train": "train/images", "val": "val/images"}
    (folder / "data.yaml").write_text(yaml.safe_dump({**data, "names": dict(enumerate(CLASSES))}))
    published = Path(ultralytics.__file__).parent / "cfg" / "models" / "v8" / "yolov8.yaml"
    architecture = yaml.safe_load(published.read_text())
    architecture["scales"]["n"] = _SCALE
    (folder / "yolov8n.yaml").write_text(yaml.safe_dump(architecture))
    ultralytics.YOLO(folder / "yolov8n.yaml").train(
        data=folder / "data.yaml", project=folder, name="run", device="cpu", imgsz=_SIDE,
        epochs=_EPOCHS, batch=_BATCH, nbs=_BATCH, optimizer="AdamW", lr0=0.003, warmup_epochs=1.0,
        cos_lr=True, mosaic=0.0, scale=0.2, erasing=0.0, seed=_SEED, deterministic=True, workers=0,
        cache="ram", amp=False, val=False, save=False, plots=False, verbose=False,
    )  # fmt: skip
    return folder / "run" / "weights" / "last.pt"


def _write(scene: Scene, folder: Path, name: str) -> None:
    """Writes a scene as ultralytics trains on it, no larger than the detector sees it."""
    for part in ("images", "labels"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    image = scene.image.copy()
    image.thumbnail((_SIDE, _SIDE))
    image.save(folder / "images" / f"{name}.jpg", quality=95)
    lines = [
        f"{CLASSES.index(label)} {x + w / 2:.5f} {y + h / 2:.5f} {w:.5f} {h:.5f}"
        for label, (x, y, w, h) in zip(scene.labels, scene.boxes, strict=True)
    ]
    (folder / "labels" / f"{name}.txt").write_text("\n".join(lines))


def _fingerprint() -> str:
    digest = hashlib.blake2b(digest_size=6)
    for source in (__file__, scenes.__file__, stamps.__file__):
        digest.update(Path(str(source)).read_bytes())
    for package in ("ultralytics", "torch"):
        digest.update(version(package).encode())
    return digest.hexdigest()
