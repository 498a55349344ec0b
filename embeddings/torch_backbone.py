"""Backbones that are a torch module, run by torch or, on a processor, by OpenVINO."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from .checkpoints import fingerprint
from .runtimes import compile_for_cpu


class TorchBackbone:
    """A torch module that maps (batch, 3, size, size) images to embeddings.

    Args:
        name: the name that it was loaded by
        module: returns (batch, dimension) or (batch, dimension, 1, 1) features
        size: the side of its square input, in pixels
        mean: per-channel mean of the normalization, in [0, 1] pixel values
        std: per-channel standard deviation of the normalization
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
        *,
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
        # a GPU copies from pinned memory, which torch keeps for the next batch, at twice the speed
        pinned = self.device.startswith("cuda")
        stacked = torch.empty((len(inputs), *inputs[0].shape), dtype=torch.uint8, pin_memory=pinned)
        np.stack(inputs, out=stacked.numpy())
        pixels = stacked.to(self.device, non_blocking=pinned).permute(0, 3, 1, 2)
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
