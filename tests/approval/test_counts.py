import fiftyone as fo
import numpy as np
import pytest
from bson import ObjectId
from fiftyone import ViewField as F
from hypothesis import given
from hypothesis import strategies as st
from labelvet.approval.candidates import Candidates, Selection, find_candidates, read_candidates
from labelvet.approval.counts import count_candidates
from labelvet.core.errors import UnknownField
from labelvet.dataset.documents import samples_of

FIELD = "predictions"


def open_within(found, low, high):
    """The labels between two edges, as the panel counts them: columns 2 low + 1 to 2 high + 1."""
    return found.open[:, 2 * low + 1 : 2 * high + 2].sum()


def test_classes_are_counted_by_state(predicted):
    first = predicted.first()
    for place, tag in enumerate(["needs-review", "for-approval", "approved", "rejected"]):
        first.predictions.detections[place].tags = [tag]
    first.save()
    found = count_candidates(find_candidates(predicted, FIELD))
    assert found.classes == ("cat", "dog")
    assert found.counts.tolist() == [[1, 0, 1, 0, 10], [0, 1, 0, 1, 10]]
    assert np.allclose(found.confidence, [0.44, 0.48])
    assert found.open.sum() == 20 and found.edges[50] == 0.5


def test_a_label_that_was_flagged_in_the_basket_is_flagged(predicted):
    first = predicted.first()
    first.predictions.detections[0].tags = ["for-approval", "needs-review"]
    first.save()
    found = count_candidates(find_candidates(predicted, FIELD))
    assert found.counts[0].tolist() == [0, 0, 1, 0, 11]


@pytest.mark.parametrize("low, high", [(0, 100), (4, 8), (5, 7), (28, 29), (56, 58), (92, 92)])
def test_a_range_of_edges_counts_what_the_filter_finds(predicted, low, high):
    found = count_candidates(find_candidates(predicted, FIELD))
    confidence = np.array(predicted.values(f"{FIELD}.detections.confidence", unwind=True))
    expected = ((confidence >= low / 100) & (confidence <= high / 100)).sum()
    assert open_within(found, low, high) == expected


@pytest.mark.slow
@given(st.lists(st.floats(-1, 2, width=32) | st.integers(0, 100).map(lambda k: k / 100)))
def test_every_confidence_has_the_column_of_its_place_among_the_edges(dataset_of, values):
    found = count_candidates(dataset_of(values))
    percent = np.mean(np.array(values) > 1.001) > 0.5 if values else False
    edges = np.arange(101) / (1 if percent else 100)
    columns = np.searchsorted(edges, values, "left") + np.searchsorted(edges, values, "right")
    expected = np.bincount(columns.astype(int), minlength=204)
    assert np.array_equal(found.open.sum(axis=0), expected)


@pytest.fixture(scope="module")
def dataset_of():
    import fiftyone as fo

    dataset = fo.Dataset()
    dataset.add_sample(fo.Sample("/a.jpg", predictions=fo.Detections()))

    def of(values):
        label = {"_cls": "Detection", "label": "a", "bounding_box": [0, 0, 1, 1]}
        labels = [{**label, "_id": ObjectId(), "confidence": value} for value in values]
        samples_of(dataset).update_one({}, {"$set": {"predictions.detections": labels}})
        return Candidates(dataset, FIELD)

    yield of
    dataset.delete()


@pytest.mark.parametrize(
    "values, last",
    [([0.2, 0.4, 1.0000001], 1), ([0.2, 57.0, 0.9], 1), ([0.5, 20.0, 99.0], 100), ([20, 1], 1)],
)
def test_a_single_confidence_does_not_say_percent(dataset_of, values, last):
    assert count_candidates(dataset_of(values)).edges[-1] == last


def test_confidences_that_are_endless_count_as_the_filter_finds_them(dataset_of):
    candidates = dataset_of([0.5, np.inf, -np.inf, np.nan, 1e308, 1e308, 0.5])
    found = count_candidates(candidates)
    assert np.isnan(found.confidence).all()  # the sum is beyond every number
    for low, high, columns in ((0.0, None, slice(1, 203)), (None, 0.5, slice(0, 102))):
        chosen = read_candidates(candidates, Selection((low, high)), "open")[1]
        assert len(chosen) == found.open[:, columns].sum()
    assert count_candidates(dataset_of([0.5, np.inf, -np.inf])).confidence.tolist() == [0.5]


def test_labels_without_confidence_or_class_are_counted_apart(predicted):
    first = predicted.first()
    first.predictions.detections[0].confidence = None
    first.predictions.detections[1].confidence = float("nan")
    first.predictions.detections[2].label = None
    first.save()
    found = count_candidates(find_candidates(predicted, FIELD))
    assert found.classes == ("dog", "cat", None)
    assert found.open[:, -1].tolist() == [1, 1, 0]
    assert np.isfinite(found.confidence).all()


@pytest.mark.parametrize("patches", [False, True])
def test_only_what_a_view_shows_is_counted(predicted, patches):
    view = predicted.filter_labels(FIELD, F("label") == "cat").limit(3)
    if patches:
        view = view.to_patches(FIELD)
    found = count_candidates(find_candidates(predicted, FIELD), view)
    assert found.classes == ("cat",) and found.counts.sum() == 6
    nothing = predicted.match(F("filepath") == "none")
    assert count_candidates(find_candidates(predicted, FIELD), nothing).classes == ()


def test_a_run_is_reviewed_alone(predicted):
    assert count_candidates(find_candidates(predicted, FIELD, "first")).counts.sum() == 12
    assert count_candidates(find_candidates(predicted, FIELD, "gone")).classes == ()


def test_fields_that_cannot_be_reviewed_are_refused(predicted):
    predicted.add_sample_field("quality", fo.FloatField)
    predicted.clone_sample_field(FIELD, "other")
    for name in ("quality", "nothing", None, {"$ne": 1}):
        with pytest.raises(UnknownField):
            find_candidates(predicted, name)
    with pytest.raises(UnknownField, match="no labels of 'predictions'"):
        count_candidates(find_candidates(predicted, FIELD), predicted.to_patches("other"))
    predicted.add_sample_field(
        "weather",
        fo.EmbeddedDocumentField,
        embedded_doc_type=fo.Segmentation,
    )
    with pytest.raises(UnknownField, match="'weather' holds semantic segmentation, which has no"):
        find_candidates(predicted, "weather")
