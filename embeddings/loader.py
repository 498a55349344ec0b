"""Where backbones run: in this process, unless its owner says that a cluster does it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from .backbones import Backbone, load_backbone
from .embedder import ShardedBackbone

Load = Callable[..., Backbone | ShardedBackbone]
"""Takes the arguments of :func:`labelvet.embeddings.backbones.load_backbone`."""

_load: Load = load_backbone


@contextmanager
def using_loader(load: Load) -> Iterator[None]:
    """Has every backbone of this process loaded by another function, for as long as this lasts."""
    global _load
    before, _load = _load, load
    try:
        yield
    finally:
        _load = before


def load_for_run(model: Any, **options: Any) -> Backbone | ShardedBackbone:
    """Loads a backbone where backbones run; arguments and errors are those of
    :func:`labelvet.embeddings.backbones.load_backbone`."""
    return _load(model, **options)
