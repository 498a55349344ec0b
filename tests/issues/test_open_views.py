"""Label issues in open views of patches: FiftyOne writes a whole label back when one is edited."""

from functools import partial

import pytest
from labelvet.core.errors import InvalidParameter
from labelvet.dataset.documents import samples_of
from labelvet.issues import writing
from labelvet.issues.attributes import ATTRIBUTES, GEOMETRY, ISSUE, REASON, SUSPICION
from labelvet.issues.box_checks import check_boxes
from labelvet.issues.find import find_label_issues
from labelvet.issues.writing import remove_label_issues

ROOT = "labels.detections"


def edit(view, label_id, to):
    """Edits a label in a view of patches, as FiftyOne's App does, and saves it."""
    for patch in view:
        field = patch["labels"]
        for label in getattr(field, "detections", [field]):
            if label.id == label_id:
                label.label = to
                patch.save()
                return
    raise AssertionError("no such patch")


def stored(dataset, label_id):
    for document in samples_of(dataset).find():
        for label in document["labels"]["detections"]:
            if str(label["_id"]) == label_id:
                return label
    raise AssertionError("no such label")


@pytest.fixture(params=["patches", "evaluation patches"])
def opened(request, flipped_labels):
    """A dataset, a view of its patches that is open, and a label that is wrong."""
    dataset, flipped = flipped_labels
    if request.param == "patches":
        return dataset, dataset.to_patches("labels"), flipped[0]
    dataset.clone_sample_field("labels", "truth")
    dataset.evaluate_detections("labels", gt_field="truth", eval_key="e", progress=False)
    return dataset, dataset.to_evaluation_patches("e"), flipped[0]


@pytest.mark.slow
def test_label_issues_outlive_an_edit_in_a_view_that_was_open(opened):
    dataset, view, wrong = opened
    find_label_issues(dataset, "map")
    before = stored(dataset, wrong)
    assert before[ISSUE] == "mislabeled" and before[SUSPICION] > 0.5 and before[REASON]
    edit(view, wrong, "c9")
    after = stored(dataset, wrong)
    assert after["label"] == "c9"
    assert [after[name] for name in ATTRIBUTES if name in before] == [
        before[name] for name in ATTRIBUTES if name in before
    ]


@pytest.mark.slow
def test_removed_label_issues_do_not_come_back_with_an_edit(opened):
    dataset, view, wrong = opened
    find_label_issues(dataset, "map")
    remove_label_issues(dataset)
    edit(view, wrong, "c9")
    after = stored(dataset, wrong)
    assert after["label"] == "c9" and not set(after) & set(ATTRIBUTES)


@pytest.mark.slow
def test_what_is_found_anew_replaces_what_an_open_view_has(opened):
    dataset, view, wrong = opened
    find_label_issues(dataset, "map")
    assert REASON in stored(dataset, wrong)
    right = stored(dataset, wrong)["suggested_label"]
    for sample in dataset:
        for label in sample.labels.detections:
            if label.id == wrong:
                label.label = right
        sample.save()
    find_label_issues(dataset, "map")
    before = stored(dataset, wrong)
    assert before[SUSPICION] < 0.2 and REASON not in before
    edit(view, wrong, "c9")
    assert {**stored(dataset, wrong), "label": right} == before


@pytest.mark.slow
def test_checked_boxes_outlive_an_edit_in_a_view_that_was_open(opened):
    dataset, view, wrong = opened
    for sample in dataset:
        for label in sample.labels.detections:
            if label.id == wrong:
                label.bounding_box = [-0.5, -0.5, 0.2, 0.2]
        sample.save()
    check_boxes(dataset, "labels")
    before = stored(dataset, wrong)[GEOMETRY]
    assert before
    edit(view, wrong, "c9")
    assert stored(dataset, wrong)[GEOMETRY] == before


@pytest.mark.slow
def test_of_two_calls_at_once_one_writes(flipped_labels, monkeypatch):
    dataset, _ = flipped_labels
    write, refused = writing.write_attributes, []

    def write_meanwhile(*args):
        if not refused:
            for other in (partial(find_label_issues, brain_key="map"), remove_label_issues):
                with pytest.raises(InvalidParameter, match="are being written or removed here"):
                    refused.append(other(dataset))
                refused.append(other)
        write(*args)

    monkeypatch.setattr(writing, "_PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr(writing, "write_attributes", write_meanwhile)
    find_label_issues(dataset, "map")
    assert len(refused) == 2 and None not in dataset.values(f"{ROOT}.suspicion", unwind=True)
    assert find_label_issues(dataset, "map").checked == 120
