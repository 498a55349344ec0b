"""The image classifiers of torchvision, without their heads."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from ..core.errors import InvalidParameter
from .checkpoints import load_weights
from .torch_backbone import TorchBackbone


def torchvision_names() -> frozenset[str]:
    """Returns the names of the image classifiers."""
    import torchvision

    return frozenset(torchvision.models.list_models(module=torchvision.models))


def load_torchvision(
    name: str, weights: str | Path | None, device: str, dtype: torch.dtype
) -> TorchBackbone:
    """Loads a classifier and cuts its head off.

    Args:
        name: one of :func:`torchvision_names`
        weights: see :func:`labelvet.embeddings.checkpoints.load_weights`; None fetches the
            published ones
        device: a torch device
        dtype: the dtype of the forward pass

    Raises:
        InvalidParameter: if it has no head to cut off, or the checkpoint cannot be used
        Exception: whatever urllib, ssl or torch.hub raises where nothing can be fetched
    """
    from torchvision.models import get_model, get_model_weights

    published = get_model_weights(name).DEFAULT  # type: ignore[attr-defined]
    if not weights:
        # get_model opens what torch.hub has fetched without a look at what it holds
        published.get_state_dict(progress=False, check_hash=True, weights_only=True)
    module = get_model(name, weights=None if weights else published)
    head = _last_linear(module)
    if head is None:
        raise InvalidParameter(f"'{name}' has no classifier to cut off; choose another backbone.")
    if weights:
        load_weights(module, weights, head=head)
    parent, _, attribute = head.rpartition(".")
    setattr(module.get_submodule(parent), attribute, nn.Identity())
    module = _fold(module.eval())
    preprocess = published.transforms()
    return TorchBackbone(
        name,
        module,
        preprocess.crop_size[0],
        preprocess.mean,
        preprocess.std,
        device=device,
        dtype=dtype,
    )


def _fold(module: nn.Module) -> nn.Module:
    """Folds batch norms where torch can trace the module, and returns it as it is elsewhere."""
    try:
        from torch.fx.experimental.optimization import fuse

        return fuse(module)
    # an experimental part of torch, tried with 2.12; tracing raises errors of many kinds
    except Exception:
        return module


def _last_linear(module: nn.Module) -> str | None:
    names = [name for name, child in module.named_modules() if isinstance(child, nn.Linear)]
    return names[-1] if names else None
