"""What is kept with a run: its neighbor graph, and the way back to its embeddings."""

from __future__ import annotations

import fiftyone as fo
import fiftyone.brain as fob
import numpy as np
import pytest
from alike import add_alike
from bson import ObjectId
from labelvet import compute_visualization
from labelvet.core.errors import UnknownField
from labelvet.dataset import brain_runs
from labelvet.dataset import records as stored_records
from labelvet.dataset.brain_runs import find_run, load_neighbor_graph
from labelvet.dataset.records import drop_orphaned_records, write_tensors
from labelvet.dataset.stored_embeddings import load_embeddings
from labelvet.embeddings.neighbors import build_neighbor_graph
from labelvet.embeddings.store import clear_store
from PIL import Image
from tables import fewest_steps


@pytest.fixture
def boxes(make_dataset, tmp_path, monkeypatch):
    """Eight noisy images with four boxes each, and a store of their own."""
    monkeypatch.setenv("LABELVET_CACHE_DIR", str(tmp_path / "cache"))
    rng = np.random.default_rng(51)

    def sample(i):
        path = tmp_path / f"{i}.jpg"
        Image.fromarray(rng.integers(0, 255, (60, 80, 3), dtype=np.uint8)).save(path)
        detections = [
            fo.Detection(label="a", bounding_box=[0.2 * j, 0.1, 0.2, 0.5], embedding=rng.random(8))
            for j in range(4)
        ]
        return fo.Sample(filepath=str(path), boxes=fo.Detections(detections=detections))

    add_alike(dataset := make_dataset(), map(sample, range(8)))
    return dataset


def compute(samples, brain_key="map", **kwargs):
    kwargs.setdefault("method", "pca")
    return compute_visualization(samples, "boxes", brain_key, progress=False, **kwargs)


def records():
    return fo.core.odm.get_db_conn()["labelvet_runs.files"].count_documents({})


@pytest.mark.slow
@pytest.mark.parametrize("method", ["umap", "tsne", "pca"])
def test_the_neighbor_graph_is_kept_with_every_run(boxes, method):
    compute(boxes, method=method, **fewest_steps(method))
    graph = load_neighbor_graph(boxes.limit(1), "map")
    embedded = load_embeddings(boxes.limit(1), "map")
    assert graph.indices.shape == (32, 15)
    assert np.array_equal(embedded.rows, np.arange(32))
    expected = build_neighbor_graph(embedded.vectors, 15)
    assert np.array_equal(graph.indices, expected.indices)
    assert np.array_equal(graph.distances, expected.distances) and graph.metric == "euclidean"


def test_rows_are_the_rows_of_the_points(boxes):
    compute(boxes, embeddings="embedding", method="umap", metric="cosine", num_neighbors=20)
    ids = boxes.load_brain_results("map").label_ids.tolist()
    vector_of = dict(
        zip(
            boxes.values("boxes.detections.id", unwind=True),
            np.reshape(boxes.values("boxes.detections.embedding"), (32, 8)),
            strict=True,
        )
    )
    expected = np.array([vector_of[id_] for id_ in ids], dtype=np.float32)
    graph = load_neighbor_graph(boxes, "map")
    assert graph.metric == "cosine" and graph.indices.shape == (32, 20)
    assert np.array_equal(graph.indices, build_neighbor_graph(expected, 20, "cosine").indices)
    np.testing.assert_allclose(load_embeddings(boxes, "map").vectors, expected)


@pytest.mark.slow
def test_embeddings_come_back_as_far_as_they_exist(boxes):
    fob.compute_similarity(
        boxes, patches_field="boxes", embeddings="embedding", brain_key="index", backend="sklearn"
    )
    compute(boxes, "of_index", similarity_index="index")
    compute(boxes, "of_field", embeddings="embedding")
    compute(boxes, "of_array", embeddings=np.eye(32))
    compute(boxes, "of_model")
    label = boxes.first().boxes.detections[2].id
    boxes.delete_labels(ids=[label])
    field = load_embeddings(boxes, "of_field")
    assert np.array_equal(field.rows, np.delete(np.arange(32), 2)) and len(field.vectors) == 31
    assert len(load_embeddings(boxes, "of_index").rows) == 31
    assert load_embeddings(boxes, "of_array") is None
    # the store still has the embedding of the deleted label, which the graph refers to
    assert len(load_embeddings(boxes, "of_model").rows) == 32
    clear_store()
    assert load_embeddings(boxes, "of_model") is None
    assert load_neighbor_graph(boxes, "of_model").indices.shape == (32, 15)
    boxes.delete_brain_run("index")
    boxes.delete_sample_field("boxes.detections.embedding")
    for key, gone in (("of_index", "index 'index'"), ("of_field", "field 'boxes.*embedding'")):
        with pytest.raises(UnknownField, match=gone):  # not that this machine lacks them
            load_embeddings(boxes, key)


@pytest.mark.slow
def test_a_record_survives_renaming_and_leaves_with_its_run(boxes):
    drop_orphaned_records()
    before = records()
    compute(boxes)
    run = find_run(boxes, "map")
    graph = load_neighbor_graph(boxes, "map")
    boxes.rename_brain_run("map", "other")
    assert find_run(boxes, "map") is None and find_run(boxes, "other") == run
    assert load_neighbor_graph(boxes, "map") is None
    assert np.array_equal(load_neighbor_graph(boxes, "other").indices, graph.indices)

    compute(boxes.limit(4), "other", overwrite=True)
    assert find_run(boxes, "other") != run
    assert load_neighbor_graph(boxes, "other").indices.shape == (16, 15)
    assert records() == before + 1

    boxes.delete_brain_run("other")
    assert load_neighbor_graph(boxes, "other") is None
    compute(boxes, "next")
    assert records() == before + 1


def test_of_two_that_drop_orphans_at_once_neither_fails(monkeypatch):
    drop_orphaned_records()
    before, bucket, calls = records(), stored_records._bucket, []
    for _ in range(2):
        write_tensors("labelvet_runs", ObjectId(), {"a": np.zeros(1)}, {})

    def another_first(name):
        calls.append(name)
        if len(calls) == 1:  # the orphans were listed
            drop_orphaned_records()
        return bucket(name)

    with monkeypatch.context() as patched:
        patched.setattr(stored_records, "_bucket", another_first)
        drop_orphaned_records()
    assert records() == before and len(calls) == 4


def test_runs_made_elsewhere_have_no_record(boxes):
    fob.compute_visualization(
        boxes, patches_field="boxes", embeddings="embedding", method="pca", brain_key="stock"
    )
    for key in ("stock", "absent"):
        assert load_neighbor_graph(boxes, key) is None
    assert load_embeddings(boxes, "absent") is None
    assert len(load_embeddings(boxes, "stock").rows) == 32  # they are in the field


def test_a_single_patch_is_its_own_neighbor(boxes):
    view = boxes.limit(1).match_labels(ids=[boxes.first().boxes.detections[0].id]).select_labels(
        ids=[boxes.first().boxes.detections[0].id]
    )  # fmt: skip
    compute(view)
    assert load_neighbor_graph(boxes, "map").indices.tolist() == [[0]]


def test_a_neighbor_graph_is_read_once_for_each_computation(boxes, monkeypatch):
    compute(boxes, embeddings="embedding")
    reads, read = [], brain_runs.read_record
    monkeypatch.setattr(brain_runs, "read_record", lambda id_: reads.append(id_) or read(id_))
    first = load_neighbor_graph(boxes, "map")
    assert load_neighbor_graph(boxes, "map") is first and len(reads) == 1
    assert not first.indices.flags.writeable
    compute(boxes, embeddings="embedding", overwrite=True)
    assert load_neighbor_graph(boxes, "map") is not first and len(reads) == 2
