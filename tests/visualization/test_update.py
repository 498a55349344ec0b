"""Updates of a run: what is new is placed, what was deleted leaves, the rest does not move."""

from __future__ import annotations

import threading
from pathlib import Path

import fiftyone as fo
import fiftyone.brain as fob
import fiftyone.brain.visualization as fbv
import numpy as np
import pytest
from alike import add_alike
from fiftyone import ViewField as F
from labelvet import compute_visualization, update_visualization
from labelvet.core.errors import Cancelled, InvalidParameter, NoPatches, StaleRun
from labelvet.dataset.brain_runs import find_run, load_neighbor_graph
from labelvet.dataset.stored_embeddings import load_embeddings
from labelvet.embeddings.crops import CropSettings
from labelvet.embeddings.insertion import place_points
from labelvet.embeddings.neighbors import build_neighbor_graph
from labelvet.embeddings.projection import make_method, project
from labelvet.embeddings.store import DECODED, EmbeddingStore, clear_store
from labelvet.issues.find import find_label_issues
from labelvet.visualization import update as updating
from labelvet.visualization.update import LabelChanges, find_changes
from noise import save_noise
from PIL import Image
from tables import fewest_steps


@pytest.fixture
def boxes(make_dataset, tmp_path, monkeypatch):
    """Ten noisy images with four boxes each, and a store of their own."""
    monkeypatch.setenv("LABELVET_CACHE_DIR", str(tmp_path / "cache"))

    def sample(i):
        path = tmp_path / f"{i}.jpg"
        save_noise(path, i)
        detections = [label(x=0.2 * j, vector=[i, j, 1.0, i * j]) for j in range(4)]
        return fo.Sample(filepath=str(path), boxes=fo.Detections(detections=detections))

    add_alike(dataset := make_dataset(), map(sample, range(10)))
    return dataset


def label(x=0.1, vector=(1.0, 1.0, 1.0, 1.0)):
    return fo.Detection(
        label="a",
        bounding_box=[x, 0.1, 0.2, 0.5],
        confidence=0.5,
        embedding=np.array(vector, dtype=float),
    )


def compute(samples, brain_key="map", **kwargs):
    kwargs.setdefault("method", "pca")
    return compute_visualization(samples, "boxes", brain_key, progress=False, **kwargs).results


def update(samples, brain_key="map", **kwargs):
    return update_visualization(samples, brain_key, progress=False, **kwargs)


def edit(dataset):
    """Adds two labels, moves one, deletes one: their ids."""
    first, second = dataset.head(2)
    added = [label(0.55), label(0.15)]
    first.boxes.detections += added
    moved, deleted = first.boxes.detections[0], second.boxes.detections[1]
    moved.bounding_box = [0.3, 0.3, 0.3, 0.3]
    second.boxes.detections.remove(deleted)
    first.save()
    second.save()
    return [a.id for a in added], moved.id, deleted.id


def by_id(results):
    return dict(zip(results.label_ids.tolist(), results.points, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("method", ["umap", "tsne", "pca"])
@pytest.mark.parametrize("num_dims", [2, 3])
def test_what_is_new_is_placed_and_the_rest_stays(boxes, method, num_dims):
    old = by_id(compute(boxes, method=method, num_dims=num_dims, **fewest_steps(method)))
    run = find_run(boxes, "map")
    added, moved, deleted = edit(boxes)
    assert find_changes(boxes, "map") == LabelChanges(new=2, changed=1, deleted=1, unchanged=38)
    done = update(boxes)
    assert done.changes == LabelChanges(new=2, changed=1, deleted=1, unchanged=38)
    assert find_run(boxes, "map") != run

    boxes._brain_cache.clear()
    boxes.reload()
    results = boxes.load_brain_results("map")
    new = by_id(results)
    assert set(new) == set(old) - {deleted} | set(added)
    assert results.points.shape == (41, num_dims) and np.isfinite(results.points).all()
    for id_ in set(old) - {deleted, moved}:
        assert np.array_equal(new[id_], old[id_])
    assert not np.array_equal(new[moved], old[moved])
    embedded = load_embeddings(boxes, "map")
    graph = load_neighbor_graph(boxes, "map")
    assert np.array_equal(graph.indices, build_neighbor_graph(embedded.vectors, 15).indices)
    assert not find_changes(boxes, "map")
    assert find_run(boxes, "map") == (update(boxes) and find_run(boxes, "map"))


@pytest.mark.slow
def test_a_run_that_is_replaced_while_it_is_read_is_not_mixed_with_the_new_one(boxes, monkeypatch):
    compute(boxes)
    load_record = updating.load_record

    def meanwhile(*args):
        compute(boxes[:2], overwrite=True)
        return load_record(*args)

    with monkeypatch.context() as patched:
        patched.setattr(updating, "load_record", meanwhile)
        with pytest.raises(StaleRun, match="in the meantime: try again"):
            find_changes(boxes, "map")
    assert not find_changes(boxes, "map")


@pytest.mark.slow
def test_what_another_process_updated_is_read_anew(boxes):
    stale = compute(boxes)
    edit(boxes)
    update(boxes)
    boxes._brain_cache["map"] = stale  # this process computed it
    assert find_label_issues(boxes, "map").checked == 41


@pytest.mark.slow
def test_only_what_is_new_is_embedded(boxes, monkeypatch):
    from labelvet.embeddings.torch_backbone import TorchBackbone

    compute(boxes)
    edit(boxes)
    seen = []
    embed = TorchBackbone.embed
    monkeypatch.setattr(
        TorchBackbone, "embed", lambda self, x: seen.append(len(x)) or embed(self, x)
    )
    update(boxes)
    assert sum(seen) == 3
    clear_store()  # what the store has lost is embedded again, and stays where it is
    old = by_id(boxes.load_brain_results("map"))
    boxes.delete_labels(ids=[next(iter(old))])
    assert update(boxes).changes == LabelChanges(new=0, changed=0, deleted=1, unchanged=40)
    assert sum(seen) == 3 + 40


@pytest.mark.slow
def test_a_replaced_image_is_noticed(boxes, monkeypatch):
    compute(boxes)
    Path(boxes.last().filepath).rename(boxes.last().filepath + ".away")
    assert not find_changes(boxes, "map")  # only a worker may see it
    Path(boxes.last().filepath + ".away").rename(boxes.last().filepath)
    Image.new("RGB", (80, 60), "red").save(boxes.first().filepath)
    changes = LabelChanges(new=0, changed=4, deleted=0, unchanged=36)
    assert find_changes(boxes, "map") == changes
    monkeypatch.setattr("labelvet.visualization.update._LOOK_SECONDS", -1.0)
    assert not find_changes(boxes, "map")  # no time to look
    assert update(boxes).changes == changes


@pytest.mark.slow
def test_the_run_keeps_its_view(boxes):
    view = boxes.filter_labels("boxes", F("confidence") > 0.4)
    compute(view)
    first = boxes.first()
    first.boxes.detections += [label(0.5), fo.Detection(label="b", bounding_box=[0, 0, 1, 1],
                                                        confidence=0.1)]  # fmt: skip
    first.save()
    assert find_changes(boxes, "map").new == 1
    assert update(boxes).changes.new == 1
    assert boxes.load_brain_view("map") == view


@pytest.mark.slow
def test_a_spatial_index_follows(boxes, monkeypatch):
    compute(boxes, points_field="at")
    added, _, _ = edit(boxes)
    new = by_id(update(boxes).results)
    stored = dict(
        zip(
            boxes.values("boxes.detections.id", unwind=True),
            [at for ats in boxes.values("boxes.detections.at") for at in ats],
            strict=True,
        )
    )
    np.testing.assert_allclose(stored[added[0]], new[added[0]], atol=1e-5)
    assert boxes.get_brain_info("map").config.points_field == "at"

    def fail(*_args, **_options):
        raise OSError("no space left")

    edit(boxes)
    monkeypatch.setattr(fbv.VisualizationResults, "index_points", fail)
    with pytest.raises(InvalidParameter, match=r"spatial index was not made: no space.*was saved"):
        update(boxes)
    assert not find_changes(boxes, "map")


def test_embeddings_from_elsewhere(boxes):
    compute(boxes, "field", embeddings="embedding")
    compute(boxes, "array", embeddings=np.eye(40))
    fob.compute_visualization(
        boxes, patches_field="boxes", embeddings="embedding", method="pca", brain_key="stock"
    )
    old = by_id(boxes.load_brain_results("stock"))
    added, moved, _ = edit(boxes)
    assert update(boxes, "field").changes == LabelChanges(2, 1, 1, 38)
    # FiftyOne does not keep the boxes, so it cannot be known that one has moved
    assert update(boxes, "stock").changes == LabelChanges(2, 0, 1, 39)
    new = by_id(boxes.load_brain_results("stock"))
    np.testing.assert_allclose(new[moved], old[moved], rtol=1e-6)  # FiftyOne keeps 64 bits
    assert set(added) <= set(new)
    assert load_neighbor_graph(boxes, "stock").indices.shape == (41, 15)
    with pytest.raises(InvalidParameter, match="Compute visualization"):
        update(boxes, "array")


@pytest.mark.slow
def test_what_cannot_be_updated_says_what_to_do(boxes):
    with pytest.raises(InvalidParameter, match="compute it first"):
        update(boxes, "absent")
    fob.compute_visualization(
        boxes, patches_field="boxes", points=np.zeros((40, 2)), method="manual", brain_key="manual"
    )
    with pytest.raises(InvalidParameter, match="with labelvet instead"):
        find_changes(boxes, "manual")
    compute(boxes)
    for sample in boxes.iter_samples(autosave=True):
        sample.boxes = fo.Detections(detections=[label()])
    with pytest.raises(NoPatches, match="compute it again"):
        update(boxes)
    for sample in boxes.iter_samples(autosave=True):
        sample.boxes = None
    with pytest.raises(NoPatches):
        find_changes(boxes, "map")


@pytest.mark.slow
def test_a_run_of_another_runtime_is_embedded_again(boxes, monkeypatch):
    """OpenVINO, say, is on the machine of the worker and not on this one."""
    pytest.importorskip("openvino", reason="pip install openvino")
    from labelvet.embeddings import torch_backbone

    compute(boxes)
    before = boxes.get_brain_info("map").config.labelvet["precision"]
    assert before.endswith("openvino")
    edit(boxes)
    monkeypatch.setattr(torch_backbone, "compile_for_cpu", lambda *_: None)
    done = update(boxes)
    assert done.changes.new == 2 and "all its labels were embedded again" in done.summary()
    assert boxes.get_brain_info("map").config.labelvet["precision"] != before
    assert len(load_embeddings(boxes, "map").rows) == 41
    assert update(boxes).notes == []


@pytest.mark.slow
def test_a_run_of_before_images_were_turned_upright_keeps_its_embeddings(boxes):
    compute(boxes)
    info = boxes._doc.brain_methods["map"]
    how = info.config["labelvet"]
    settings = CropSettings(how["alpha"], how["force_square"])
    name, weights, precision = info.config["model"], how["weights"], how["precision"]
    earlier = EmbeddingStore(name, weights, precision, settings, decoded=None)
    EmbeddingStore(name, weights, precision, settings).folder.rename(earlier.folder)
    del how["decoded"]
    info.save()
    boxes.reload()
    assert len(load_embeddings(boxes, "map").rows) == 40

    done = update(boxes)
    (note,) = done.notes
    assert "decoded images differently" in note and "all its labels were embedded again" in note
    assert boxes.get_brain_info("map").config.labelvet["decoded"] == DECODED
    assert len(load_embeddings(boxes, "map").rows) == 40
    assert update(boxes).notes == []


@pytest.mark.slow
def test_other_weights_are_refused(boxes, tmp_path):
    import torch
    from torchvision.models import get_model

    for name in ("one", "two"):
        torch.save(get_model("mobilenet_v3_small", weights=None).state_dict(), tmp_path / name)
        (tmp_path / name).rename(tmp_path / f"{name}.pt")
    compute(boxes, model="mobilenet_v3_small", weights=tmp_path / "one.pt")
    edit(boxes)
    run = find_run(boxes, "map")
    with pytest.raises(InvalidParameter, match="checkpoint"):
        update(boxes, weights=tmp_path / "two.pt")
    assert find_run(boxes, "map") == run
    (tmp_path / "one.pt").rename(tmp_path / "moved.pt")
    with pytest.raises(InvalidParameter, match=r"one\.pt', which is not on this machine"):
        update(boxes)
    (tmp_path / "moved.pt").rename(tmp_path / "one.pt")
    assert update(boxes).changes.new == 2  # the run records the file


@pytest.mark.slow
def test_an_update_that_is_cancelled_while_it_saves_is_saved(boxes):
    compute(boxes)
    sample, cancelled = boxes.first(), threading.Event()
    sample.boxes.detections = sample.boxes.detections[1:]
    sample.save()
    done = update_visualization(
        boxes, "map", cancelled=cancelled,
        progress=lambda _, line: line.startswith("Saving") and cancelled.set(),
    )  # fmt: skip
    assert cancelled.is_set() and done.results.total_index_size == 39
    assert len(boxes.load_brain_results("map").points) == 39


@pytest.mark.slow
def test_a_cancelled_update_changes_nothing(boxes):
    compute(boxes)
    run = find_run(boxes, "map")
    edit(boxes)
    cancelled = threading.Event()
    with pytest.raises(Cancelled):
        update_visualization(
            boxes,
            "map",
            cancelled=cancelled,
            progress=lambda _, line: line.startswith("Placing") and cancelled.set(),
        )
    assert find_run(boxes, "map") == run and find_changes(boxes, "map")


def test_recomputing_is_recommended_above_a_fifth():
    assert not LabelChanges(new=20, changed=0, deleted=500, unchanged=80).recompute
    few = LabelChanges(new=11, changed=10, deleted=0, unchanged=79)
    assert few.recompute and "More than a fifth" in few.sentence()


@pytest.mark.parametrize("method", ["umap", "pca"])
def test_new_points_join_their_own_clusters(method):
    rng = np.random.default_rng(51)
    which = np.arange(400) % 4
    vectors = 8 * rng.normal(size=(4, 16))[which] + rng.normal(size=(400, 16))
    vectors = vectors.astype(np.float32)
    new = rng.random(400) < 0.2
    fitted = make_method(method, seed=51)
    points = np.full((400, 2), np.nan, dtype=np.float32)
    points[~new] = project(vectors[~new], fitted, build_neighbor_graph(vectors[~new], 15))[0]
    placed = place_points(vectors, points, fitted, build_neighbor_graph(vectors, 15))
    assert np.array_equal(placed[~new], points[~new])
    nearest = build_neighbor_graph(placed, 6).indices[new, 1:]
    assert (which[nearest] == which[new][:, None]).mean() > 0.95
    if method == "pca":
        from sklearn.decomposition import PCA

        pca = PCA(2, svd_solver="full").fit(vectors[~new])
        expected = pca.transform(vectors)
        signs = np.sign((expected[~new] * points[~new]).sum(0))
        np.testing.assert_allclose(placed, expected * signs, atol=0.02)


def test_an_island_of_new_points_is_placed():
    rng = np.random.default_rng(0)
    vectors = np.concatenate([rng.normal(size=(30, 8)), 100 + rng.normal(size=(30, 8))])
    vectors = vectors.astype(np.float32)
    points = np.full((60, 2), np.nan, dtype=np.float32)
    points[:30] = rng.normal(size=(30, 2))
    placed = place_points(vectors, points, make_method("umap"), build_neighbor_graph(vectors, 15))
    assert np.isfinite(placed).all()
