"""Files that are written whole, or not at all, and digests of what is in them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .errors import InvalidParameter

_BLOCK = 1 << 20  # bytes


def write_whole(texts: Mapping[Path, str]) -> None:
    """Writes files, each in one step; all are complete before the first takes its place.

    Args:
        texts: UTF-8 with its line ends, by the file; one that exists keeps its permissions, and one
            that is a link stays it: what it leads to is written

    Raises:
        InvalidParameter: if two are links to one file, with two texts
        OSError: if one cannot be written; those that took their place by then stay
    """
    whole: dict[Path, str] = {}
    for given, text in texts.items():
        file = Path(os.path.realpath(given))
        if whole.setdefault(file, text) != text:
            raise InvalidParameter(
                f"Several files lead to '{file}', as '{given}', and each would write another text "
                "to it, so nothing was written: make them files of their own."
            )
    # always the same name, so that what a killed process leaves is used up by the next
    beside = {file: file.with_name(f".{file.name}.unfinished") for file in whole}
    try:
        for file, text in whole.items():
            beside[file].write_text(text, encoding="utf-8", newline="")
            if file.exists():
                shutil.copymode(file, beside[file])
        for file in whole:
            beside[file].replace(file)
    finally:
        for unfinished in beside.values():
            unfinished.unlink(missing_ok=True)


def update_digest(digest: Any, file: Path) -> None:
    """Adds what a file holds to a digest of :mod:`hashlib`, a block at a time.

    Raises:
        OSError: if it cannot be read
    """
    with file.open("rb") as opened:
        while block := opened.read(_BLOCK):
            digest.update(block)
