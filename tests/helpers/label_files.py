"""Writes one dataset in every format that is read from files."""

from __future__ import annotations

import json
from pathlib import Path

import yaml
from PIL import Image


def write_yolo(folder: Path, images: list[Path], truth: dict, classes: list[str]) -> Path:
    """Writes a YOLO dataset with links to the images; returns its yaml."""
    (folder / "images" / "train").mkdir(parents=True)
    (folder / "labels" / "train").mkdir(parents=True)
    for image in images:
        (folder / "images" / "train" / image.name).symlink_to(image)
        lines = []
        for entry in truth.get(image.name, []):
            x, y, w, h = entry["box"]
            box = " ".join(f"{value:.6f}" for value in (x + w / 2, y + h / 2, w, h))
            lines.append(f"{classes.index(entry['label'])} {box}\n")
        (folder / "labels" / "train" / f"{image.stem}.txt").write_text("".join(lines))
    file = folder / "dataset.yaml"
    content = {"path": ".", "train": "images/train", "names": dict(enumerate(classes))}
    file.write_text(yaml.safe_dump(content, sort_keys=False))
    return file


def write_coco(folder: Path, images: list[Path], truth: dict, classes: list[str]) -> Path:
    """Writes a COCO dataset with links to the images; returns its JSON."""
    (folder / "images").mkdir(parents=True)
    listed, annotations = [], []
    for number, image in enumerate(images, start=1):
        (folder / "images" / image.name).symlink_to(image)
        with Image.open(image) as opened:
            width, height = opened.size
        listed.append(
            {"id": number, "file_name": image.name, "width": width, "height": height}
        )  # fmt: skip
        for entry in truth.get(image.name, []):
            x, y, w, h = entry["box"]
            annotations.append(
                {
                    "id": 100 + len(annotations),
                    "image_id": number,
                    "category_id": classes.index(entry["label"]) + 1,
                    "bbox": [x * width, y * height, w * width, h * height],
                    "area": w * width * h * height,
                    "iscrowd": 0,
                }
            )
    categories = [{"id": number, "name": name} for number, name in enumerate(classes, start=1)]
    content = {"info": {"year": 2026}, "images": listed, "annotations": annotations}
    file = folder / "instances.json"
    file.write_text(json.dumps({**content, "categories": categories}))
    return file


def write_voc(folder: Path, images: list[Path], truth: dict, classes: list[str]) -> Path:
    """Writes a VOC dataset with links to the images; returns its folder."""
    (folder / "JPEGImages").mkdir(parents=True)
    (folder / "Annotations").mkdir()
    for image in images:
        (folder / "JPEGImages" / image.name).symlink_to(image)
        with Image.open(image) as opened:
            width, height = opened.size
        objects = ""
        for entry in truth.get(image.name, []):
            x, y, w, h = entry["box"]
            corners = (x * width, y * height, (x + w) * width, (y + h) * height)
            left, top, right, bottom = (round(value) for value in corners)
            objects += (
                f"  <object>\n    <name>{entry['label']}</name>\n    <difficult>0</difficult>\n"
                f"    <bndbox><xmin>{left}</xmin><ymin>{top}</ymin><xmax>{right}</xmax>"
                f"<ymax>{bottom}</ymax></bndbox>\n  </object>\n"
            )
        (folder / "Annotations" / f"{image.stem}.xml").write_text(
            f"<annotation>\n  <filename>{image.name}</filename>\n  <size><width>{width}</width>"
            f"<height>{height}</height><depth>3</depth></size>\n{objects}</annotation>\n"
        )
    return folder


WRITERS = {"yolo": write_yolo, "coco": write_coco, "voc": write_voc}
