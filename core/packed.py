"""Columns and sets of rows as they travel between Python and the browser, in base64.

This module and ``panels/app/binary.ts`` alone know the format: 12 bytes of header, then the values,
little-endian. The header is the magic "LVET", the version (1 byte), the kind (1 byte), two bytes
of zero, and the number of values (4 bytes). A kind is a type of number, or "rows": one bit for
each row of a map, the first in the lowest bit.
"""

from __future__ import annotations

import binascii
import struct
from base64 import b64decode, b64encode
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import InvalidParameter, OtherVersion

FORMAT_VERSION = 1
BARE = "bits:"

_HEADER = struct.Struct("<4sBBxxI")
_MAGIC = b"LVET"
_KINDS = {"f4": 1, "u2": 2, "u4": 3, "rows": 4}


def pack(values: NDArray[Any], kind: str) -> str:
    """Packs (n,) or (n, d) numbers as "f4", "u2" or "u4", row by row; or (n,) bool as "rows"."""
    if kind == "rows":
        data = np.packbits(np.asarray(values, bool), bitorder="little").tobytes()
    else:
        data = np.ascontiguousarray(values, f"<{kind}").tobytes()
    return b64encode(
        _HEADER.pack(_MAGIC, FORMAT_VERSION, _KINDS[kind], np.size(values)) + data
    ).decode()


def unpack_rows(text: str, n: int, name: str = "rows") -> NDArray[np.int64]:
    """Unpacks the numbers of the chosen rows of n, ascending: they come as bits, or, where that is
    shorter, as numbers ("u4"). A script may give the bits alone, after ``BARE`` and no header.

    Raises:
        OtherVersion: if it has the format of another version
        InvalidParameter: if it is no selection of n rows
    """
    wrong = InvalidParameter(f"'{name}' must be a selection of this map's {n:,} rows.")
    text, bare = text.removeprefix(BARE), text.startswith(BARE)
    # the length is looked at before anything is decoded
    if len(text) > 4 * (_HEADER.size + (n + 7) // 8 + 2) // 3 + 4:
        raise wrong
    try:
        data = b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise wrong from None
    if bare:
        data = _HEADER.pack(_MAGIC, FORMAT_VERSION, _KINDS["rows"], n) + data
    if len(data) < _HEADER.size:
        raise wrong
    magic, version, kind, count = _HEADER.unpack_from(data)
    if magic != _MAGIC or version != FORMAT_VERSION:
        raise OtherVersion
    body = np.frombuffer(data, np.uint8, offset=_HEADER.size)
    if kind == _KINDS["rows"] and count == n and len(body) == (n + 7) // 8:
        rows = np.flatnonzero(np.unpackbits(body, bitorder="little"))
    elif kind == _KINDS["u4"] and len(body) == 4 * count:
        rows = body.view("<u4").astype(np.int64)
        if (np.diff(rows) <= 0).any():
            raise wrong
    else:
        raise wrong
    if len(rows) and rows[-1] >= n:
        raise wrong
    return rows
