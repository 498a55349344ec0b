"""The operator as Python and as a delegated run call it, and the form as the App shows it."""

from __future__ import annotations

from threading import Event

import fiftyone as fo
import fiftyone.operators as foo
import numpy as np
import pytest
from fiftyone.operators.executor import ExecutionContext, ExecutionError
from labelvet.maps.map import load_map
from labelvet.operators.compute_visualization import ComputeVisualization
from PIL import Image

URI = "@labelvet/labelvet/compute_visualization"


@pytest.fixture
def dataset(make_dataset, tmp_path):
    """Six small pictures with two boxes each."""
    dataset = make_dataset()
    rng = np.random.default_rng(0)
    for number in range(6):
        path = tmp_path / f"{number}.png"
        Image.fromarray(rng.integers(0, 255, (48, 64, 3), dtype=np.uint8)).save(path)
        boxes = [[0.1, 0.1, 0.3, 0.5], [0.5, 0.2, 0.4, 0.6]]
        dataset.add_sample(
            fo.Sample(
                filepath=str(path),
                predictions=fo.Detections(
                    detections=[fo.Detection(label="a", bounding_box=b) for b in boxes]
                ),
                note="words",
            )
        )
    return dataset


def form(dataset, view=None, **params):
    """Returns the form's inputs by name, with ``invalid`` and ``error_message`` set."""
    request = {"dataset_name": dataset.name, "params": params, "view": []}
    if view is not None:
        request["view"] = view._serialize()
    ctx = ExecutionContext(request_params=request)
    return ComputeVisualization().resolve_input(ctx).type.properties


def test_the_form_asks_for_a_key_and_offers_the_fields(dataset):
    inputs = form(dataset)
    assert [n for n in inputs if n != "view_target"][:2] == ["brain_key", "patches_field"]
    assert [c.value for c in inputs["patches_field"].view.choices] == ["predictions"]
    assert inputs["brain_key"].required and not inputs["patches_field"].required
    assert inputs["model"].default == "efficientnet-lite0"
    assert inputs["estimate"].view.label == "6 images will be embedded"


@pytest.mark.slow
def test_the_form_takes_further_fields_on_the_same_map(dataset):
    assert "other_fields" not in form(dataset, patches_field="predictions")
    dataset.clone_sample_field("predictions", "truth")
    assert "other_fields" not in form(dataset)
    chosen = {"patches_field": "truth", "other_fields": ["predictions"]}
    inputs = form(dataset, **chosen, advanced=True, similarity_key="index", spatial_index=True)
    assert [choice.value for choice in inputs["other_fields"].view.choices] == ["predictions"]
    assert inputs["estimate"].view.label == "24 patches in 6 images will be embedded"
    refused = [name for name, prop in inputs.items() if prop.invalid]
    assert refused == ["spatial_index", "similarity_key"]
    assert {"similarity_key", "spatial_index"}.isdisjoint(form(dataset, **chosen, advanced=True))
    gone = form(dataset, patches_field="truth", other_fields=["gone"])
    assert "There is no field 'gone'" in gone["other_fields"].error_message
    compute = foo.get_operator(URI)
    compute(dataset, "both", patches_field=["truth", "predictions"], method="pca")
    assert load_map(dataset, "both").info.fields == ("truth", "predictions")


def test_the_form_names_classes_of_whole_images(dataset):
    dataset.set_values("weather", [fo.Classification(label="sun")] * 4 + [None] * 2)
    inputs = form(dataset, patches_field="weather")
    labels = [choice.label for choice in inputs["patches_field"].view.choices]
    assert labels == ["predictions", "weather (classes of whole images)"]
    assert inputs["estimate"].view.label == "4 labels of 6 images will be embedded"


def test_the_form_offers_a_background_where_labels_may_have_an_outline(dataset):
    dataset.set_values("weather", [fo.Classification(label="sun")] * 6)
    dataset.set_values("lanes", [fo.Polyline(points=[[(0, 0), (1, 1)]])] * 6)
    offered = {
        field: {"background", "upright"} & set(form(dataset, patches_field=field, advanced=True))
        for field in (None, "predictions", "weather", "lanes")
    }
    assert offered == {
        None: set(), "predictions": {"background"}, "weather": set(),
        "lanes": {"background", "upright"},
    }  # fmt: skip
    choices = form(dataset, patches_field="lanes", advanced=True)["background"].view.choices
    assert [choice.value for choice in choices] == ["kept", "dimmed", "removed"]


def test_the_form_counts_patches(dataset):
    inputs = form(dataset, patches_field="predictions")
    assert inputs["estimate"].view.label == "12 patches in 6 images will be embedded"
    inputs = form(dataset, dataset.limit(2), patches_field="predictions")
    assert inputs["estimate"].view.label == "4 patches in 2 images will be embedded"
    inputs = form(dataset, dataset.to_patches("predictions"), patches_field="predictions")
    assert inputs["estimate"].view.label == "12 patches in 6 images will be embedded"
    nothing = dataset.filter_labels("predictions", fo.ViewField("label") == "b")
    inputs = form(dataset, nothing, patches_field="predictions")
    assert inputs["nothing"].invalid


@pytest.mark.parametrize(
    ("key", "problem"),
    [("1st", "start with a digit"), ("a b", "letters"), ("", None), ("fine_1", None)],
)
def test_the_form_checks_the_key_as_it_is_typed(dataset, key, problem):
    prop = form(dataset, brain_key=key)["brain_key"]
    assert prop.invalid == (problem is not None)
    assert problem is None or problem in prop.error_message


def test_the_form_asks_before_it_overwrites(dataset):
    import labelvet

    labelvet.compute_visualization(dataset, "predictions", "taken", method="pca", model="resnet18",
                                   embeddings=np.random.default_rng(0).random((12, 8)))  # fmt: skip
    inputs = form(dataset, brain_key="taken")
    assert inputs["brain_key"].invalid
    assert "overwrite_brain_key" in inputs
    assert not form(dataset, brain_key="taken", overwrite_brain_key=True)["brain_key"].invalid


@pytest.mark.slow
@pytest.mark.parametrize("consent", ["overwrite_brain_key", "overwrite_similarity_key"])
def test_consent_to_overwrite_one_key_is_none_to_overwrite_the_other(dataset, consent):
    compute = foo.get_operator(URI)
    params = {"patches_field": "predictions", "method": "pca", "similarity_key": "index"}
    compute(dataset, "map", **params)
    dataset.reload()
    kept = {key: dataset.get_brain_info(key).timestamp for key in ("map", "index")}
    with pytest.raises(ExecutionError, match="in use"):
        compute(dataset, "map", **params, **{consent: True})
    dataset.reload()
    assert kept == {key: dataset.get_brain_info(key).timestamp for key in ("map", "index")}
    both = {"overwrite_brain_key": True, "overwrite_similarity_key": True}
    compute(dataset, "map", **params, **both)
    dataset.reload()
    assert all(dataset.get_brain_info(key).timestamp > at for key, at in kept.items())


@pytest.mark.parametrize("method", ["umap", "tsne", "pca"])
def test_advanced_shows_the_parameters_of_the_method(dataset, method):
    plain = form(dataset, method=method)
    advanced = form(dataset, method=method, advanced=True)
    assert set(plain) < set(advanced)
    assert ("num_neighbors" in advanced) == (method == "umap")
    assert ("perplexity" in advanced) == (method == "tsne")
    assert {"device", "batch_size", "num_workers", "similarity_key"} < set(advanced)


@pytest.mark.slow
def test_runs_from_python(dataset):
    compute_visualization = foo.get_operator(URI)
    compute_visualization(dataset, "map", patches_field="predictions", method="pca")
    assert len(dataset.load_brain_results("map").points) == 12
    compute_visualization(dataset.limit(2), "small", method="pca", num_dims=2)
    assert len(dataset.load_brain_results("small").points) == 2


def test_a_map_is_told_of_where_its_label_issues_are_cancelled(dataset):
    params = {"brain_key": "map", "patches_field": "predictions", "method": "pca"}
    request = {"dataset_name": dataset.name, "view": []}
    ctx = ExecutionContext(request_params=request | {"params": params | {"label_issues": True}})
    cancelled = Event()

    def cancel(fraction, line):
        if line.startswith("Reading labels and embeddings"):
            cancelled.set()

    run = ComputeVisualization().call(ctx, cancel, cancelled)
    assert run.notes[-1].startswith("Find label issues was canceled before it finished.")
    assert "nothing was changed" not in " ".join(run.notes)
    dataset.reload()
    assert dataset.list_brain_runs() == ["map"]
    assert dataset.get_field("predictions.detections.suspicion") is None


@pytest.mark.slow
def test_label_issues_on_request(dataset):
    assert "label_issues" in form(dataset, patches_field="predictions")
    assert "label_issues" not in form(dataset)
    compute = foo.get_operator(URI)
    compute(dataset, "map", patches_field="predictions", method="pca", label_issues=True)
    dataset.reload()
    suspicions = dataset.values("predictions.detections.suspicion", unwind=True)
    assert len(suspicions) == 12 and None not in suspicions
    remove = foo.get_operator("@labelvet/labelvet/remove_label_issues")
    remove(dataset)
    dataset.reload()
    assert dataset.get_field("predictions.detections.suspicion") is None
    foo.get_operator("@labelvet/labelvet/find_label_issues")(dataset, "map")
    dataset.reload()
    assert dataset.get_field("predictions.detections.suspicion") is not None


def test_faults_are_raised_in_python(dataset):
    compute_visualization = foo.get_operator(URI)
    with pytest.raises(ExecutionError, match="no field 'nowhere'"):
        compute_visualization(dataset, "map", patches_field="nowhere")
    with pytest.raises(ExecutionError, match=r"brain_key.*digit"):
        compute_visualization(dataset, "1st")
    with pytest.raises(ExecutionError, match="no-such-model"):
        compute_visualization(dataset, "map", model="no-such-model")
    assert dataset.list_brain_runs() == []


def test_runs_delegated_with_progress(dataset):
    from fiftyone.operators.delegated import DelegatedOperationService

    service = DelegatedOperationService()
    foo.execute_operator(
        URI,
        ctx={"dataset": dataset, "request_delegation": True},
        params={"brain_key": "later", "patches_field": "predictions", "method": "pca"},
    )
    (queued,) = service.list_operations(operator=URI, dataset_name=dataset.name)
    assert not dataset.has_brain_run("later")
    service.execute_queued_operations(dataset_name=dataset.name)
    (done,) = service.list_operations(operator=URI, dataset_name=dataset.name)
    assert done.id == queued.id
    assert str(done.run_state) == "completed", done.result
    assert done.status.progress == pytest.approx(1.0)
    dataset.reload()
    assert len(dataset.load_brain_results("later").points) == 12
    service.delete_operation(done.id)


def test_a_delegated_run_that_cannot_succeed_says_why(dataset):
    from fiftyone.operators.delegated import DelegatedOperationService

    service = DelegatedOperationService()
    foo.execute_operator(
        URI,
        ctx={"dataset": dataset, "request_delegation": True},
        params={"brain_key": "later", "patches_field": "predictions", "model": "no-such-model"},
    )
    service.execute_queued_operations(dataset_name=dataset.name)
    (failed,) = service.list_operations(operator=URI, dataset_name=dataset.name)
    assert str(failed.run_state) == "failed"
    assert "no-such-model" in failed.result.error
    assert not dataset.has_brain_run("later")
    service.delete_operation(failed.id)
