"""Why a label is suspected, in a sentence that speaks of the kind that was chosen."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..core.sentences import agree
from ..core.table import PatchTable
from .boxes import overlapping
from .kinds import BACKGROUND, BADLY_PLACED, DUPLICATE, RIGHT, WRONG_CLASS
from .missed import LIKELY_MISSED
from .opinions import SAME_OBJECT, SOME_OVERLAP, Opinions
from .suspicion import Suspicion

# a box is called so from here on
_SLIVER, _FEW_PIXELS, _NESTED, _ODD = 8.0, 0.01, 0.8, 3.0


def reason_of(parts: list[str], confidence: float) -> str:
    """Returns one sentence of what speaks against a label, and of its confidence, NaN for none."""
    told = [*parts, f"confidence {confidence:.2f}"] if np.isfinite(confidence) else parts
    sentence = "; ".join(told)
    return f"{sentence[0].upper()}{sentence[1:]}."


class Reasons:
    """The reasons for what was found of the labels of a table.

    Args:
        table: the labels
        found: what was found of them
        opinions: what other fields say of them
    """

    def __init__(
        self, table: PatchTable, found: Suspicion, opinions: Opinions | None = None
    ) -> None:
        self._table, self._found, self._opinions = table, found, opinions
        self._kinds = found.likeliest

    def reason(self, row: int) -> str:
        """Returns one sentence that says what speaks against the label of a row."""
        if self._found.missed[row] >= LIKELY_MISSED:
            parts = self._missed(row)
        else:
            kind = int(self._kinds[row])
            if kind == RIGHT:  # the likeliest thing that may be wrong with it
                kind = 1 + int(self._found.kinds[row, 1:].argmax())
            parts = {
                WRONG_CLASS: self._wrong_class,
                BADLY_PLACED: self._badly_placed,
                BACKGROUND: self._background,
                DUPLICATE: self._duplicate,
            }[kind](row)
        return reason_of(parts, self._table.confidences[row])

    def evidence(self, row: int) -> NDArray[np.int32]:
        """Returns the rows that the reason speaks of: the neighbors, or the label that is repeated,
        or would be if this one were moved."""
        found, kind = self._found, self._kinds[row]
        for of_kind, other in ((DUPLICATE, found.original), (BADLY_PLACED, found.holder)):
            if kind == of_kind and other[row] >= 0:
                return np.asarray(other[row : row + 1])
        return np.asarray(found.neighbors[row])

    def _missed(self, row: int) -> list[str]:
        covered, own = self._covered[row], self._own(row)
        much = f"covers more than {covered:.0%} of" if covered >= SOME_OVERLAP else "lies on"
        parts = [f"no accepted {own} {much} it"]
        count, among = self._neighbors(row, int(self._table.codes[row]))
        if 2 * count > among and self._table.codes[row] >= 0:
            parts.append(
                f"{count} of {among} neighbors {agree(count, 'is', 'are')} {self._own(row)}"
            )
        return parts

    @cached_property
    def _covered(self) -> NDArray[np.float64]:
        """(n,) the greatest part of each label that lies in an accepted one of its class."""
        table = self._table
        accepted = table.take(np.flatnonzero(~np.isfinite(self._found.missed)))
        pairs = overlapping(table.media, table.boxes, accepted.media, accepted.boxes)
        same = table.codes[pairs.rows] == accepted.codes[pairs.others]
        return pairs.greatest(np.where(same, pairs.inside, 0), len(table))

    def _wrong_class(self, row: int) -> list[str]:
        code = int(self._found.suggested[row, 0])
        if code < 0:  # nothing was compared
            unnamed = self._table.codes[row] < 0
            return ["it has no class" if unnamed else f"it may not be {self._own(row)}"]
        if told := self._track(row, code):
            return [told]
        count, among = self._neighbors(row, code)
        named, field = self._named(code), self._field_with(row, code)
        if self._table.codes[row] < 0:
            return ["it has no class", *([f"{field} has {named} here"] if field else [])]
        if field and not count:  # nothing but the field speaks of that class
            rather = "as well as" if self._agrees(row) else "rather than"
            return [f"{field} has {named} here, {rather} {self._own(row)}"]
        parts = [f"looks like {named} rather than {self._own(row)}"]
        if count:
            parts.append(f"{count} of {among} neighbors {agree(count, 'is', 'are')} {named}")
        if field:
            parts.append(f"{field} has {named} here")
        return parts

    def _track(self, row: int, code: int) -> str:
        """How many of the label's track have a class, if most have; "" where they have not."""
        tracks, codes = self._found.tracks, self._table.codes
        if tracks is None or codes[row] < 0 or codes[row] == code:
            return ""
        track = tracks.of[row]
        if tracks.codes[track] != code:
            return ""
        frames = "frames" if str(self._table.patches_field).startswith("frames.") else "images"
        many = f"{tracks.counts[track]:,} of {tracks.totals[track]:,} {frames}"
        return f"its track is called {self._named(code)} in {many}, and {self._own(row)} here"

    def _field_with(self, row: int, code: int) -> str:
        """What field has a class on the label, in words; "" for none."""
        opinions = self._opinions
        if opinions is None:
            return ""
        if opinions.opposed[row] == code:
            return f"'{opinions.names[opinions.opposing[row]]}'"
        labels, codes, _ = opinions.classes
        if not ((labels == row) & (codes == code)).any():
            return ""
        return f"'{opinions.names[0]}'" if len(opinions.names) == 1 else "another field"

    def _agrees(self, row: int) -> bool:
        """Whether another field has the label's own class in its place."""
        return self._opinions is not None and bool(self._opinions.evidence["agrees"][row] > 0)

    def _badly_placed(self, row: int) -> list[str]:
        opinions = self._opinions
        if opinions is not None and opinions.agreeing[row] >= 0:
            field = opinions.names[opinions.agreeing[row]]
            overlap = opinions.agreement[row]
            if overlap >= SAME_OBJECT:  # which would speak for the box
                return [f"the box may not fit the {self._object(row)}", *self._box(row)]
            told = f"'{field}' has {self._own(row)} here, but its box overlaps by {overlap:.0%}"
            if self._found.holder[row] >= 0:
                return [told, "another label fits that box better, so this one may not be needed"]
            return [told]
        return [f"the box may not fit the {self._object(row)}", *self._box(row)]

    def _background(self, row: int) -> list[str]:
        opinions = self._opinions
        if opinions is not None and opinions.asked[row] and opinions.agreeing[row] < 0:
            fields = [f"'{opinions.names[i]}'" for i in np.flatnonzero(opinions.known[row])]
            have = agree(len(fields), "has", "have")
            return [f"there may be no {self._object(row)} here: {' and '.join(fields)} {have} none"]
        return [f"there may be no {self._object(row)} here", *self._box(row)]

    def _duplicate(self, row: int) -> list[str]:
        if self._found.original[row] < 0:
            return [f"another {self._own(row)} may show the same object"]
        if self._table.of_whole_images:
            return [f"another sample has the same image, as {self._own(row)} too"]
        return [f"it overlaps another {self._own(row)} by {self._found.overlap[row]:.0%}"]

    def _box(self, row: int) -> list[str]:
        """What is odd about the box itself."""
        width, height = np.maximum(self._table.boxes[row, 2:], 1e-6)
        if max(width / height, height / width) >= _SLIVER:
            return ["it is a sliver"]
        if max(width, height) <= _FEW_PIXELS:
            return [f"it is {max(width, height):.1%} of the image wide and high"]
        if self._found.evidence_of("within")[row] >= _NESTED:
            return ["it is inside another one"]
        if self._found.evidence_of("contains")[row] >= _NESTED:
            return ["it contains another one"]
        if self._found.evidence_of("shape")[row] >= _ODD:
            return ["its size or shape is unusual for the class"]
        return []

    def _neighbors(self, row: int, code: int) -> tuple[int, int]:
        near = self._table.codes[self._found.neighbors[row]]
        return int((near == code).sum()), len(near)

    def _object(self, row: int) -> str:
        return self._own(row) if self._table.codes[row] >= 0 else "object"

    def _own(self, row: int) -> str:
        return self._named(int(self._table.codes[row]))

    def _named(self, code: int) -> str:
        return str(self._table.classes[code]) if code >= 0 else "label without a class"
