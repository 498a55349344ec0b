"""The checkpoint file of the user's own that a run was made with, as the run records it.

A record may come from anybody who can write to the database, so it leads to a file only if that has
the recorded content; what then opens it is :mod:`labelvet.embeddings.checkpoints`, which runs none
of its code. Importing this module loads no torch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..core.files import update_digest

_NAME = "checkpoint"


@dataclass(frozen=True)
class RecordedCheckpoint:
    """A checkpoint file.

    Attributes:
        path: where it was on the machine that made the run
        digest: of its content, 32 hexadecimal digits
    """

    path: str
    digest: str

    @classmethod
    def of(cls, how: Mapping[str, Any]) -> RecordedCheckpoint | None:
        """Reads what :meth:`recorded` wrote into the config of a run, None for nothing."""
        kept = how.get(_NAME)
        return None if not kept else cls(str(kept["path"]), str(kept["digest"]))

    @classmethod
    def of_file(cls, path: str | Path | None) -> RecordedCheckpoint | None:
        """Describes a file; None for none, or where it is on the machines of a cluster alone."""
        full = None if path is None else Path(path).expanduser().resolve()
        return cls(str(full), _digest(full)) if full is not None and full.is_file() else None

    def recorded(self) -> dict[str, Any]:
        """Returns what the config of a run says of it."""
        return {_NAME: asdict(self)}

    @property
    def problem(self) -> str | None:
        """What became of the file on this machine, None where it is there as it was."""
        path = Path(self.path)
        if not path.is_file():
            return "is not on this machine"
        return None if _digest(path) == self.digest else "has another content by now"


def _digest(path: Path) -> str:
    digest = hashlib.blake2b(digest_size=16)
    update_digest(digest, path)
    return digest.hexdigest()
