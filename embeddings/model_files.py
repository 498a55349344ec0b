"""Files of models: whose code may run when they are opened, and where fetched ones are kept.

Some formats hold code: a pickle, or an activation in a definition. What a form or a queued run
names is opened so that none of it runs, unless whoever runs this process trusts the file or its
folder: ``LABELVET_TRUSTED_MODELS`` lists such paths, separated as in ``PATH``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from ..core.errors import InvalidParameter
from .store import store_folder

TRUSTED_MODELS = "LABELVET_TRUSTED_MODELS"

# of two letters at least: "C:/" is a drive
_ADDRESS = re.compile(r"\s*[a-z][a-z0-9+.-]+:/", re.IGNORECASE)


def refuse_address(model: str) -> None:
    """Refuses the address of a model, as what it leads to may change or hold code.

    Raises:
        InvalidParameter: if it is one
    """
    if _ADDRESS.match(model):
        raise InvalidParameter(
            f"'{model}' is an address, and models are not opened from addresses: download it to "
            "the machine that runs the model and give the path of the file."
        )


def trust(paths: Iterable[str | Path]) -> None:
    """Trusts files or folders, in this process and those that it starts, beside what
    ``LABELVET_TRUSTED_MODELS`` lists.

    Raises:
        InvalidParameter: if one does not exist
    """
    listed = [os.environ[TRUSTED_MODELS]] if os.environ.get(TRUSTED_MODELS) else []
    for path in paths:
        full = Path(path).expanduser().resolve()
        if not full.exists():
            raise InvalidParameter(f"'{path}' cannot be trusted: there is no such file or folder.")
        listed.append(str(full))
    if listed:
        os.environ[TRUSTED_MODELS] = os.pathsep.join(listed)


def is_trusted(file: str | Path) -> bool:
    """Whether a file may run code when it is opened; a link counts as what it leads to."""
    full = Path(file).expanduser().resolve()
    listed = os.environ.get(TRUSTED_MODELS, "").split(os.pathsep)
    trusted = [Path(entry).expanduser().resolve() for entry in listed if entry.strip()]
    return any(full == entry or entry in full.parents for entry in trusted)


def how_to_trust(file: str | Path) -> str:
    """Returns the sentence that says how a file may be allowed to run code."""
    folder = Path(file).expanduser().resolve().parent
    return (
        "If you know who made it, whoever runs this process can allow it: "
        f"{TRUSTED_MODELS}='{folder}', or for a worker --trust-models '{folder}'."
    )


def fetched_models_folder() -> Path:
    """Returns the folder that official models are fetched into, which is made if need be."""
    folder = store_folder() / "models"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder
