"""What a run may use of the machine that it runs on. Importing this module loads no torch."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.checks import check_whole

_MOST_PATCHES = 65_536
_MOST_THREADS = 1024


@dataclass(frozen=True)
class Hardware:
    """How the machine is used; None is chosen where the run takes place.

    Attributes:
        device: a torch device such as ``cpu`` or ``cuda:0``; None for a GPU where there is one
        precision: "auto", "fp32", "bf16" or "fp16"
        batch_size: patches per forward pass, across images; by default 8 on a CPU, 256 on a GPU
        num_workers: threads that decode and crop; by default as
            :func:`labelvet.embeddings.decoding.num_workers_beside` says

    Raises:
        InvalidParameter: if ``batch_size`` or ``num_workers`` is no whole number above 0
    """

    device: str | None = None
    precision: str = "auto"
    batch_size: int | None = None
    num_workers: int | None = None

    def __post_init__(self) -> None:
        if self.batch_size is not None:
            check_whole("The batch size", self.batch_size, 1, _MOST_PATCHES)
        if self.num_workers is not None:
            check_whole("The number of workers", self.num_workers, 1, _MOST_THREADS)
