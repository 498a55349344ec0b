"""What the confidences of a field are: shares, or percent."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..core.table import PatchTable

_ROUNDING = 0.001


def as_shares(table: PatchTable, notes: list[str]) -> PatchTable:
    """Returns all labels of a field with confidences in [0, 1], and notes where they were not.

    Where most are above 1, by more than a rounding, they are percent; a few may be faults. Where
    most are above 100, they are no probabilities, and there are none.
    """
    known = table.confidences[np.isfinite(table.confidences)]
    above, far = ((known > most * (1 + _ROUNDING)).sum() for most in (1, 100))
    if 2 * above <= len(known):
        return table
    if 2 * far > len(known):
        notes.append(f"Most confidences of '{table.patches_field}' are above 100 and say nothing.")
        return replace(table, confidences=np.full_like(table.confidences, np.nan))
    notes.append(f"The confidences of '{table.patches_field}' are taken for percent.")
    return replace(table, confidences=table.confidences / np.float32(100))
