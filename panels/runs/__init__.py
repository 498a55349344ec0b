"""*Runs*: the delegated operations of a dataset, as they wait, run and end."""

from __future__ import annotations

from .panel import Runs

__all__ = ["Runs"]
