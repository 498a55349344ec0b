"""*Delete flagged*: labels that were flagged or rejected leave their field, and can come back."""

from __future__ import annotations

from typing import Any

import fiftyone.operators.types as types

from ..approval.candidates import find_candidates, list_candidate_fields
from ..approval.finalize import TURNED_DOWN, Finalized, remove_turned_down
from ..core.errors import LabelvetError
from ..core.sentences import count
from .form_operator import FormOperator
from .forms import count_in_states, nothing, one_of, problem

_WHICH = {
    "flagged": "Labels tagged needs-review",
    "rejected": "Labels rejected as not an object or not needed",
    "both": "Both",
}


class DeleteFlagged(FormOperator):
    """Removes the labels of a field that were flagged or rejected, in the whole dataset."""

    name = "delete_flagged"
    label = "Delete flagged"
    description = "Remove labels that were flagged or rejected; they can be brought back"
    icon = "delete_sweep"

    def fill(self, ctx: Any, inputs: types.Object) -> None:
        fields = list_candidate_fields(ctx.dataset)
        if not fields:
            nothing(inputs, "no_fields", "This dataset has no field of labels")
            return
        field = one_of(ctx, inputs, "field", {name: name for name in fields}, "Label field")
        which = one_of(ctx, inputs, "which", _WHICH, "Delete")
        try:
            number = count_in_states(find_candidates(ctx.dataset, field), _states(which))
        except LabelvetError as error:
            problem(inputs, error)
            return
        if not number:
            inputs.view("none", types.Notice(label="No labels match")).invalid = True
            return
        agree = types.RadioGroup()
        agree.add_choice(str(number), label=f"Delete {count(number, 'label')} from '{field}'")
        inputs.enum(
            "agreed",
            agree.values(),
            required=True,
            label="Are you sure?",
            description=f"They move to '{field}_removed'. Until Finish deletes them for good, you "
            "can bring them back with What can be undone (the clock icon in Auto Labeling)",
            view=agree,
        )

    def __call__(
        self, dataset: Any, field: str, which: str = "both", agreed: int | None = None
    ) -> Finalized:
        """Removes labels of a field, in the whole dataset.

        Args:
            dataset: the dataset
            field: a field of labels
            which: "flagged", "rejected" or "both"
            agreed: how many labels a person agreed to remove, None for however many

        Raises:
            LabelvetError: if there are none, or another number
        """
        return remove_turned_down(find_candidates(dataset, field), _states(which), agreed)

    def execute(self, ctx: Any) -> dict[str, Any]:
        params = ctx.params
        agreed = int(str(params.get("agreed") or 0))
        done = self(ctx.dataset, params["field"], params.get("which", "flagged"), agreed)
        if not ctx.delegated:
            ctx.ops.reload_dataset()
        return {"summary": done.sentence, "removed": done.removed, "undo": done.token}


def _states(which: str) -> tuple[str, ...]:
    return TURNED_DOWN if which == "both" else (which,)
