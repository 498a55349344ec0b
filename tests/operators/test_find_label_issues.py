"""*Find label issues*: what its form offers, and says where it cannot be run."""

from __future__ import annotations

from fiftyone.operators.executor import ExecutionContext, Executor
from labelvet.operators import ApproveToTarget, AuditLabels, FindLabelIssues, LabelReport


def form(dataset, operator=FindLabelIssues, **params):
    request = {"dataset_name": dataset.name, "params": params}
    context = ExecutionContext(request, executor=Executor())
    return operator().resolve_input(context).type.properties


def test_a_map_whose_labels_were_renamed_is_refused_in_the_form(judged):
    judged.clone_sample_field("predictions", "others")
    offered = form(judged, brain_key="ours")["second_fields"].view.choices
    assert [choice.value for choice in offered] == ["others"]
    judged.rename_sample_field("predictions", "renamed")
    said = form(judged, brain_key="ours")["problem"]
    assert said.invalid and "no field 'predictions'" in said.view.label


def test_what_is_of_the_first_field_of_a_map_says_so(compared):
    for operator in (FindLabelIssues, AuditLabels, ApproveToTarget, LabelReport):
        assert "only" not in form(compared, operator, brain_key="ours")
        said = form(compared, operator, brain_key="both")["only"].view.label
        assert said.startswith("Only 'predictions', the first field of the map, is ")
        assert said.endswith(", not 'truth': compute a visualization of its own for that.")
