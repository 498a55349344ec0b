"""The panels: each a folder with its Python half and the source of its web half."""

from __future__ import annotations

from typing import Any

from .auto_labeling import AutoLabeling
from .label_embeddings import LabelEmbeddings
from .runs import Runs

PANELS = (LabelEmbeddings, AutoLabeling, Runs)


def register(plugin: Any) -> None:
    """Registers every panel with FiftyOne's plugin context."""
    for panel in PANELS:
        plugin.register(panel)
