"""Reasons: whatever the evidence is, they speak of the kind that was chosen, and say what is so."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
from clusters import clusters
from hypothesis import given, settings
from hypothesis import strategies as st
from labelvet.issues.kinds import BACKGROUND, BADLY_PLACED, DUPLICATE, RIGHT, WRONG_CLASS
from labelvet.issues.missed import LIKELY_MISSED
from labelvet.issues.opinions import SAME_OBJECT, ask
from labelvet.issues.reasons import Reasons
from labelvet.issues.suspicion import find_suspects
from labelvet.issues.writing import name_issues

# what only a reason of the kind may say
_WORDS = {
    WRONG_CLASS: ("rather than", "looks like"),
    BADLY_PLACED: ("the box may not fit", "but its box overlaps by"),
    BACKGROUND: ("there may be no",),
    DUPLICATE: ("another c", "another sample"),  # not "another field has", nor "inside another one"
}
_TABLE, _VECTORS, _, _ = clusters(60)


def _generated(rng):
    """Evidence at random: labels, what two other fields say, kinds, suggestions, originals."""
    n = len(_TABLE)
    boxes = np.concatenate([rng.uniform(0, 0.4, (n, 2)), rng.uniform(0.01, 0.6, (n, 2))], axis=1)
    table = replace(_TABLE, boxes=boxes, codes=rng.integers(0, 4, n).astype(np.int32))
    fields = []
    for name in ("second", "third"):
        rows = np.flatnonzero(rng.random(n) < 0.7)
        moved = boxes[rows] + rng.choice([0.01, 0.1, 0.4]) * rng.normal(size=(len(rows), 4)) * 0.3
        codes = np.where(rng.random(len(rows)) < 0.3, 0, table.codes[rows]).astype(np.int32)
        fields.append(
            replace(table.take(rows), patches_field=name, codes=codes, boxes=np.abs(moved) + 1e-3)
        )
    opinions = ask(table, fields[: rng.integers(1, 3)]) if rng.random() < 0.8 else None
    found = find_suspects(table, _VECTORS)
    others = (table.codes + rng.integers(1, 4, n)).astype(np.int32) % 4
    original = np.where(rng.random(n) < 0.5, rng.permutation(n), -1).astype(np.int32)
    return (
        table,
        opinions,
        replace(
            found,
            kinds=rng.dirichlet(np.full(5, 0.4), n).astype(np.float32),
            suggested=np.where(rng.random(n) < 0.1, -1, others)[:, None].repeat(3, axis=1),
            original=original,
            holder=np.where(rng.random(n) < 0.3, rng.permutation(n), -1).astype(np.int32),
            overlap=np.where(original >= 0, rng.uniform(0.5, 1, n), 0).astype(np.float32),
            missed=np.where(rng.random(n) < 0.2, rng.random(n), np.nan).astype(np.float32),
            neighbors=np.array([rng.permutation(n)[:10] for _ in range(n)], dtype=np.int32),
        ),
    )


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_a_reason_never_contradicts_the_kind(seed):
    table, opinions, found = _generated(np.random.default_rng(seed))
    reasons, issues = Reasons(table, found, opinions), name_issues(found)
    for row in range(len(table)):
        reason = reasons.reason(row).lower()
        own, code = f"c{table.codes[row]}", found.suggested[row, 0]
        if np.isfinite(found.missed[row]):
            assert issues[row] == ("missed" if found.missed[row] >= LIKELY_MISSED else None)
        if issues[row] == "missed":
            assert "no accepted" in reason
            assert not any(word in reason for words in _WORDS.values() for word in words)
            continue
        kind = found.likeliest[row]
        if kind == RIGHT:
            kind = 1 + found.kinds[row, 1:].argmax()
        if kind == WRONG_CLASS:
            suggested = {f"c{code}"} if code >= 0 else set()
            assert set(re.findall(r"c\d", reason)) == {own} | suggested
            if code >= 0 and "neighbors" in reason:
                count = int(re.search(r"(\d+) of 10 neighbors", reason)[1])
                assert count == (table.codes[found.neighbors[row]] == code).sum() > 0
        else:
            assert any(word in reason for word in _WORDS[kind])
            assert set(re.findall(r"c\d", reason)) == {own}
        for other, words in _WORDS.items():
            if other != kind:
                assert not any(word in reason for word in words)
        if "its box overlaps by" in reason:
            assert opinions.agreement[row] < SAME_OBJECT
        for name in re.findall(r"'(second|third)' has none", reason):
            assert opinions.known[row, opinions.names.index(name)] and opinions.agreeing[row] < 0
        evidence = reasons.evidence(row)
        if kind == DUPLICATE == found.likeliest[row] and found.original[row] >= 0:
            assert evidence.tolist() == [found.original[row]]
            assert f"{found.overlap[row]:.0%}" in reason
        if "another label fits that box better" in reason and kind == found.likeliest[row]:
            assert evidence.tolist() == [found.holder[row]]
