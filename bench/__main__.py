"""``make bench NAME=embed|reduce|...``, with ``QUICK=1`` for a smaller run."""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
from pathlib import Path

from labelvet.demo.environment import use_private_fiftyone

NAMES = ("embed", "reduce", "memory", "resume", "panel", "approval", "issues", "cluster")


def main() -> None:
    """Runs one bench in a folder, with a database and a store of its own."""
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in NAMES:
        sys.exit(f"Say which bench: make bench NAME={'|'.join(NAMES)}")
    # after an error a database may still be writing there, and its message would hide the error's
    with tempfile.TemporaryDirectory(
        prefix="labelvet-bench-", ignore_cleanup_errors=True
    ) as folder:
        use_private_fiftyone(Path(folder) / "fiftyone")
        os.environ["LABELVET_CACHE_DIR"] = str(Path(folder) / "cache")
        importlib.import_module(f"labelvet.bench.{name}").run(Path(folder))


if __name__ == "__main__":
    main()
