"""The types of fields that are binary on the way: see :mod:`labelvet.core.packed`."""

from __future__ import annotations

import binascii
from base64 import b64decode
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainValidator

from ..core.errors import InvalidParameter
from ..core.packed import BARE, pack
from .message import TypeScript


def _column(kind: str) -> Any:
    return Annotated[
        str,
        PlainValidator(lambda values: pack(values, kind)),
        TypeScript(f'Column<"{kind}">', "../../app/binary"),
    ]


def _bare(rows: Any) -> Any:
    """Returns what a script gives as the text that ``unpack_rows`` knows."""
    given = isinstance(rows, dict) and isinstance(rows.get("bits"), str)
    return BARE + rows["bits"] if given else rows


def _content(text: Any) -> bytes:
    try:
        return b64decode(text, validate=True)
    except (TypeError, ValueError, binascii.Error):
        raise InvalidParameter("The content of a file must be base64.") from None


Floats = _column("f4")
Codes = _column("u2")
Counts = _column("u4")
Mask = _column("rows")
RowSet = Annotated[
    str,
    BeforeValidator(_bare),
    TypeScript('Column<"rows" | "u4">', "../../app/binary"),
]
FileContent = Annotated[
    bytes, PlainValidator(_content), TypeScript("FileContent", "../../app/binary")
]
