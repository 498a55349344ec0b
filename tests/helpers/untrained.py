"""Models of ultralytics that were never trained."""

from __future__ import annotations

from pathlib import Path

_IMAGE_SIZE = 160  # of 640: with any confidence allowed, each of its cells finds something


def save_untrained(definition: str, file: Path) -> str:
    """Saves a small model as one of its training would, and returns its path."""
    import torch
    from ultralytics import YOLO

    torch.manual_seed(51)
    model = YOLO(f"{definition}.yaml")
    model.ckpt = {"train_args": {"imgsz": _IMAGE_SIZE}}
    model.save(file)
    return str(file)
