"""*Find label issues*: what its form offers, and says where it cannot be run."""

from __future__ import annotations

from fiftyone.operators.executor import ExecutionContext, Executor
from labelvet.operators import FindLabelIssues


def form(dataset, **params):
    request = {"dataset_name": dataset.name, "params": params}
    context = ExecutionContext(request, executor=Executor())
    return FindLabelIssues().resolve_input(context).type.properties


def test_a_map_whose_labels_were_renamed_is_refused_in_the_form(judged):
    judged.clone_sample_field("predictions", "others")
    offered = form(judged, brain_key="ours")["second_fields"].view.choices
    assert [choice.value for choice in offered] == ["others"]
    judged.rename_sample_field("predictions", "renamed")
    said = form(judged, brain_key="ours")["problem"]
    assert said.invalid and "no field 'predictions'" in said.view.label
