"""*Label embeddings*: the map of a run, on which labels are judged and tagged."""

from __future__ import annotations

from .panel import LabelEmbeddings

__all__ = ["LabelEmbeddings"]
