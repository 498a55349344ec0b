"""Where a model runs, and in which precision."""

from __future__ import annotations

import torch

from ..core.errors import InvalidParameter
from ..core.sentences import first_line
from .catalog import PRECISIONS


def choose_device(device: str | None) -> str:
    """Returns the torch device that was asked for; for None, "" or ``"auto"`` a GPU where there is
    one, and else the processor.

    Raises:
        InvalidParameter: if the device cannot be used here
    """
    if not device or device == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.empty(1, device=device)
    # torch raises RuntimeError, AssertionError or NotImplementedError, by kind of device
    except Exception as error:
        raise InvalidParameter(
            f"The device '{device}' cannot be used here ({first_line(error)}): choose 'cpu' or "
            "leave it to 'auto'."
        ) from error
    return device


def choose_dtype(precision: str, device: str) -> torch.dtype:
    """Returns the dtype of a precision; ``"auto"`` is the fastest that the device computes in.

    Raises:
        InvalidParameter: if there is no such precision
    """
    if precision not in PRECISIONS:
        raise InvalidParameter(
            f"Precision must be one of {', '.join(PRECISIONS)}, not '{precision}'."
        )
    if precision == "auto":
        if device.startswith("cuda"):
            precision = "fp16"
        else:
            precision = "bf16" if device == "cpu" and _cpu_computes_in_bf16() else "fp32"
    return {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]


def _cpu_computes_in_bf16() -> bool:
    # torch has no public question for this; tried with torch 2.12
    check = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(check and check())
