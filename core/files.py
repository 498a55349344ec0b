"""Files that are written whole, or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path


def write_whole(texts: Mapping[Path, str]) -> None:
    """Writes files, each in one step; all are complete before the first takes its place.

    Args:
        texts: UTF-8 with its line ends, by the file; one that exists keeps its permissions

    Raises:
        OSError: if one cannot be written; those that took their place by then stay
    """
    beside = {file: file.with_name(f".{file.name}-{os.getpid()}") for file in texts}
    try:
        for file, text in texts.items():
            beside[file].write_text(text, encoding="utf-8", newline="")
            if file.exists():
                shutil.copymode(file, beside[file])
        for file in texts:
            beside[file].replace(file)
    finally:
        for unfinished in beside.values():
            unfinished.unlink(missing_ok=True)
