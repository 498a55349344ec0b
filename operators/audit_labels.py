"""*How many labels are wrong?* and *Approve to a target*: the forms, and a call into the proof."""

from __future__ import annotations

from typing import Any

import fiftyone.operators.types as types

from ..approval.candidates import find_candidates
from ..core.errors import LabelvetError
from ..dataset.brain_runs import first_field_notes, run_field
from ..proof.audits import (
    DEFAULT_CONFIDENCE,
    DEFAULT_PLANNED,
    DEFAULT_TWICE,
    begin_audit,
    current_audit,
)
from ..proof.proven_basket import fill_basket
from ..proof.results import read_result
from .form_operator import FormOperator
from .forms import nothing, one_of, problem, run_input

_ASK = (
    "In the review of *Label embeddings*, press **q**, then **a**, and answer with the usual keys."
)
_ASKED = "The audit is of this visualization's labels, and needs their label issues"
_AUDIT = {"go on": "Continue the current audit", "restart": "Start a new one"}
_STEPS = {
    "ask": "Start asking for answers (replaces the current target)",
    "fill": "Fill the basket with the proven set (replaces what is in it)",
}


class AuditLabels(FormOperator):
    """Begins an audit of the labels of a visualization, or says what it says."""

    name = "audit_labels"
    label = "How many labels are wrong?"
    description = "Estimate how many labels are wrong from a random sample, with an interval"
    icon = "percent"

    def fill(self, ctx: Any, inputs: types.Object) -> None:
        key = run_input(ctx, inputs, _ASKED, "is asked about")
        if key is None:
            return
        restart = one_of(ctx, inputs, "which", _AUDIT, "Audit") == "restart"
        if restart or not _says(ctx, inputs, key, None):
            _confidence(inputs, "Confidence level of the interval")
            _twice(inputs)
            inputs.int(
                "planned",
                min=1,
                label="Planned answers",
                description="The interval is narrowest after about that many, and holds at any "
                f"time. Leave empty for {DEFAULT_PLANNED}, or a quarter of fewer labels",
            )

    def __call__(
        self,
        dataset: Any,
        brain_key: str,
        restart: bool = False,
        confidence: float = DEFAULT_CONFIDENCE,
        twice: float = DEFAULT_TWICE,
        *,
        planned: int | None = None,
    ) -> Any:
        """Begins an audit, or goes on with the one that there is.

        Args:
            dataset: the dataset
            brain_key: a visualization whose label issues were found
            restart: whether to start a new audit in place of the current one
            confidence: of a new one, how sure its bounds are to hold
            twice: of a new one, the share of the labels that are asked a second time
            planned: of a new one, about how many answers there will be, None for the default

        Returns:
            a :class:`labelvet.proof.results.AuditResult`

        Raises:
            LabelvetError: if label issues were not looked for, or an argument cannot be used
        """
        audit = None if restart else current_audit(dataset, brain_key)
        if audit is None or audit.target is not None:
            audit = begin_audit(dataset, brain_key, confidence, twice=twice, planned=planned)
        return read_result(dataset, audit)

    def execute(self, ctx: Any) -> dict[str, Any]:
        params = ctx.params
        result = self(
            ctx.dataset,
            params["brain_key"],
            params.get("which") == "restart",
            params.get("confidence", 100 * DEFAULT_CONFIDENCE) / 100,
            params.get("twice", 100 * DEFAULT_TWICE) / 100,
            planned=params.get("planned"),
        )
        only = first_field_notes(ctx.dataset, params["brain_key"], "is asked about")
        lines = [result.sentence, *result.notes, *only, _ASK]
        return {"summary": "\n\n".join(lines)}


class ApproveToTarget(FormOperator):
    """Asks what proves that labels are right, and makes the basket the largest such set."""

    name = "approve_to_target"
    label = "Approve to a target"
    description = "Find the largest set of labels that your answers prove to be, say, 98% right"
    icon = "workspace_premium"

    def fill(self, ctx: Any, inputs: types.Object) -> None:
        key = run_input(ctx, inputs, _ASKED, "is asked about")
        if key is None:
            return
        if (field := run_field(ctx.dataset, key)) is not None:
            try:
                find_candidates(ctx.dataset, field)
            except LabelvetError as error:
                problem(inputs, error)
                return
        step = one_of(ctx, inputs, "step", _STEPS, "Step")
        goes_on = _says(ctx, inputs, key, True)
        if step == "fill":
            if not goes_on:
                nothing(inputs, "none", "Choose 'Start asking for answers' first")
            return
        _percent(inputs, "target", 98, "Target, %", "The share of labels that must be right")
        _confidence(inputs, "Confidence level of the proof")
        inputs.bool(
            "per_class",
            default=False,
            label="In each class",
            description="Each class meets the target by itself; it takes more answers",
        )

    def __call__(
        self,
        dataset: Any,
        brain_key: str,
        target: float = 0.98,
        confidence: float = DEFAULT_CONFIDENCE,
        per_class: bool = False,
    ) -> Any:
        """Begins to ask for the answers that prove a set of labels.

        :func:`labelvet.proof.proven_basket.fill_basket` makes the basket of what is proven.

        Args:
            dataset: the dataset
            brain_key: a visualization whose label issues were found
            target: the share of the labels that should be right
            confidence: how sure that is to hold
            per_class: whether each class is to meet the target by itself

        Returns:
            a :class:`labelvet.proof.results.AuditResult`

        Raises:
            LabelvetError: if label issues were not looked for, or an argument cannot be used
        """
        audit = begin_audit(dataset, brain_key, confidence, target=target, per_class=per_class)
        return read_result(dataset, audit)

    def execute(self, ctx: Any) -> dict[str, Any]:
        params = ctx.params
        if params.get("step") == "fill":
            done = fill_basket(ctx.dataset, current_audit(ctx.dataset, params["brain_key"]))
            ctx.ops.reload_samples()
            return {"summary": f"{done.sentence}\n\nThey are in the basket of *Auto Labeling*."}
        result = self(
            ctx.dataset,
            params["brain_key"],
            params.get("target", 98) / 100,
            params.get("confidence", 100 * DEFAULT_CONFIDENCE) / 100,
            bool(params.get("per_class")),
        )
        only = first_field_notes(ctx.dataset, params["brain_key"], "is asked about")
        lines = [result.sentence, *only, _ASK]
        return {"summary": "\n\n".join(lines)}


def _confidence(inputs: types.Object, about: str) -> None:
    _percent(inputs, "confidence", 100 * DEFAULT_CONFIDENCE, "Confidence, %", about)


def _twice(inputs: types.Object) -> None:
    inputs.float(
        "twice",
        default=100 * DEFAULT_TWICE,
        min=0,
        max=50,
        required=True,
        label="Asked twice, %",
        description="Of another reviewer, to see how far answers agree; 0 for none",
        view=types.FieldView(space=6),
    )


def _percent(inputs: types.Object, name: str, default: float, label: str, about: str) -> None:
    inputs.float(
        name,
        default=default,
        min=50,
        max=99.9,
        required=True,
        label=label,
        description=about,
        view=types.FieldView(space=6),
    )


def _says(ctx: Any, inputs: types.Object, key: str, target: bool | None) -> bool:
    """Shows what the audit that goes on says; returns whether there is one of this kind."""
    try:
        audit = current_audit(ctx.dataset, key)
        if audit is None or (audit.target is not None) != bool(target):
            return False
        sentence = read_result(ctx.dataset, audit).sentence
    except LabelvetError as error:
        problem(inputs, error)
        return False
    inputs.view("preview", types.Notice(label=sentence))
    return True
