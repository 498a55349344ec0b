"""The operators: each reads its form, makes one call into the engine and shapes the answer."""

from __future__ import annotations

from typing import Any

from .compute_visualization import ComputeVisualization
from .find_label_issues import FindLabelIssues, RemoveLabelIssues

OPERATORS = (ComputeVisualization, FindLabelIssues, RemoveLabelIssues)


def register(plugin: Any) -> None:
    """Registers every operator with FiftyOne's plugin context."""
    for operator in OPERATORS:
        plugin.register(operator)
