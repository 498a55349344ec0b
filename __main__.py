"""``python -m labelvet``, and ``python FOLDER`` for a FOLDER that FiftyOne downloaded."""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:
    # FOLDER itself leaves the path, where the rooms' names would hide other packages'
    folder = Path(__file__).resolve().parent
    sys.path[0] = str(folder / "importable")

from labelvet.cli import main

if __name__ == "__main__":
    main()
