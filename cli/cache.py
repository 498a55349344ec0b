"""``labelvet cache``: the embeddings that are kept on disk."""

from __future__ import annotations

import argparse
from typing import Any


def add(commands: Any) -> None:
    """Adds the command."""
    cache = commands.add_parser("cache", help="show or clear the embeddings that are kept on disk")
    cache.add_argument("--clear", action="store_true", help="remove them all")
    cache.set_defaults(run=_cache)


def _cache(arguments: argparse.Namespace) -> None:
    from labelvet.embeddings.store import DEFAULT_MAX_BYTES, clear_store, summarize_store

    if arguments.clear:
        print(f"Freed {_megabytes(clear_store())}.")
        return
    summary = summarize_store()
    if not summary.shards:
        print(f"No embeddings are kept in '{summary.folder}'.")
        return
    print(f"{summary.patches:,} embeddings, {_megabytes(summary.size)}, in '{summary.folder}':")
    for backbone, size in sorted(summary.backbones.items()):
        print(f"  {backbone}: {_megabytes(size)}")
    limit = f"LABELVET_CACHE_GB sets the limit in GB ({DEFAULT_MAX_BYTES >> 30} by default)"
    print(f"'labelvet cache --clear' removes them; {limit}.")


def _megabytes(size: int) -> str:
    return f"{size / 2**20:,.1f} MB"
