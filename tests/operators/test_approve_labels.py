import fiftyone as fo
import fiftyone.operators as foo
import pytest
from fiftyone import ViewField as F
from fiftyone.operators.executor import ExecutionContext, Executor
from labelvet.approval.undo import undo
from labelvet.core.errors import InvalidParameter
from labelvet.operators.approve_labels import ApproveLabels

URI = "@labelvet/labelvet/approve_labels"


def form(dataset, **params):
    request = {"dataset_id": str(dataset._doc.id), "params": params}
    context = ExecutionContext(request, executor=Executor())
    return ApproveLabels().resolve_input(context).to_json()


@pytest.mark.slow
def test_labels_are_approved_by_confidence_and_class(judged):
    approve_labels = foo.get_operator(URI)
    view = judged.match(F("checked") == True)  # noqa: E712
    done = approve_labels(view, "predictions", "truth", min_confidence=0.2, classes=["cat"])
    judged.reload()
    assert done.approved == judged.count("truth.detections") == 5
    assert "5 labels went back" in undo(judged, done.token)
    with pytest.raises(InvalidParameter, match="No labels in the current view"):
        approve_labels(judged, "predictions", "truth", min_confidence=0.99)


def test_what_is_refused_leaves_nothing_in_the_basket(judged):
    approve_labels = foo.get_operator(URI)
    approve_labels(judged, "predictions", "truth", min_confidence=0.9)
    for wrong in ({"rule": "any"}, {"into": "predictions"}, {"max_confidence": 10**400}):
        with pytest.raises(InvalidParameter):
            approve_labels(judged, "predictions", **{"into": "truth", **wrong})
        assert "for-approval" not in judged.count_label_tags("predictions")


@pytest.mark.slow
def test_a_field_that_samples_and_frames_have_is_that_of_the_view(make_dataset):
    video = fo.Sample("/a.mp4", both=fo.Detections(detections=[fo.Detection(label="video")]))
    video.frames[1] = fo.Frame(filepath="/1.jpg")
    video.frames[1]["both"] = fo.Detections(
        detections=[fo.Detection(label="frame", bounding_box=[0.1, 0.1, 0.2, 0.2])]
    )
    videos = make_dataset()
    videos.add_sample(video)
    done = foo.get_operator(URI)(videos.to_frames(), "both", "truth")
    assert done.approved == 1
    assert videos.values("frames.truth.detections.label", unwind=True) == ["frame"]


def test_the_form_says_how_many(judged):
    about = {"field": "predictions", "into": "truth", "rule": "keep"}
    assert "16 labels will be approved" in str(form(judged, **about, classes=["cat"]))
    assert "No labels to review match" in str(form(judged, **about, min_confidence=1.0))
    assert "8 labels will be approved" in str(form(judged, **{**about, "field": "weather"}))
    assert "swap them" in str(form(judged, **about, min_confidence=0.9, max_confidence=0.1))


def test_the_operator_executes(judged):
    request = {
        "dataset_id": str(judged._doc.id),
        "params": {"field": "predictions", "into": "truth", "target": "DATASET"},
    }
    result = ApproveLabels().execute(ExecutionContext(request, executor=Executor()))
    assert result["approved"] == 24 and "24 labels approved into 'truth'" in result["summary"]
