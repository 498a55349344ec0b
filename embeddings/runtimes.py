"""OpenVINO, where it is installed, for forward passes on a CPU: two to three times torch's rate.

Torch's own compilers did not come near (docs/performance.md). Tried with openvino 2026 and 2025.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from threading import Lock
from typing import Any

import numpy as np
import torch
from cachetools import LRUCache
from numpy.typing import NDArray
from torch import nn

from .checkpoints import fingerprint
from .optional_libraries import import_openvino

logger = logging.getLogger(__name__)

Forward = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""Maps (batch, size, size, 3) pixels to (batch, dimension) embeddings."""

_HINTS = {torch.float32: "f32", torch.bfloat16: "bf16"}
_LEAST_COSINE = 0.98

_converting = Lock()  # torch's tracing, which the converter uses, knows one thread

# Converting takes seconds, and the next run of a process mostly asks for the same backbone.
# None is kept of those that OpenVINO computes otherwise.
_compiled: LRUCache[tuple[Any, ...], Forward | None] = LRUCache(maxsize=2)


def compile_for_cpu(
    parts: Sequence[tuple[nn.Module, torch.dtype]],
    size: int,
    mean: Sequence[float],
    std: Sequence[float],
) -> Forward | None:
    """Compiles modules that follow each other with OpenVINO, the normalization included.

    Args:
        parts: the modules, each with the dtype to compute in; the first takes normalized
            (batch, 3, size, size) float32 images
        size: the side of the square input, in pixels
        mean: per-channel mean of the normalization, in [0, 1] pixel values
        std: per-channel standard deviation of it

    Returns:
        the compiled forward pass; None where OpenVINO is not installed, cannot convert a module or
        computes something else than torch
    """
    if find_spec("openvino") is None or any(dtype not in _HINTS for _, dtype in parts):
        return None
    weights = ((repr(module), fingerprint(module), dtype) for module, dtype in parts)
    key = (*weights, size, *mean, *std, torch.get_num_threads())
    try:
        with _converting:
            if key not in _compiled:
                forward = _compile(parts, size, mean, std)
                whole = nn.Sequential(*(module for module, _ in parts))
                agrees = _agrees(whole, forward, size, mean, std)
                if not agrees:
                    logger.warning(
                        "OpenVINO computes other embeddings than torch, so torch is used."
                    )
                _compiled[key] = forward if agrees else None
            return _compiled[key]
    # a converter raises errors of every kind on modules that it does not know
    except Exception as error:
        logger.info("OpenVINO cannot convert this backbone, so torch is used: %s", error)
    return None


def _compile(
    parts: Sequence[tuple[nn.Module, torch.dtype]],
    size: int,
    mean: Sequence[float],
    std: Sequence[float],
) -> Forward:
    with warnings.catch_warnings():
        # torch deprecates its tracing, which OpenVINO reads: no reason to do without where warnings
        # are errors
        warnings.simplefilter("ignore")
        return _convert(parts, size, mean, std)


def _convert(
    parts: Sequence[tuple[nn.Module, torch.dtype]],
    size: int,
    mean: Sequence[float],
    std: Sequence[float],
) -> Forward:
    ov = import_openvino()
    core = ov.Core()
    compiled = []
    example = torch.zeros(2, 3, size, size)
    for number, (module, dtype) in enumerate(parts):
        # unchecked: _agrees looks at the result, and torch's check takes a second and refuses ViTs
        traced = torch.jit.trace(module, example, strict=False, check_trace=False)  # type: ignore[no-untyped-call]
        model = ov.convert_model(traced, example_input=example, input=[-1, *example.shape[1:]])
        if number == 0:
            steps = ov.preprocess.PrePostProcessor(model)
            pixels = steps.input()
            pixels.tensor().set_element_type(ov.Type.u8).set_layout(ov.Layout("NHWC"))
            pixels.model().set_layout(ov.Layout("NCHW"))
            pixels.preprocess().convert_element_type(ov.Type.f32).mean(
                [255 * m for m in mean]
            ).scale([255 * s for s in std])
            model = steps.build()
        with torch.no_grad():  # the converter refuses tensors of the inference mode
            example = module(example)
        hints = {
            "INFERENCE_PRECISION_HINT": _HINTS[dtype],
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            # several processes on a machine would all be pinned to its first cores
            "ENABLE_CPU_PINNING": False,
        }
        compiled.append(core.compile_model(model, "CPU", hints))
    lock = Lock()  # a compiled model answers one call at a time

    def forward(batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        features: NDArray[np.generic] = batch
        with lock:
            for part in compiled:
                features = part(features, share_inputs=True, share_outputs=True)[0]
            return np.array(features, dtype=np.float32).reshape(len(batch), -1)

    return forward


def _agrees(
    module: nn.Module, forward: Forward, size: int, mean: Sequence[float], std: Sequence[float]
) -> bool:
    """Whether both give the same on a batch of noise, of another size than was traced."""
    pixels = np.random.default_rng(51).integers(0, 256, (3, size, size, 3), dtype=np.uint8)
    normal = (pixels / 255.0 - np.array(mean)) / np.array(std)
    with torch.inference_mode():
        images = torch.from_numpy(normal).float().permute(0, 3, 1, 2).contiguous()
        expected = module(images).flatten(1)
    found = torch.from_numpy(forward(pixels))
    return found.shape == expected.shape and bool(
        (torch.cosine_similarity(found, expected) >= _LEAST_COSINE).all()
    )
