"""The demo's dataset: detections of a detector that errs, and the truth beside them."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

import fiftyone as fo
import fiftyone.zoo as foz
import numpy as np

from ..core.progress import Progress, terminal_report
from .detector import detect
from .scenes import Scene, compose_scene
from .stamps import load_stamps

PREDICTIONS = "yolow_detections"
TRUTH = "ground_truth"
NUM_SCENES = 170

_QUICKSTART_HOST = "drive.google.com"
_CONNECT_SECONDS = 3


def quickstart_dataset(name: str) -> fo.Dataset:
    """Makes a dataset of FiftyOne's quickstart: 200 COCO images and a detector's predictions.

    Args:
        name: the dataset's name; an existing one of that name is replaced

    Raises:
        OSError: if it cannot be fetched
    """
    if "quickstart" not in foz.list_downloaded_zoo_datasets():
        # FiftyOne's own download would retry for minutes
        socket.create_connection((_QUICKSTART_HOST, 443), timeout=_CONNECT_SECONDS).close()
    quickstart = foz.load_zoo_dataset("quickstart", dataset_name=f"{name}-quickstart")
    try:
        dataset = _empty(name)
        dataset.add_collection(quickstart)
    finally:
        quickstart.delete()
    dataset.rename_sample_field("predictions", PREDICTIONS)
    return dataset


def composed_dataset(
    name: str, folder: Path, stamps_cache: Path, num_scenes: int = NUM_SCENES, seed: int = 51
) -> fo.Dataset:
    """Composes scenes of photographic cut-outs and simulates a detector on them.

    The same seed gives the same scenes, truth and predictions.

    Args:
        name: the dataset's name; an existing one of that name is replaced
        folder: where the images go; what it held is replaced
        stamps_cache: where the cut-outs are kept
        num_scenes: the number of images
        seed: of everything that is random

    Raises:
        StampsUnavailable: if the cut-outs cannot be fetched
    """
    stamps = load_stamps(stamps_cache)
    classes = sorted(stamps)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    samples = []
    with (
        terminal_report() as report,
        Progress(report).stage("Composing scenes", 1.0, num_scenes, "scenes") as stage,
    ):
        for number in range(num_scenes):
            scene = compose_scene(stamps, rng)
            path = folder / f"scene-{number:04d}.jpg"
            scene.image.save(path, quality=90)
            samples.append(_sample(path, scene, classes, rng))
            stage.advance()
    dataset = _empty(name)
    dataset.add_samples(samples, progress=False)
    return dataset


def _sample(path: Path, scene: Scene, classes: list[str], rng: np.random.Generator) -> fo.Sample:
    predictions = detect(scene.labels, scene.boxes, classes, rng)
    return fo.Sample(
        filepath=str(path),
        **{
            TRUTH: _detections(scene.labels, scene.boxes),
            PREDICTIONS: _detections(
                predictions.labels, predictions.boxes, predictions.confidences
            ),
        },
    )


def _detections(labels, boxes, confidences=None) -> fo.Detections:  # type: ignore[no-untyped-def]
    return fo.Detections(
        detections=[
            fo.Detection(
                label=label,
                bounding_box=[round(float(value), 6) for value in box],
                confidence=None if confidences is None else round(float(confidences[i]), 4),
            )
            for i, (label, box) in enumerate(zip(labels, boxes, strict=True))
        ]
    )


def _empty(name: str) -> fo.Dataset:
    if fo.dataset_exists(name):
        fo.delete_dataset(name)
    return fo.Dataset(name, persistent=True)
