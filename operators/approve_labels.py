"""*Approve labels*: by confidence and class, into ground truth, in one go."""

from __future__ import annotations

from typing import Any

import fiftyone as fo
import fiftyone.operators.types as types

from ..approval.approve import Approved, approve
from ..approval.basket import add_labels
from ..approval.candidates import Selection, find_candidates, read_candidates
from ..approval.rules import RULES
from ..approval.undo import undo
from ..core.errors import LabelvetError
from ..core.sentences import count
from ..dataset.label_counts import list_classes
from ..dataset.storage import stored_name
from .form_operator import FormOperator
from .forms import count_in_states, field_input, one_of, problem, several


class ApproveLabels(FormOperator):
    """Copies labels of the target view into ground truth, with where they came from."""

    name = "approve_labels"
    label = "Approve labels"
    description = "Copy labels into ground truth, by confidence and class"
    icon = "verified"

    def fill(self, ctx: Any, inputs: types.Object) -> None:
        inputs.view_target(ctx, action_description="Approve labels of")
        view = ctx.target_view()
        field = field_input(ctx, inputs, view, "The labels to approve")
        if field is not None:
            half = types.FieldView(space=6)
            inputs.float("min_confidence", label="Minimum confidence", min=0, max=1, view=half)
            inputs.float("max_confidence", label="Maximum confidence", min=0, max=1, view=half)
            several(inputs, "classes", list_classes(view, field), "Classes", "Leave empty for all")
            inputs.str(
                "into",
                default="ground_truth",
                required=True,
                label="Target field",
                description="A field of the same type; it is created if it does not exist",
            )
            one_of(ctx, inputs, "rule", RULES, "If an object already exists")
            _preview(ctx, inputs, view, field)

    def __call__(
        self,
        sample_collection: Any,
        field: str,
        into: str,
        *,
        min_confidence: float | None = None,
        max_confidence: float | None = None,
        classes: list[str] | None = None,
        rule: str = "keep",
    ) -> Approved:
        """Approves labels of a collection; flagged and rejected ones stay out.

        Example::

            approve_labels = foo.get_operator("@labelvet/labelvet/approve_labels")
            done = approve_labels(view, "predictions", "ground_truth", min_confidence=0.8)
            labelvet.approval.undo.undo(dataset, done.token)

        Args:
            sample_collection: a dataset or view
            field: a field of labels
            into: the field of ground truth, of the same type; it is made where there is none
            min_confidence: the lowest confidence, None for any
            max_confidence: the highest confidence, None for any
            classes: the classes, None for all
            rule: what to do if an object already exists: "keep" it, "replace" it, or "refuse"

        Raises:
            LabelvetError: if an argument cannot be used, or no labels match
        """
        selection = Selection((min_confidence, max_confidence), classes)
        candidates = find_candidates(
            sample_collection._root_dataset, stored_name(sample_collection, field)
        )
        chosen = add_labels(candidates, selection, sample_collection)
        try:
            return approve(candidates, into, rule)
        except LabelvetError:
            undo(candidates.dataset, chosen.token)  # what was refused does not stay in the basket
            raise

    def execute(self, ctx: Any) -> dict[str, Any]:
        params = ctx.params
        done = self(
            ctx.target_view(),
            params["field"],
            params["into"],
            min_confidence=params.get("min_confidence"),
            max_confidence=params.get("max_confidence"),
            classes=params.get("classes") or None,
            rule=params.get("rule", "keep"),
        )
        if not ctx.delegated:
            ctx.ops.reload_dataset()
        return {"summary": done.sentence, "approved": done.approved, "undo": done.token}


def _preview(ctx: Any, inputs: types.Object, view: Any, field: str) -> None:
    params = ctx.params
    bounds = params.get("min_confidence"), params.get("max_confidence")
    try:
        candidates = find_candidates(ctx.dataset, stored_name(view, field))
        selection = Selection(bounds, params.get("classes") or None)
        if isinstance(view, fo.Dataset):
            number = count_in_states(candidates, ["open"], selection)
        else:  # a view may show other values of a label than those that are approved
            number = len(read_candidates(candidates, selection, "open", view)[1])
        waiting = count_in_states(candidates, ["basket"])
    except LabelvetError as error:
        problem(inputs, error)
        return
    if not number:
        inputs.view("preview", types.Warning(label="No labels to review match")).invalid = True
        return
    also = f", and {waiting:,} from the basket" if waiting else ""
    line = f"{count(number, 'label')} will be approved{also}"
    inputs.view("preview", types.Notice(label=line))
