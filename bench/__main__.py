"""``make bench NAME=embed|reduce|...``, with ``QUICK=1`` for a smaller run."""

from __future__ import annotations

import importlib
import sys
import tempfile
from pathlib import Path

NAMES = ("embed", "reduce", "memory", "resume", "panel", "approval", "issues", "cluster")


def main() -> None:
    """Runs one bench in a folder of its own."""
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in NAMES:
        sys.exit(f"Say which bench: make bench NAME={'|'.join(NAMES)}")
    with tempfile.TemporaryDirectory(prefix="labelvet-bench-") as folder:
        importlib.import_module(f"labelvet.bench.{name}").run(Path(folder))


if __name__ == "__main__":
    main()
