"""Where the database of a check lies: one folder for each dataset that was checked.

This is asked before FiftyOne is imported, which reads its environment then, so it imports none.
"""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path

from ..core.environment import claim, use_private_fiftyone
from ..embeddings.store import store_folder


def checks_folder() -> Path:
    """Returns where each dataset that was checked has a folder."""
    return store_folder() / "checks"


def enter(name: str, what: str) -> Path:
    """Points FiftyOne at the database of a check, which this process holds until it ends.

    Args:
        name: of the dataset, for people
        what: all that tells it from others: its path, its images, its split

    Returns:
        its folder

    Raises:
        InUse: if another process checks the same dataset, or has it open
        RuntimeError: if there is no mongod, or it does not start
    """
    plain = re.sub(r"[^\w-]+", "-", name).strip("-")[:40] or "dataset"
    folder = checks_folder() / f"{plain}-{sha256(what.encode()).hexdigest()[:12]}"
    claim(folder, "This dataset is being checked or is open in another terminal: end that first.")
    use_private_fiftyone(folder)
    return folder
