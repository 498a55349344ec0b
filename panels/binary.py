"""The types of fields that are binary on the way: see :mod:`labelvet.core.packed`."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, PlainValidator

from ..core.packed import pack
from .message import TypeScript


def _column(kind: str) -> Any:
    return Annotated[
        str,
        PlainValidator(lambda values: pack(values, kind)),
        TypeScript(f'Column<"{kind}">', "../../app/binary"),
    ]


Floats = _column("f4")
Codes = _column("u2")
Counts = _column("u4")
Mask = _column("rows")
RowSet = Annotated[
    str,
    # what a script gives
    BeforeValidator(lambda rows: rows.get("bits") if isinstance(rows, dict) else rows),
    TypeScript('Column<"rows" | "u4">', "../../app/binary"),
]
