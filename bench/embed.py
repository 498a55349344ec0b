"""Patches per second: this engine, FiftyOne's ``compute_patch_embeddings``, the bare forward pass.

All run the same torch module on the same images and boxes, in turns (A B C A B C), in one process;
this engine with OpenVINO where it is installed, and with torch alone. The module has the memory
format and precision that each side chooses: FiftyOne leaves it as it was loaded. The bare pass has
its side's runtime and batches. The rates are medians over the turns.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from .data import real_boxes
from .report import Aim, quick, write

BACKBONES = ("efficientnet-lite0", "mobilenet_v3_small", "resnet18")
SETTINGS = [(size, workers) for size in (1, 16, 64) for workers in (0, 2)]


def run(folder: Path) -> None:
    """Runs the bench."""
    os.environ["FIFTYONE_SHOW_PROGRESS_BARS"] = "false"
    import fiftyone as fo
    import torch

    name, paths, boxes = real_boxes(folder / "images", 24 if quick() else 64)
    dataset = fo.Dataset()
    dataset.add_samples(
        [
            fo.Sample(
                filepath=path,
                boxes=fo.Detections(
                    detections=[fo.Detection(label="thing", bounding_box=b) for b in image]
                ),
            )
            for path, image in zip(paths, boxes, strict=True)
            if image
        ],
        progress=False,
    )
    figures: dict[str, Any] = {"images": name, "threads": torch.get_num_threads()}
    targets: list[Aim] = []
    for backbone in BACKBONES:
        figures[backbone] = _measure(dataset, backbone, folder)
        targets += _targets(backbone, figures[backbone])
    write("embed", figures, targets)


def _measure(dataset: Any, name: str, folder: Path) -> dict[str, Any]:
    import torch
    from labelvet.dataset.patches import read_patches
    from labelvet.embeddings.backbones import load_backbone
    from labelvet.embeddings.crops import CropSettings, cut_crops
    from labelvet.embeddings.decoding import read_pixels
    from labelvet.embeddings.embedder import BATCH_SIZE_CPU, embed_patches

    weights = None
    if name != "efficientnet-lite0":  # random weights are as fast, and need no download
        import torchvision

        weights = folder / f"{name}.pt"
        torch.manual_seed(51)
        torch.save(torchvision.models.get_model(name, weights=None).state_dict(), weights)
    backbone = load_backbone(name, weights=weights)
    torch_alone = load_backbone(name, weights=weights)
    torch_alone._forward = None  # type: ignore[attr-defined]
    exact = load_backbone(name, weights=weights, precision="fp32")
    stock = _stock_model(exact)
    table = read_patches(dataset, "boxes")
    n = len(table)

    prepared = []
    for image in range(len(table.filepaths)):
        rows = np.flatnonzero(table.media == image)
        crops = cut_crops(read_pixels(table.filepaths[image]), table.boxes[rows], CropSettings())
        prepared += [backbone.prepare(crop) for crop in crops]

    def ours(backbone: Any = backbone) -> Any:
        return embed_patches(table, backbone, use_store=False).vectors

    def bare(backbone: Any = backbone) -> None:
        for start in range(0, n, BATCH_SIZE_CPU):
            backbone.embed(prepared[start : start + BATCH_SIZE_CPU])

    def stock_with(batch_size: int | None, num_workers: int | None) -> Any:
        found = dataset.compute_patch_embeddings(
            stock,
            "boxes",
            batch_size=batch_size,
            num_workers=num_workers,
            skip_failures=False,
            progress=False,
        )
        return np.concatenate([np.atleast_2d(found[i]) for i in dataset.values("id")])

    for side in (backbone, torch_alone):  # the first pass allocates
        ours(side)
        bare(side)
    scan = {f"{size}, {workers}": _rate(n, stock_with, size, workers) for size, workers in SETTINGS}
    best = SETTINGS[int(np.argmax(list(scan.values())))]
    print(name, "stock settings:", {k: round(v, 1) for k, v in scan.items()}, flush=True)
    names = ("ours", "stock_default", "bare", "stock_best", "ours_torch", "bare_torch")
    turns: dict[str, list[float]] = {side: [] for side in names}
    for _ in range(2 if quick() else 3):
        turns["ours"].append(_rate(n, ours))
        turns["stock_default"].append(_rate(n, stock_with, None, None))
        turns["bare"].append(_rate(n, bare))
        turns["stock_best"].append(_rate(n, stock_with, *best))
        turns["ours_torch"].append(_rate(n, ours, torch_alone))
        turns["bare_torch"].append(_rate(n, bare, torch_alone))
    print(name, {k: [round(x, 1) for x in v] for k, v in turns.items()}, flush=True)

    reference = stock_with(None, None)
    fp32 = embed_patches(table, exact, use_store=False).vectors
    return {
        "patches": n,
        "precision": backbone.precision,
        "rates": {key: [round(rate, 2) for rate in rates] for key, rates in turns.items()},
        "medians": {key: round(median(rates), 2) for key, rates in turns.items()},
        "stock_settings": {key: round(rate, 2) for key, rate in scan.items()},
        "stock_best": f"batch_size={best[0]}, num_workers={best[1]}",
        "cosine_fp32": _least_cosine(reference, fp32),
        "cosine": _least_cosine(reference, ours()),
        "neighbor_overlap_at_10": _overlap(reference, ours()),
    }


def _targets(name: str, figures: dict[str, Any]) -> list[Aim]:
    rate = figures["medians"]
    targets = []
    for side, suffix in ((name, ""), (f"{name}, torch alone", "_torch")):
        ours, bare = rate[f"ours{suffix}"], rate[f"bare{suffix}"]
        targets += [
            Aim(f"{side}: x stock default", ours / rate["stock_default"], ">=", 3),
            Aim(f"{side}: x stock best", ours / rate["stock_best"], ">=", 1.5),
            Aim(f"{side}: part of the bare forward pass", ours / bare, ">=", 0.85),
        ]
    targets += [
        Aim(f"{name}: least cosine, fp32", figures["cosine_fp32"], ">=", 0.999),
    ]
    if not figures["precision"].startswith("float32"):
        least = Aim(f"{name}: least cosine, {figures['precision']}", figures["cosine"], ">=", 0.99)
        targets.append(least)
    return targets


def _rate(n: int, call: Any, *arguments: Any) -> float:
    start = time.perf_counter()
    call(*arguments)
    return n / (time.perf_counter() - start)


def _least_cosine(a: Any, b: Any) -> float:
    a = a / np.linalg.norm(a, axis=1, keepdims=True)
    b = b / np.linalg.norm(b, axis=1, keepdims=True)
    return float((a * b).sum(1).min())


def _overlap(a: Any, b: Any) -> float:
    from labelvet.embeddings.neighbors import build_neighbor_graph

    k = min(11, len(a))
    pairs = zip(*(build_neighbor_graph(x.astype(np.float32), k).indices[:, 1:] for x in (a, b)),
                strict=True)  # fmt: skip
    return round(float(np.mean([len(np.intersect1d(x, y)) for x, y in pairs])) / (k - 1), 4)


def _stock_model(backbone: Any) -> Any:
    """Returns a FiftyOne model around the backbone's own module, as FiftyOne's zoo has them."""
    import copy

    import fiftyone.core.models as fom
    import torch

    module = copy.deepcopy(backbone._module).to(memory_format=torch.contiguous_format)

    class Stock(fom.Model, fom.EmbeddingsMixin, fom.TorchModelMixin):  # type: ignore[misc]
        media_type = "image"
        ragged_batches = False
        has_embeddings = True
        preprocess = True

        @property
        def transforms(self) -> Any:
            def transform(image: Any) -> Any:
                from PIL import Image

                crop = image if isinstance(image, Image.Image) else Image.fromarray(image)
                size = backbone._size, backbone._size
                resized = np.array(crop.resize(size, Image.Resampling.BILINEAR))
                return torch.from_numpy(resized).permute(2, 0, 1)

            return transform

        def embed(self, image: Any) -> Any:
            return self.embed_all([image])[0]

        def embed_all(self, images: Any) -> Any:
            if self.preprocess:
                images = torch.stack([self.transforms(image) for image in images])
            with torch.inference_mode():
                features = module(images * backbone._scale + backbone._shift)
            return features.flatten(1).numpy()

        def predict(self, image: Any) -> None:
            return None

    return Stock()
