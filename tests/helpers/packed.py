"""Columns as the browser unpacks them."""

import base64

import numpy as np

KINDS = {1: "<f4", 2: "<u2", 3: "<u4"}


def array(column):
    """Unpacks a column of numbers, or the bits of a set of rows."""
    data = base64.b64decode(column)
    count = int.from_bytes(data[8:12], "little")
    if data[5] == 4:
        return np.unpackbits(np.frombuffer(data, np.uint8, offset=12), bitorder="little")[:count]
    values = np.frombuffer(data, KINDS[data[5]], offset=12)
    assert data[:5] == b"LVET\x01" and len(values) == count
    return values
