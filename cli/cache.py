"""``labelvet cache``: the embeddings and the checks that are kept on disk."""

from __future__ import annotations

import argparse
from typing import Any


def add(commands: Any) -> None:
    """Adds the command."""
    cache = commands.add_parser(
        "cache", help="show the embeddings and checks that are kept on disk, or clear embeddings"
    )
    cache.add_argument("--clear", action="store_true", help="remove all embeddings")
    cache.set_defaults(run=_cache)


def _cache(arguments: argparse.Namespace) -> None:
    _embeddings(arguments)
    if not arguments.clear:
        _checks()


def _checks() -> None:
    from labelvet.checking.place import checks_folder
    from labelvet.core.sentences import count

    checks = [folder for folder in checks_folder().glob("*") if folder.is_dir()]
    if checks:
        files = (file for folder in checks for file in folder.rglob("*") if file.is_file())
        size = _megabytes(sum(file.stat().st_size for file in files))
        print(
            f"{count(len(checks), 'checked dataset')}, {size}, in '{checks_folder()}': to forget "
            "one, with the answers that were not exported, remove its folder."
        )


def _embeddings(arguments: argparse.Namespace) -> None:
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
