"""``make bench NAME=embed|reduce|...``, with ``QUICK=1`` for a smaller run."""

from __future__ import annotations

import atexit
import importlib
import os
import shutil
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
    folder = Path(tempfile.mkdtemp(prefix="labelvet-bench-"))
    # after FiftyOne's own exit handlers, which write to the database there
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    use_private_fiftyone(folder / "fiftyone")
    os.environ["LABELVET_CACHE_DIR"] = str(folder / "cache")
    importlib.import_module(f"labelvet.bench.{name}").run(folder)


if __name__ == "__main__":
    main()
