"""What travels between *Auto Labeling* and its web half."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from ...approval.rules import RULES
from ...autolabel.runs import RUN_STATES
from ...dataset.states import LOOP_STATES
from ..binary import Counts
from ..message import ClassName, Moment, OneOf, Reply, Request, Text

if TYPE_CHECKING:
    from ...approval.counts import CandidateCounts
    from ...approval.rounds import ApprovalProgress
    from ...proof.results import AuditResult

RunState = Annotated[str, OneOf(RUN_STATES)]
# the places of the states are those in the counts of a class
LabelState = Annotated[str, OneOf(LOOP_STATES)]
Shown = Annotated[str, OneOf((*LOOP_STATES, "all"))]
Rule = Annotated[str, OneOf(tuple(RULES))]
Number = Annotated[float, Field(ge=-1e300, le=1e300)]


class SourceRequest(Request):
    """Labels with a confidence.

    Attributes:
        field: their field
        run: the run of auto labeling that they are of, null for all
    """

    field: Text
    run: Text | None = None


class SelectionRequest(SourceRequest):
    """Some of the labels.

    Attributes:
        low, high: the least and the most confidence, both inclusive; null is no bound
        classes: null for all
        selected: whether only those that are selected in the grid
    """

    low: Number | None = None
    high: Number | None = None
    classes: list[ClassName | None] | None = Field(None, max_length=100_000)
    selected: bool = False


class ShowRequest(SelectionRequest):
    """Labels that the grid shows as patches.

    Attributes:
        edition: another one of the same labels is fetched again by the App
        anew: whether labels came back that have no patch yet
    """

    state: Shown = "open"
    edition: int = Field(0, ge=0, le=10**15)
    anew: bool = False


class ApproveRequest(SourceRequest):
    """How the basket becomes ground truth.

    Attributes:
        into: the field of ground truth
        rule: what becomes of labels that are in ground truth already
    """

    into: Text
    rule: Rule = "keep"


class TargetRequest(SourceRequest):
    """What is to be proven of the labels that are approved.

    Attributes:
        target: at least so many percent of them are right
        confidence: how sure that is to hold, in percent
        per_class: whether it is to be so in each class by itself
    """

    target: float = Field(ge=0, le=100)
    confidence: float = Field(95, ge=0, le=100)
    per_class: bool = False


class FinalizeRequest(SourceRequest):
    """A person agreed to remove what is not approved.

    Attributes:
        count: how many labels that was said to be
    """

    count: int = Field(ge=0, le=10**12)


class Run(Reply):
    """A run of auto labeling.

    Attributes:
        created: in ISO 8601
        unreadable: how many images could not be read
        error: why it failed
        progress: the finished part, in [0, 1]
        line: what happens, in a line
    """

    name: str
    field: str | None
    model: str | None
    state: RunState
    created: Moment | None = None
    labels: int = 0
    images: int = 0
    unreadable: int = 0
    user: str | None = None
    error: str | None = None
    progress: float | None = None
    line: str | None = None


class Overview(Reply):
    """What there is to review.

    Attributes:
        fields: whose labels can be reviewed without a run, and which can hold ground truth
    """

    runs: list[Run]
    fields: list[str]


class Review(Reply):
    """Labels of the App's view by class and confidence; see approval/counts.py.

    Attributes:
        classes: the most frequent first, null for labels without one
        counts: of each class, how many are in each of `LABEL_STATES`
        confidence: mean confidence of each class, null where no label has one
        edges: of the bins of confidence
        open: of each class, the columns of open labels by confidence, one after the other
    """

    classes: list[str | None]
    counts: list[list[int]]
    confidence: list[float | None]
    edges: list[float]
    open: Counts

    @classmethod
    def of(cls, found: CandidateCounts) -> Review:
        """Makes one of what was counted."""
        return cls.like(
            found,
            classes=list(found.classes),
            counts=found.counts.tolist(),
            confidence=[None if mean != mean else mean for mean in found.confidence.tolist()],
            edges=found.edges.tolist(),
        )


class Round(Reply):
    """One approval.

    Attributes:
        at: when, in ISO 8601
        turned_down: how many were flagged or rejected since the round before
        rate: the part that was approved of these and those
        token: what undoes it
        proof: what was proven of its labels, null for nothing
    """

    at: Moment
    by: str
    into: str
    approved: int
    turned_down: int
    rate: float | None
    token: str
    proof: str | None


class LoopProgress(Reply):
    """How far the loop is.

    Attributes:
        left: how many labels nobody decided on
        not_approved: how many Finalize would remove
        in_basket: how many labels of each class the basket holds, the most frequent first
        twice: how many of them are of one object and class with a surer one, which alone enters
        proof: what was proven of the basket when it was filled, null for nothing
        proof_holds: whether the basket is what it was then
        target: what is proven of a target so far, null where none was said
        target_notes: what else is known, of each class for one
        target_key: the brain key of the map in whose review its sample is answered
        proven: how many labels are proven to meet it
    """

    found: int
    approved: int
    flagged: int
    rejected: int
    basket: int
    left: int
    not_approved: int
    in_basket: list[tuple[str | None, int]]
    twice: int
    rounds: list[Round]
    proof: str | None
    proof_holds: bool
    target: str | None
    target_notes: list[str]
    target_key: str | None
    proven: int

    @classmethod
    def of(
        cls,
        loop: ApprovalProgress,
        twice: int,
        proof: tuple[str | None, bool],
        asked: AuditResult | None,
    ) -> LoopProgress:
        """Makes one of the engine's, with what the basket holds twice, and the proof of it and of a
        target."""
        basket = sorted(loop.in_basket.items(), key=lambda item: (-item[1], item[0] or ""))
        proven = asked.proof.size if asked is not None and asked.proof is not None else 0
        return cls.like(
            loop,
            in_basket=basket,
            twice=twice,
            rounds=[Round.like(one) for one in loop.rounds],
            proof=proof[0],
            proof_holds=proof[1],
            target=None if asked is None else asked.sentence,
            target_notes=[] if asked is None else asked.notes,
            target_key=None if asked is None else asked.brain_key,
            proven=proven,
        )


class Counted(Reply):
    """What there is to review in the App's view, and how far the loop is."""

    review: Review
    progress: LoopProgress


class ShownLabels(Reply):
    """How many labels the grid shows."""

    shown: int


class Done(Reply):
    """What was done.

    Attributes:
        sentence: says so
        undo: the token that takes it back, null where that is not possible
        anew: whether labels came back that have no patch
        changed: how many labels
    """

    sentence: str
    undo: str | None = None
    anew: bool = False
    changed: int = 0
