"""``make bench NAME=embed|reduce|...``, with ``QUICK=1`` for a smaller run."""

from __future__ import annotations

import importlib
import sys

from labelvet.core.environment import use_temporary_fiftyone

NAMES = (
    *("embed", "reduce", "memory", "resume", "panel", "approval", "issues", "cluster"),
    *("start", "load", "proof", "store", "types", "check", "search"),
)


def main() -> None:
    """Runs one bench in a folder, with a database and a store of its own."""
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in NAMES:
        sys.exit(f"Say which bench: make bench NAME={'|'.join(NAMES)}")
    folder = use_temporary_fiftyone("labelvet-bench-")
    importlib.import_module(f"labelvet.bench.{name}").run(folder)


if __name__ == "__main__":
    main()
