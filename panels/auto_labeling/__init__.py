"""*Auto Labeling*: labels are reviewed by confidence and class, and become ground truth."""

from __future__ import annotations

from .panel import AutoLabeling

__all__ = ["AutoLabeling"]
