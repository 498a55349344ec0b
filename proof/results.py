"""What an audit says, by the answers that there are now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import fiftyone as fo
import numpy as np
from numpy.typing import NDArray

from ..core.sentences import agree, count, whole_percent
from ..dataset.brain_runs import first_field_notes
from ..issues.findings import load_findings
from ..review.queue import Item, read_items
from .agreement import Agreement, agreements, most_errors
from .audits import OF_A_CLASS, Audit, Part, current_audit
from .bounds import Bounds, Draws
from .nested_sets import Proof
from .reading import Reading
from .second_answers import asked_again, drawn_pairs, pairs_of

_ERRS = 0.05  # of the answers may be wrong, where it is said what that does
_NAMED = 10


@dataclass(frozen=True)
class ClassBounds:
    """How many labels of a class are wrong; what is said of all classes holds at once.

    Attributes:
        label: the class
        labels: how many there are
        answers: how many of them were answered
    """

    label: str | None
    labels: int
    answers: int
    bounds: Bounds


@dataclass(frozen=True)
class PartProof:
    """What is proven of a class by itself; of all classes at once, with the audit's confidence.

    Attributes:
        part: its labels
        answers: how many of them were answered
        found: how many of these were wrong
        all_asked: whether nothing of it is left to ask
    """

    part: Part
    answers: int
    found: int
    proof: Proof
    all_asked: bool


@dataclass(frozen=True)
class Errors:
    """How far the errors of reviewers may carry, by the labels that two of them answered.

    Attributes:
        most: the largest share of labels of which one may err; with a target, of those that are
            proven which one may have said to be right
        low, high: between which shares of wrong labels the truth is then
    """

    most: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class AuditResult:
    """What an audit says so far.

    Attributes:
        labels: how many labels it is about
        answers: how many answers count so far
        found: how many of them said wrong
        unknown: how many were skipped, edited or deleted before their turn
        bounds: how many labels are wrong, or were before they were answered
        classes: the same of the classes that have answers enough, the most frequent first
        open: rows that are asked next, as many as were wanted
        waiting: how many labels of the random order have no answer that counts yet
        reviewers: how many answers each gave
        proof: what is proven of the target, None for an audit without one
        parts: the same of each class, where each is to meet the target
        left_out: the classes that have too few labels for that
        agreements: how the labels were answered that were asked twice
        seconds: how many second answers there are
        errors: what these say of reviewers' errors, None while that is little
        more: how many answers more would halve the interval
        target, confidence, brain_key: of the audit
    """

    labels: int
    answers: int
    found: int
    unknown: int
    bounds: Bounds
    classes: tuple[ClassBounds, ...]
    open: NDArray[np.int32]
    waiting: int
    reviewers: dict[str, int]
    proof: Proof | None
    parts: tuple[PartProof, ...]
    left_out: list[str | None]
    agreements: tuple[Agreement, ...]
    seconds: int
    errors: Errors | None
    target: float | None
    more: int
    confidence: float
    brain_key: str

    @property
    def notes(self) -> list[str]:
        """What else a reviewer may want to know: of each class, of the reviewers, and what wrong
        answers would do."""
        if not self.answers:
            return []
        agreed = [one.sentence for one in self.agreements]
        errors = [] if self.if_two_err is None else [self.if_two_err]
        if self.proof is not None:
            return [*_of_parts(self), *agreed, *errors]
        sure = sureness(self.confidence)
        classes = [
            f"{_class(one.label)}: {percent(one.bounds.estimate / one.labels)} of "
            f"{count(one.labels, 'label')} {agree(one.labels, 'is', 'are')} wrong, "
            f"{percent(one.bounds.low / one.labels)} to "
            f"{percent(one.bounds.high / one.labels)}, after {count(one.answers, 'answer')}."
            for one in self.classes
        ]
        if classes:
            classes.insert(0, f"By class, all of these at once ({sure}):")
        return [
            *classes,
            *agreed,
            *errors,
            f"Answers are taken as the truth. If up to {_ERRS:.0%} of them are wrong, it is "
            f"{self.if_some_err}.",
        ]

    @property
    def sentence(self) -> str:
        """One sentence or two for the reviewer."""
        if self.proof is not None and self.target is not None:
            of = _of_each if self.parts else _of_target
            return of(self, self.proof, self.target)
        n, bounds = self.labels, self.bounds
        if not self.answers:
            return (
                f"Audit of {count(n, 'label')}: answer a random sample to see how many are wrong. "
                "The keys are those of the review, and you can stop at any time."
            )
        wrong = f"of {count(n, 'label')} {agree(n, 'is', 'are')} wrong"
        span = f"{percent(bounds.low / n)} to {percent(bounds.high / n)}"
        sure = f"({sureness(self.confidence)}), after {count(self.answers, 'answer')}"
        # one number would say more than is known
        wide = 2 * (bounds.high - bounds.low) > n
        said = (
            f"{span} {wrong} {sure}"
            if wide
            else f"{percent(bounds.estimate / n)} {wrong}, {span} {sure}"
        )
        more = f"; about {self.more:,} more would halve the interval." if self.more else "."
        rest = (
            f" For {count(self.unknown, 'label')} of the sample there is no answer (skipped, "
            "edited or deleted first); the interval allows for right and wrong."
            if self.unknown
            else ""
        )
        return said + more + rest

    @property
    def if_two_err(self) -> str | None:
        """What the labels that were answered twice say of errors, None while that is little."""
        errors, sure = self.errors, sureness(self.confidence)
        if errors is None:
            return None
        if self.target is None:
            return (
                f"By that a reviewer errs in at most {percent(errors.most)} of the answers, but "
                f"for errors that both make alike; then it is {percent(errors.low)} to "
                f"{percent(errors.high)} ({sure} each)."
            )
        both = sureness(max(0.0, 2 * self.confidence - 1))  # the proof may fail, and this
        return (
            f"By that up to {percent(errors.most)} of the proven labels were said to be right and "
            f"are wrong ({sure}), but for errors that both make alike; then at least "
            f"{percent(1 - errors.high)} of them are right ({both})."
        )

    @property
    def if_some_err(self) -> str:
        """Between which shares the truth is if up to 5% of the answers, had all labels been
        answered, would be wrong."""
        low, high = (end / max(self.labels, 1) for end in (self.bounds.low, self.bounds.high))
        return f"{percent(max(0.0, low - _ERRS))} to {percent(min(1.0, high + _ERRS))}"


@dataclass(frozen=True)
class Questions:
    """What an audit asks next.

    Attributes:
        items: the labels, in the order in which they are asked
        result: what it says so far
        classes: the names of all classes
        notes: what else it says, and what it does not ask about
    """

    items: list[Item]
    result: AuditResult
    classes: tuple[str, ...]
    notes: list[str]


def percent(share: float) -> str:
    """Returns a share as a person reads it."""
    return f"{100 * share:.1f}%"


def sureness(confidence: float) -> str:
    """Returns a confidence as it was asked for: 99.9% is not 100%."""
    return f"{100 * confidence:g}%"


def read_result(dataset: fo.Dataset, audit: Audit, ahead: int = 0) -> AuditResult:
    """Reads what an audit says by the answers that there are now.

    Args:
        dataset: the dataset
        audit: the audit
        ahead: how many labels that wait for an answer are wanted
    """
    return _result(audit, Reading(dataset, audit, ahead))


def _result(audit: Audit, read: Reading) -> AuditResult:
    rows, wrong = read.rows, read.wrong
    error = 1 - audit.confidence
    size, n = len(audit.ids), len(rows)
    pairs, drawn = pairs_of(read), drawn_pairs(audit, read)
    parts = tuple(_of_part(audit, part, rows, wrong) for part in audit.parts)
    proof, errors = _together([one.proof for one in parts]), None
    if proof is None:
        draws = Draws(audit.population, rows, wrong, audit.planned)
        bounds = draws.bounds(error)
        if (most := most_errors(drawn, size, error)) is not None:
            # of each end a quarter of the error is for itself, and one for the reviewers
            ends, labels = draws.bounds(error / 2), size + audit.sure
            fewer, more = (most_errors(drawn, size, error / 4, said) or 0 for said in (True, False))
            low, high = (ends.low - fewer * size) / labels, (ends.high + more * size) / labels
            errors = Errors(most, max(0.0, low), min(1.0, high))
    else:  # what is asked for is no sample of all of them
        bounds = Bounds(0, 0.0, size)
        asked = len(audit.order)
        if proof.size and not audit.per_class and (most := most_errors(drawn, asked, error, False)):
            most = min(1.0, most * asked / proof.size)  # all of them may be in the proven set
            errors = Errors(most, 0.0, min(1.0, 1 - (audit.target or 0) + most))
    return AuditResult(
        size + audit.sure,
        _known(wrong),
        int(np.nansum(wrong)),
        int(np.isnan(wrong).sum()),
        bounds,
        tuple(_of_classes(audit, rows, wrong, error)) if proof is None else (),
        read.open,
        len(audit.order) - n,
        read.reviewers,
        proof,
        parts if audit.per_class else (),
        audit.left_out,
        agreements(pairs),
        len(pairs),
        errors,
        audit.target,
        _to_halve(n, size, audit.planned) if n else 0,
        audit.confidence,
        audit.brain_key,
    )


def next_questions(dataset: fo.Dataset, brain_key: str, count: int, user: str) -> Questions | None:
    """Returns what an audit asks a reviewer next, and what it says so far.

    Args:
        dataset: the dataset
        brain_key: the visualization whose labels are audited
        count: how many labels are wanted
        user: who is asked: labels that wait for a second answer of this reviewer come first

    Returns:
        the :class:`Questions`, None where no audit goes on
    """
    audit, findings = current_audit(dataset, brain_key), load_findings(dataset, brain_key)
    if audit is None or findings is None:
        return None
    read = Reading(dataset, audit, count)
    suspicion = findings.found.suspicion
    items: list[Item] = []
    for asked, again in ((asked_again(audit, read, user), True), (read.open, False)):
        rows = findings.rows_of(audit.sample_ids[asked], audit.ids[asked])
        items += read_items(dataset, findings, rows[rows >= 0], suspicion, count, again=again)[0]
    result = _result(audit, read)
    notes = [*first_field_notes(dataset, brain_key, "is asked about"), *result.notes]
    return Questions(items[:count], result, findings.classes, notes)


def _known(wrong: NDArray[np.float64]) -> int:
    """How many answers say right or wrong: what was skipped, edited or deleted has none."""
    return int(np.isfinite(wrong).sum())


def _to_halve(n: int, size: int, planned: int) -> int:
    """Returns how many answers more would halve an interval.

    Its width goes with the root of 1/n - 1/N, but after about as many as were planned it is less,
    by a fourth (measured, see ``docs/proof.md``).
    """
    narrow = 1 / 1.3**2 if n > 0.75 * planned else 1.0
    wanted = (1 / n - 1 / size) / 4 * narrow + 1 / size
    return max(0, int(np.ceil(1 / wanted)) - n)


def _of_part(
    audit: Audit, part: Part, rows: NDArray[np.int64], wrong: NDArray[np.float64]
) -> PartProof:
    """Says what is proven of a part; all parts share one error."""
    inside = np.isin(rows, part.rows)
    error = (1 - audit.confidence) / len(audit.parts)
    place = np.searchsorted(part.rows, rows[inside])
    proof = part.sets.prove(place, wrong[inside], 1 - error)
    said = wrong[inside]
    all_asked = len(said) >= part.sets.sizes[-1]
    return PartProof(part, _known(said), int(np.nansum(said)), proof, all_asked)


def _together(proofs: list[Proof]) -> Proof | None:
    if len(proofs) < 2:
        return proofs[0] if proofs else None
    size, next_size = sum(one.size for one in proofs), sum(one.next_size for one in proofs)
    most = sum(one.most for one in proofs)
    return Proof(size, most, next_size, min((one.evidence for one in proofs), default=0.0))


def _of_classes(
    audit: Audit, rows: NDArray[np.int64], wrong: NDArray[np.float64], error: float
) -> Sequence[ClassBounds]:
    codes = audit.codes[rows]
    # that many can be told of at most, which is known before the first answer
    error /= max(1, int((np.bincount(audit.codes[audit.codes >= 0]) >= OF_A_CLASS).sum()))
    found = []
    for code, drawn_of_it in zip(*np.unique(codes, return_counts=True), strict=True):
        if drawn_of_it < OF_A_CLASS or code < 0:
            continue
        members, population = audit.of_class(int(code))
        place = np.searchsorted(members, rows[codes == code])
        planned = audit.planned * len(members) // len(audit.ids)
        drawn = Draws(population, place, wrong[codes == code], planned)
        name = audit.classes[code]
        given = _known(wrong[codes == code])
        found.append(ClassBounds(name, len(members), given, drawn.bounds(error)))
    return sorted(found, key=lambda one: -one.labels)


def _class(label: str | None) -> str:
    return "no class" if label is None else label


def _of_each(result: AuditResult, proof: Proof, target: float) -> str:
    goal = f"at least {100 * target:g}%"
    names = [_class(one.part.label) for one in result.parts]
    alone = len(names) == 1
    sure = f"({sureness(result.confidence)} confidence{'' if alone else ', all classes at once'})"
    classes = f"'{names[0]}'" if alone else f"each of {len(names):,} classes"
    if not result.answers:
        return (
            f"To prove which labels of {classes} are {goal} right {sure}, answer a random sample "
            "of each with the keys of the review; you can stop at any time. It takes more answers "
            "than one target for all classes."
        )
    proven = [one for one in result.parts if one.proof.size]
    after = f"after {count(result.answers, 'answer')}, {result.found:,} of them wrong"
    if proven:
        return (
            f"Proven: {goal} are right in each of {len(proven):,} of {len(result.parts):,} classes "
            f"{sure}, {proof.size:,} labels, {after}."
        )
    rest = "" if result.waiting else " Nothing is left to ask: lower the target."
    return f"Not proven yet of any class: {goal} right {sure}, {after}.{rest}"


def _of_parts(result: AuditResult) -> list[str]:
    """What is proven of each class, and what would help those of which nothing is."""
    said = [_of_class(result, one) for one in result.parts]
    if result.left_out:
        names = sorted(map(_class, result.left_out))
        more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
        said.append(
            f"Left out, with fewer than {OF_A_CLASS} labels: {', '.join(names[:_NAMED])}{more}. "
            "Answer for each of these labels in the review instead."
        )
    return said


def _of_class(result: AuditResult, one: PartProof) -> str:
    target, proof, name = result.target or 0.0, one.proof, _class(one.part.label)
    way = whole_percent(proof.evidence)
    after = f"after {count(one.answers, 'answer')}, {one.found:,} of them wrong"
    if proof.size:
        rest = f"; the next {proof.next_size:,} are {way} of the way there"
        return (
            f"{name}: {proof.size:,} of {count(len(one.part.rows), 'label')} are proven {after}"
            f"{rest if proof.next_size else ''}."
        )
    if one.answers >= OF_A_CLASS and one.found > 2 * (1 - target) * one.answers:
        helps = "so many are wrong that a lower target, or better label issues, would help more"
    elif one.all_asked:
        helps = "nothing is left to ask: lower the target"
    else:
        helps = f"{way} of the way, and more answers would help"
    return f"{name}: left out, {after}: {helps}."


def _of_target(result: AuditResult, proof: Proof, target: float) -> str:
    goal = f"at least {100 * target:g}%"
    sure = f"({sureness(result.confidence)} confidence)"
    way = whole_percent(proof.evidence)
    after = f"after {count(result.answers, 'answer')}, {result.found:,} of them wrong"
    if proof.size:
        said = (
            f"Proven: {goal} of the {proof.size:,} least suspicious labels are right {sure}, once "
            f"those that were found wrong are out or corrected, {after}."
        )
        if proof.next_size:
            said += f" The next {proof.next_size:,} are {way} of the way there."
        return said
    if not result.answers:
        return (
            f"To prove which labels are {goal} right {sure}, answer a random sample of the least "
            "suspicious ones with the keys of the review; you can stop at any time."
        )
    if not result.waiting:
        return (
            f"No set of these labels is {goal} right {sure}, {after}, and nothing is left to ask: "
            "lower the target, or find label issues again with another field to compare with."
        )
    said = (
        f"Not proven yet, {after}: the first {proof.next_size:,} labels are "
        f"{way} of the way to {goal} right {sure}."
    )
    if result.found > 2 * (1 - target) * result.answers and result.answers >= OF_A_CLASS:
        said += " So many are wrong that a lower target, or better label issues, would help more."
    return said
