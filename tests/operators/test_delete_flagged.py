"""*Delete flagged*: the count, the question, and what brings the labels back."""

from __future__ import annotations

import fiftyone as fo
import pytest
from fiftyone.operators.executor import ExecutionContext, Executor
from labelvet.approval.candidates import find_candidates
from labelvet.approval.finalize import remove_turned_down
from labelvet.approval.undo import undo
from labelvet.core.errors import InvalidParameter
from labelvet.dataset.patches import list_comparable_fields
from labelvet.operators import (
    ApproveLabels,
    CheckBoxes,
    ComputeVisualization,
    DeleteFlagged,
    MergeClasses,
    TagLabels,
)

FIELD = "predictions"


@pytest.fixture
def turned_down(judged):
    """Of 24 predictions 5 are flagged and 2 are rejected."""
    ids = judged.values(f"{FIELD}.detections.id", unwind=True)
    judged.select_labels(ids=ids[:5], fields=FIELD).tag_labels("needs-review", FIELD)
    judged.select_labels(ids=ids[5:7], fields=FIELD).tag_labels("rejected", FIELD)
    return judged, ids


def context(dataset, **params):
    request = {"dataset_name": dataset.name, "params": params}
    return ExecutionContext(request, executor=Executor())


def asked(dataset, **params):
    """What the form asks, and whether it can be executed."""
    inputs = DeleteFlagged().resolve_input(context(dataset, **params)).to_json()
    parts = inputs["type"]["properties"]
    return parts, not any(part.get("invalid") for part in parts.values())


def choices(operator, dataset, **params):
    """The fields that a form offers, and the one that it has at first."""
    parts = operator.resolve_input(context(dataset, **params)).to_json()["type"]["properties"]
    name = "patches_field" if "patches_field" in parts else "field"
    offered = [choice["value"] for choice in parts[name]["view"]["choices"]]
    return offered, parts[name]["default"]


def test_no_form_offers_the_field_of_what_was_removed(turned_down):
    dataset, _ = turned_down
    remove_turned_down(find_candidates(dataset, FIELD))
    assert dataset.has_sample_field(f"{FIELD}_removed")
    dataset.delete_sample_field("weather")
    for operator in (DeleteFlagged, ApproveLabels, TagLabels, MergeClasses, CheckBoxes):
        assert choices(operator(), dataset) == ([FIELD], FIELD)
    assert choices(ComputeVisualization(), dataset)[0] == [FIELD]
    assert list_comparable_fields(dataset, FIELD) == []
    assert find_candidates(dataset, f"{FIELD}_removed").field == f"{FIELD}_removed"


@pytest.mark.slow
def test_nor_that_of_frames(make_dataset):
    dataset, sample = make_dataset(), fo.Sample("/one.mp4")
    box = fo.Detection(label="cat", bounding_box=[0.1, 0.1, 0.5, 0.5], tags=["needs-review"])
    sample.frames[1] = fo.Frame(det=fo.Detections(detections=[box]))
    dataset.add_sample(sample)
    remove_turned_down(find_candidates(dataset, "frames.det"))
    assert dataset.has_frame_field("det_removed")
    assert choices(DeleteFlagged(), dataset)[0] == ["det"]
    assert choices(MergeClasses(), dataset)[0] == ["frames.det"]
    assert choices(CheckBoxes(), dataset)[0] == ["frames.det"]


def left(dataset):
    dataset.reload()
    return dataset.values(f"{FIELD}.detections.id", unwind=True)


@pytest.mark.parametrize(
    "which, first, number", [("flagged", 0, 5), ("rejected", 5, 2), ("both", 0, 7)]
)
def test_what_was_turned_down_goes_and_comes_back(turned_down, which, first, number):
    dataset, ids = turned_down
    parts, valid = asked(dataset, field=FIELD, which=which)
    (choice,) = parts["agreed"]["view"]["choices"]
    assert valid and choice["label"] == f"Delete {number} labels from 'predictions'"
    done = DeleteFlagged().execute(context(dataset, field=FIELD, which=which, agreed=str(number)))
    assert done["removed"] == number and done["summary"].startswith(f"{number} labels removed")
    assert left(dataset) == ids[:first] + ids[first + number :]
    undo(dataset, done["undo"])
    assert sorted(left(dataset)) == sorted(ids)


def test_a_count_that_changed_is_asked_about_again(turned_down):
    dataset, ids = turned_down
    dataset.select_labels(ids=ids[10:11], fields=FIELD).tag_labels("needs-review", FIELD)
    with pytest.raises(InvalidParameter, match="6 labels are flagged now, not 5"):
        DeleteFlagged().execute(context(dataset, field=FIELD, which="flagged", agreed="5"))
    with pytest.raises(InvalidParameter, match="not 0"):
        DeleteFlagged().execute(context(dataset, field=FIELD, which="flagged"))
    assert left(dataset) == ids


def test_where_nothing_matches_nothing_can_be_deleted(judged):
    parts, valid = asked(judged, field=FIELD, which="rejected")
    assert not valid and parts["none"]["view"]["label"] == "No labels match"
    with pytest.raises(InvalidParameter, match="no label is flagged or rejected"):
        remove_turned_down(find_candidates(judged, FIELD))
    with pytest.raises(InvalidParameter, match="flagged or rejected"):
        remove_turned_down(find_candidates(judged, FIELD), ("approved",))
