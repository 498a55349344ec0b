"""What a check found, read from the labels: counts, the list of issues, a table, a JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import fiftyone as fo

from ..core.files import write_whole
from ..core.sentences import count, whole_percent
from ..issues.attributes import (
    ISSUE,
    ISSUES,
    MISLABELED,
    MISSED,
    REASON,
    SUGGESTED,
    SUGGESTED_BOX,
    SUSPICION,
)
from .limits import WRONG, Limit

FIELD = "labels"
"""The field that holds the labels of the files."""
PLACE = "place"
"""The attribute of a label that says where in its files it stands."""

_WIDEST_CLASS = 24


@dataclass(frozen=True)
class Issue:
    """One label that is probably wrong, or an object that has none.

    Attributes:
        file: the image
        label: its class
        box: x, y, width, height, relative to the image
        issue: what is probably wrong
        probability: that anything is wrong with it; of a missed object that it is one
        reason: what speaks against it
        suggested_label, suggested_box: what it should be, where that is known
        place: where it stands in the files: file and line, object, or annotation id; None for a box
            that only another file has
    """

    file: str
    label: str | None
    box: list[float]
    issue: str
    probability: float
    reason: str | None
    suggested_label: str | None
    suggested_box: list[float] | None
    place: str | None


@dataclass(frozen=True)
class CheckResult:
    """What a check found.

    Attributes:
        source: what was checked, in words
        labels: how many labels were judged
        by_class: ``{class: labels}``
        issues: the likeliest first
        notes: sentences on what cannot be known
    """

    source: str
    labels: int
    by_class: dict[str, int]
    issues: list[Issue]
    notes: list[str]

    def counts(self) -> dict[str, int]:
        """Returns ``{issue: labels}``, with the sum as ``WRONG``, which missed objects are not in:
        they have no label that could be wrong."""
        found = Counter(issue.issue for issue in self.issues)
        return {WRONG: found.total() - found[MISSED], **{name: found[name] for name in ISSUES}}

    def passed(self, limits: list[Limit]) -> list[Limit]:
        """Returns the limits that were passed."""
        counts = self.counts()
        return [limit for limit in limits if limit.passed(counts[limit.issue], self.labels)]

    def table(self, worst: int) -> Iterator[str]:
        """Yields the lines of the table.

        Args:
            worst: how many labels to list, and how many objects without one
        """
        counts = self.counts()
        yield f"{count(self.labels, 'label')}, {counts[WRONG]:,} of them probably wrong:"
        for name, number in counts.items():
            told = "  objects" if name == MISSED else f"{self._share(number):>9}"
            yield f"  {name:12}{number:8,}{told}"
        of_class: dict[str, Counter[str]] = {}
        for issue in self.issues:
            of_class.setdefault(str(issue.label), Counter())[issue.issue] += 1
        if of_class:
            width = min(_WIDEST_CLASS, max(map(len, of_class)))
            yield ""
            yield f"  {'class':{width}}{'labels':>9}{WRONG:>9}" + "".join(
                f"{name:>12}" for name in ISSUES
            )
            for name, found in sorted(
                of_class.items(), key=lambda each: (-each[1].total(), each[0])
            ):
                cells = "".join(f"{found[issue] or '':>12}" for issue in ISSUES)
                shown = name if len(name) <= width else f"{name[: width - 1]}…"
                wrong = found.total() - found[MISSED]
                yield f"  {shown:{width}}{self.by_class.get(name, 0):9,}{wrong:9,}{cells}"
        missed = [issue for issue in self.issues if issue.issue == MISSED]
        wrong_ones = [issue for issue in self.issues if issue.issue != MISSED]
        for some, what in (
            (wrong_ones, "The worst {} of {}:"),
            (missed, "Objects that may have no label, the likeliest {} of {}:"),
        ):
            if some and worst:
                yield ""
                yield what.format(f"{min(worst, len(some)):,}", f"{len(some):,}")
            for issue in some[:worst]:
                yield from _lines(issue)
        yield from self.notes

    def describe(self, limit: Limit) -> str:
        """Returns a limit, and what it counted."""
        number = self.counts()[limit.issue]
        share = f"{self._share(number)} of {count(self.labels, 'label')}"
        if limit.issue == MISSED:
            return f"{limit} ({count(number, 'object')} without a label, {share})"
        return f"{limit} ({count(number, 'label')}, {share})"

    def _share(self, number: int) -> str:
        return f"{100 * number / max(1, self.labels):.1f}%"

    def write_json(self, path: Path) -> None:
        """Writes the list for machines, in one step."""
        content: dict[str, Any] = {
            "source": self.source,
            "labels": self.labels,
            "counts": self.counts(),
            "by_class": self.by_class,
            "notes": self.notes,
            "issues": [asdict(issue) for issue in self.issues],
        }
        write_whole({path: json.dumps(content, indent=1, ensure_ascii=False) + "\n"})


def _lines(issue: Issue) -> Iterator[str]:
    box = ", ".join(f"{value:.3f}" for value in issue.box)
    yield f"  {whole_percent(issue.probability):>8}  {issue.place or issue.file}"
    named = issue.issue == MISLABELED and issue.suggested_label
    better = f", rather {issue.suggested_label}" if named else ""
    yield f"            {issue.issue}: {issue.label}{better}, box {box}"
    if issue.reason:
        yield f"            {issue.reason}"


def read_result(
    dataset: fo.Dataset, field: str, seconds: tuple[str, ...], source: str, notes: list[str]
) -> CheckResult:
    """Reads what :func:`labelvet.issues.find.find_label_issues` wrote.

    Args:
        dataset: the dataset
        field: the field that was judged
        seconds: the fields that were asked
        source: what was checked, in words
        notes: see :class:`CheckResult`
    """
    issues = [issue for name in (field, *seconds) for issue in _issues(dataset, name)]
    issues.sort(key=lambda issue: -issue.probability)
    by_class = dataset.count_values(f"{field}.detections.label")
    return CheckResult(
        source,
        sum(by_class.values()),
        {str(name): number for name, number in sorted(by_class.items(), key=lambda e: -e[1])},
        issues,
        notes,
    )


def _issues(dataset: fo.Dataset, field: str) -> Iterator[Issue]:
    root = f"{field}.detections"
    there = dataset.get_field_schema(flat=True)
    names = ("label", "bounding_box", ISSUE, SUSPICION, MISSED, REASON, SUGGESTED, SUGGESTED_BOX,
             PLACE)  # fmt: skip
    if f"{root}.{ISSUE}" not in there:
        return
    wanted = [name for name in names if f"{root}.{name}" in there]
    columns = dataset.values(["filepath", *(f"{root}.{name}" for name in wanted)])
    for file, *of_sample in zip(*columns, strict=True):
        for values in zip(*(part or [] for part in of_sample), strict=True):
            label = dict(zip(wanted, values, strict=True))
            if label[ISSUE] is None:
                continue
            missed = label[ISSUE] == MISSED
            yield Issue(
                file,
                label["label"],
                [round(float(value), 6) for value in label["bounding_box"]],
                label[ISSUE],
                round(float((label.get(MISSED) if missed else label.get(SUSPICION)) or 0), 4),
                label.get(REASON),
                label.get(SUGGESTED),
                label.get(SUGGESTED_BOX),
                label.get(PLACE),
            )
