"""*Update visualization* as Python, a worker and the App's form see it."""

from __future__ import annotations

from threading import enumerate as enumerate_threads

import fiftyone as fo
import fiftyone.operators as foo
import numpy as np
import pytest
from fiftyone import ViewField as F
from fiftyone.operators.executor import ExecutionContext, ExecutionError
from labelvet import compute_visualization
from labelvet.issues.find import find_label_issues
from labelvet.operators.update_visualization import COMPARING, UpdateVisualization
from labelvet.visualization import update

compare = update._compare
URI = "@labelvet/labelvet/update_visualization"


@pytest.fixture
def dataset(make_dataset, tmp_path):
    """Five images with four labels each, whose embeddings are in a field, and their map."""
    dataset = make_dataset()
    for number in range(5):
        sample = fo.Sample(filepath=str(tmp_path / f"{number}.jpg"))
        sample["boxes"] = fo.Detections(detections=[label(number, i) for i in range(4)])
        dataset.add_sample(sample, dynamic=True)
    compute_visualization(dataset, "boxes", "map", embeddings="embedding", method="pca")
    return dataset


def label(number, i):
    box = [0.1 * i, 0.1 * number, 0.2, 0.2]
    vector = np.random.default_rng(100 * number + i).random(8)
    return fo.Detection(label="a", bounding_box=box, embedding=vector)


def add_labels(dataset, count):
    sample = dataset.first()
    sample.boxes.detections += [label(9, i) for i in range(count)]
    sample.save()


def form(dataset, **params):
    request = {"dataset_name": dataset.name, "params": params, "view": []}
    ctx = ExecutionContext(request_params=request)
    return UpdateVisualization().resolve_input(ctx).type.properties


def join_comparing():
    for thread in [one for one in enumerate_threads() if one.name == COMPARING]:
        thread.join()


def test_the_form_tells_what_has_changed(dataset):
    assert [c.value for c in form(dataset)["brain_key"].view.choices] == ["map"]
    unchanged = form(dataset, brain_key="map")["changes"]
    assert unchanged.invalid and "Nothing has changed" in unchanged.view.label
    add_labels(dataset, 2)
    dataset.delete_labels(ids=[dataset.last().boxes.detections[0].id])
    changes = form(dataset, brain_key="map")["changes"]
    assert not changes.invalid
    assert changes.view.label == "2 new, 1 deleted; 19 points as before."
    add_labels(dataset, 4)
    assert "More than a fifth" in form(dataset, brain_key="map")["changes"].view.label


def test_the_form_compares_once_until_the_labels_change(dataset, monkeypatch):
    compared = []

    def count(run):
        compared.append(1)
        return compare(run)

    monkeypatch.setattr(update, "_compare", count)
    monkeypatch.setattr(update, "_RECENT_SECONDS", 1e9)
    for device in ("cpu", "cuda", ""):
        assert "Nothing has" in form(dataset, brain_key="map", device=device)["changes"].view.label
    assert len(compared) == 1
    add_labels(dataset, 2)
    assert form(dataset, brain_key="map")["changes"].view.label == "2 new; 20 points as before."
    assert len(compared) == 2
    # an image file that was replaced is no write to the database
    monkeypatch.setattr(update, "_RECENT_SECONDS", 1e-6)
    form(dataset, brain_key="map")
    assert len(compared) == 3


def test_what_is_chosen_first_is_compared_while_the_form_waits(dataset, monkeypatch):
    compared = []
    monkeypatch.setattr(update, "_compare", lambda run: compared.append(1) or compare(run))
    monkeypatch.setattr(update, "_RECENT_SECONDS", 1e9)
    add_labels(dataset, 1)
    assert "changes" not in form(dataset)
    join_comparing()
    assert compared == [1]
    assert form(dataset, brain_key="map")["changes"].view.label == "1 new; 20 points as before."
    assert compared == [1]
    dataset.clear_sample_field("boxes")
    form(dataset)  # what goes wrong is told to whoever chooses it
    join_comparing()


def test_the_form_says_what_cannot_be_updated(dataset, make_dataset):
    assert form(make_dataset())["none"].invalid
    dataset.clear_sample_field("boxes")
    prop = form(dataset, brain_key="map")["brain_key"]
    assert prop.invalid and "no labels" in prop.error_message


def test_a_field_of_its_view_that_is_gone_is_named(dataset):
    dataset.clone_sample_field("boxes", "other")
    view = dataset.filter_labels("other", F("label") == "a")
    compute_visualization(view, "boxes", "of_view", embeddings="embedding", method="pca")
    dataset.delete_sample_field("other")
    prop = form(dataset, brain_key="of_view")["brain_key"]
    assert prop.invalid and "no field 'other'" in prop.error_message
    assert find_label_issues(dataset, "of_view").checked == 20  # it needs no view


def test_it_runs_from_python_and_delegated(dataset):
    from fiftyone.operators.delegated import DelegatedOperationService

    update_visualization = foo.get_operator(URI)
    add_labels(dataset, 1)
    update_visualization(dataset, "map")
    dataset.reload()
    assert len(dataset.load_brain_results("map", cache=False).points) == 21
    add_labels(dataset, 1)
    service = DelegatedOperationService()
    update_visualization(dataset, "map", delegate=True)
    (queued,) = service.list_operations(operator=URI, dataset_name=dataset.name)
    service.execute_queued_operations(dataset_name=dataset.name)
    (done,) = service.list_operations(operator=URI, dataset_name=dataset.name)
    assert done.id == queued.id and str(done.run_state) == "completed", done.result
    assert done.status.progress == pytest.approx(1.0)
    dataset.reload()
    assert len(dataset.load_brain_results("map", cache=False).points) == 22
    service.delete_operation(done.id)


def test_faults_are_raised_in_python(dataset):
    with pytest.raises(ExecutionError, match="absent"):
        foo.get_operator(URI)(dataset, "absent")
