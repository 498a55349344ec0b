"""The backbones, by name: what turns a batch of crops into a batch of embeddings.

A backbone name is one of

-   ``efficientnet-lite0``, the default, whose ImageNet weights come with a Python package, or its
    larger sisters ``efficientnet-lite1`` and ``efficientnet-lite2``, whose packages are optional;
-   any image classifier of torchvision, such as ``resnet18``;
-   any model of FiftyOne's zoo that has embeddings, such as ``clip-vit-base32-torch``;
-   any ultralytics model, such as ``yolo11n-cls.pt``, or the path of a ``.pt`` file of your own.

The first two also take a checkpoint file of the user's own. No name leads to code being run; see
:mod:`labelvet.embeddings.model_files`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InvalidParameter, LabelvetError, ModelUnavailable
from ..core.sentences import first_line
from .catalog import DEFAULT_BACKBONE, EFFICIENTNET_LITE
from .devices import choose_device, choose_dtype
from .efficientnet_backbones import load_efficientnet_lite
from .model_files import refuse_address
from .torchvision_backbones import load_torchvision, torchvision_names
from .ultralytics_backbones import load_ultralytics_backbone
from .ultralytics_models import is_ultralytics_model
from .zoo_backbones import FiftyOneBackbone, load_zoo_backbone, zoo_names


class Backbone(Protocol):
    """What the embedder needs of a model.

    Attributes:
        name: the name that it was loaded by
        fingerprint: a digest of its weights, None where they cannot be read
        precision: the dtype of its forward pass, and the runtime where it is not torch
        device: the torch device that it runs on
    """

    name: str
    fingerprint: str | None
    precision: str
    device: str

    def prepare(self, crop: NDArray[np.uint8]) -> Any:
        """Turns one (height, width, 3) RGB crop into one input; called from several threads."""

    def embed(self, inputs: Sequence[Any]) -> NDArray[np.float32]:
        """Embeds a batch of prepared inputs: (batch, dimension) float32."""


def load_backbone(
    model: str | Any = DEFAULT_BACKBONE,
    *,
    weights: str | Path | None = None,
    device: str | None = None,
    precision: str = "auto",
) -> Backbone:
    """Loads a backbone.

    Args:
        model: a backbone name (see the module), or a loaded ``fiftyone.core.models.Model``
        weights: a checkpoint file for an EfficientNet-Lite or a torchvision model: a state dict
            in safetensors or in torch's format, which is read with ``weights_only=True``
        device: a torch device such as ``cpu`` or ``cuda:0``; by default a GPU where there is one
        precision: ``fp32``, ``bf16``, ``fp16`` or ``auto``, which is ``fp16`` on a GPU, ``bf16``
            on a CPU that computes in it, and ``fp32`` elsewhere

    Returns:
        the loaded :class:`Backbone`

    Raises:
        InvalidParameter: if a name, the device, the precision or the checkpoint cannot be used
        ModelUnavailable: if the model is known but cannot be fetched or its package is missing
    """
    device = choose_device(device)
    dtype = choose_dtype(precision, device)
    if not isinstance(model, str):
        _no_weights(weights, "a loaded model")
        return FiftyOneBackbone(type(model).__name__, model, device)
    refuse_address(model)
    try:
        if model in EFFICIENTNET_LITE:
            return load_efficientnet_lite(model, weights, device, dtype)
        if model in torchvision_names():
            return load_torchvision(model, weights, device, dtype)
        # a cluster's nodes may have no FiftyOne, which is asked last
        if is_ultralytics_model(model):
            _no_weights(weights, "an ultralytics model")
            return load_ultralytics_backbone(model, device, dtype)
        if model in zoo_names():
            _no_weights(weights, "a model of FiftyOne's zoo")
            return load_zoo_backbone(model, device)
    except LabelvetError:
        raise
    # urllib, ssl, torch.hub, the zoo's downloader or a missing package
    except Exception as error:
        raise ModelUnavailable(
            f"The backbone '{model}' could not be loaded: {first_line(error)}. Without internet, "
            f"use '{DEFAULT_BACKBONE}', which comes with its weights, or give a checkpoint file of "
            "your own for a torchvision backbone."
        ) from error
    raise InvalidParameter(
        f"There is no backbone '{model}'. Use '{DEFAULT_BACKBONE}', a torchvision classifier such "
        "as 'resnet18', a model of FiftyOne's zoo such as 'clip-vit-base32-torch', or an "
        "ultralytics model such as 'yolo11n-cls.pt'."
    )


def _no_weights(weights: Any, what: str) -> None:
    if weights:
        raise InvalidParameter(
            f"A checkpoint cannot be given for {what}; use it with '{DEFAULT_BACKBONE}' or a "
            "torchvision backbone."
        )
