"""Names of classes that probably mean the same: case and spacing, plurals, typos."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from difflib import SequenceMatcher
from itertools import combinations

import numpy as np

SPELLING, PLURAL, TYPO = "spelled alike", "plural", "typo"

# names that differ in a letter or two are typos of each other from this likeness and length on:
# short words that differ so are mostly different words
_ALIKE, _SHORTEST = 0.86, 6
# two changes of a letter change the counts of letters by at most so much
_CHANGED = 4
_BLOCK = 500
# the letters of more names are not compared: that would take many seconds
_MOST_NAMES = 5_000
_SHORTEST_SINGULAR = 3


def find_similar_names(names: Sequence[str]) -> dict[tuple[int, int], str]:
    """Finds names that probably mean the same class.

    Args:
        names: n different names

    Returns:
        ``{(place, place): why}``, the lower place first: ``SPELLING`` where they differ in case,
        spaces, hyphens and the like alone, ``PLURAL`` where one is the other's plural, or ``TYPO``
    """
    found: dict[tuple[int, int], str] = {}
    plain = [_plain(name) for name in names]
    for pair in _equal(plain):
        found[pair] = SPELLING
    place_of = {name: place for place, name in enumerate(plain)}
    for place, name in enumerate(plain):
        for plural in _plurals(name) & place_of.keys():
            found.setdefault(_ordered(place, place_of[plural]), PLURAL)
    for first, second in _few_changes(plain) if len(names) <= _MOST_NAMES else ():
        if (first, second) not in found and _is_typo(plain[first], plain[second]):
            found[first, second] = TYPO
    return found


def _plain(name: str) -> str:
    """A name without case, and with one space for whatever parts its words."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)  # trafficLight
    return " ".join(re.split(r"[\W_]+", apart.casefold())).strip() or name


def _plurals(name: str) -> set[str]:
    plurals = {f"{name}s", f"{name}es"} if len(name) >= _SHORTEST_SINGULAR else set()
    for ending, plural in (("y", "ies"), ("f", "ves"), ("fe", "ves")):
        if name.endswith(ending):
            plurals.add(name.removesuffix(ending) + plural)
    return plurals


def _ordered(first: int, second: int) -> tuple[int, int]:
    return (first, second) if first < second else (second, first)


def _equal(names: list[str]) -> list[tuple[int, int]]:
    places = defaultdict(list)
    for place, name in enumerate(names):
        # "traffic light" and "trafficlight" differ in spacing alone
        places[name.replace(" ", "")].append(place)
    return [pair for some in places.values() for pair in combinations(some, 2)]


def _few_changes(names: list[str]) -> list[tuple[int, int]]:
    """Returns the pairs that may differ in as few as two letters, by how often they have each."""
    from scipy.spatial.distance import cdist

    long_ = [place for place, name in enumerate(names) if len(name) >= _SHORTEST]
    letters = {letter: place for place, letter in enumerate(sorted({c for n in names for c in n}))}
    counts = np.zeros((len(long_), len(letters)))
    for row, place in enumerate(long_):
        for letter in names[place]:
            counts[row, letters[letter]] += 1
    pairs: list[tuple[int, int]] = []
    for start in range(0, len(long_), _BLOCK):
        distances = cdist(counts[start : start + _BLOCK], counts, "cityblock")
        for row, other in np.argwhere(distances <= _CHANGED).tolist():
            if start + row < other:
                pairs.append((long_[start + row], long_[other]))
    return pairs


def _is_typo(first: str, second: str) -> bool:
    if re.findall(r"\d+", first) != re.findall(r"\d+", second):
        return False  # speed limit 30 and speed limit 50
    ours, theirs = first.split(" "), second.split(" ")
    if len(ours) == len(theirs):
        # a typo is in one word; the other words are the same
        differing = [(a, b) for a, b in zip(ours, theirs, strict=True) if a != b]
        if len(differing) != 1 or min(map(len, differing[0])) < _SHORTEST:
            return False
        first, second = differing[0]
    return SequenceMatcher(None, first, second, autojunk=False).ratio() >= _ALIKE
