"""Ultralytics' models as backbones: what their embed() gives, in batches that cross images."""

from __future__ import annotations

import torch
from torch import nn

from ..core.errors import InvalidParameter, ModelUnavailable
from .catalog import DEFAULT_BACKBONE
from .torch_backbone import TorchBackbone
from .ultralytics_models import is_export, load_ultralytics

_SIZE = 224


class _Features(nn.Module):
    """The pooled output of the layer before the head, as ultralytics' own embed() gives."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        layer = len(self.network.model) - 2  # type: ignore[arg-type]
        return torch.stack(list(self.network.predict(x, embed=[layer])))  # type: ignore[operator]


def load_ultralytics_backbone(name: str, device: str, dtype: torch.dtype) -> TorchBackbone:
    """Loads a model of ultralytics as a backbone.

    Raises:
        InvalidParameter: if it is an export, or see
            :func:`labelvet.embeddings.ultralytics_models.load_ultralytics`
        ModelUnavailable: see there
    """
    if is_export(name):
        raise InvalidParameter(
            f"'{name}' is an exported model, which gives its result and no embeddings: use the .pt "
            "file that it was made from."
        )
    try:
        network = load_ultralytics(name).model
    except ModelUnavailable as error:
        raise ModelUnavailable(
            f"{error} Or use '{DEFAULT_BACKBONE}', which comes with its weights."
        ) from error
    zeros, ones = (0.0,) * 3, (1.0,) * 3
    return TorchBackbone(name, _Features(network), _SIZE, zeros, ones, device=device, dtype=dtype)
