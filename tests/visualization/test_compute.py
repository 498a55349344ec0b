"""The engine end to end, on real images, a real backbone and a real database."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from threading import Event

import fiftyone as fo
import fiftyone.brain as fob
import numpy as np
import pytest
from fiftyone import ViewField as F
from labelvet import compute_visualization
from labelvet.core.errors import (
    BrainKeyInUse,
    Cancelled,
    DatasetDeleted,
    InvalidParameter,
    NoPatches,
    UnknownField,
)
from PIL import Image
from tables import fewest_steps


@pytest.fixture
def boxes(make_dataset, tmp_path):
    """Six noisy images with four boxes each, in two sizes."""
    rng = np.random.default_rng(51)
    dataset = make_dataset()
    dataset.add_sample_field("boxes", fo.EmbeddedDocumentField, embedded_doc_type=fo.Detections)
    dataset.add_sample_field("boxes.detections.embedding", fo.VectorField)
    for i in range(6):
        path = tmp_path / f"{i}.jpg"
        size = (120, 160, 3) if i % 2 else (160, 120, 3)
        Image.fromarray(rng.integers(0, 255, size, dtype=np.uint8)).save(path)
        dataset.add_sample(
            fo.Sample(
                filepath=str(path),
                boxes=fo.Detections(
                    detections=[
                        fo.Detection(
                            label="ab"[j % 2],
                            confidence=0.2 * j + 0.1,
                            bounding_box=[0.2 * j, 0.1, 0.2, 0.5],
                            embedding=rng.normal(size=8),
                        )
                        for j in range(4)
                    ]
                ),
            )
        )
    return dataset


def compute(samples, brain_key="map", patches_field="boxes", **kwargs):
    kwargs.setdefault("method", "pca")
    return compute_visualization(samples, patches_field, brain_key, progress=False, **kwargs)


def stored(dataset, brain_key="map"):
    """The run as another process would read it."""
    dataset.reload()
    dataset._brain_cache.clear()
    return dataset.load_brain_results(brain_key)


@pytest.mark.slow
def test_one_call_on_real_detections(coco128):
    """What the issue asks: one call, 628 points, read back by FiftyOne alone."""
    run = compute_visualization(coco128, "predictions", "predictions_map", progress=False)
    assert run.num_points == 628 and not run.unreadable and not run.skipped
    results = stored(coco128, "predictions_map")
    assert results.points.shape == (628, 2)
    assert results.config.patches_field == "predictions"
    assert type(results.config) is fo.brain.visualization.UMAPVisualizationConfig
    ids = coco128.values("predictions.detections.id", unwind=True)
    assert sorted(results.label_ids.tolist()) == sorted(ids)


@pytest.mark.slow
def test_points_belong_to_their_labels(boxes):
    run = compute(boxes)
    by_label = dict(zip(run.results.label_ids.tolist(), run.results.points, strict=True))
    some = boxes.filter_labels("boxes", F("label") == "a")
    part = compute(some, "part", method="pca", seed=51)
    assert set(part.results.label_ids) < set(by_label)
    owners = {d.id: s.id for s in boxes for d in s.boxes.detections}
    assert [owners[i] for i in run.results.label_ids.tolist()] == run.results.sample_ids.tolist()


@pytest.mark.slow
@pytest.mark.parametrize("method", ["umap", "tsne", "pca"])
@pytest.mark.parametrize("num_dims", [2, 3])
def test_fiftyone_reads_renames_and_deletes_every_run(boxes, method, num_dims):
    compute(boxes, method=method, num_dims=num_dims, seed=51, **fewest_steps(method))
    results = stored(boxes)
    assert results.points.shape == (24, num_dims) and np.isfinite(results.points).all()
    assert boxes.get_brain_info("map").config.method == method
    assert boxes.list_brain_runs(type="visualization") == ["map"]
    boxes.rename_brain_run("map", "other")
    assert stored(boxes, "other").total_index_size == 24
    boxes.delete_brain_run("other")
    assert boxes.list_brain_runs() == []


@pytest.mark.slow
def test_views_are_kept_with_the_run(boxes):
    view = boxes.filter_labels("boxes", F("confidence") > 0.4).limit(4)
    assert compute(view).num_points == 8
    assert boxes.load_brain_view("map") == view
    assert stored(boxes).index_size == 8
    patches = boxes.to_patches("boxes").limit(7)
    assert compute(patches, "of_patches").num_points == 7
    assert stored(boxes, "of_patches").index_size == 7


def test_whole_images(boxes):
    run = compute(boxes, patches_field=None)
    assert run.num_points == 6 and run.results.label_ids is None
    assert stored(boxes).sample_ids.tolist() == boxes.values("id")


@pytest.mark.slow
def test_seeded_runs_repeat(boxes):
    first = compute(boxes, "one", method="umap", seed=51).results.points
    second = compute(boxes, "two", method="umap", seed=51).results.points
    np.testing.assert_array_equal(first, second)


@pytest.mark.slow
def test_batches_cross_images_without_changing_anything(boxes):
    first = compute(boxes, "one", precision="fp32", batch_size=1, num_workers=1).results.points
    second = compute(boxes, "two", precision="fp32", batch_size=7, num_workers=3).results.points
    np.testing.assert_allclose(first, second, atol=1e-3)


def test_existing_embeddings_are_reused(boxes):
    vectors = np.array(boxes.values("boxes.detections.embedding", unwind=False)).reshape(24, 8)
    from_field = compute(boxes, "field", embeddings="embedding", seed=51)
    from_array = compute(boxes, "array", embeddings=vectors, seed=51)
    np.testing.assert_allclose(from_field.results.points, from_array.results.points, atol=1e-5)
    assert boxes.get_brain_info("field").config.embeddings_field == "embedding"
    assert boxes.get_brain_info("field").config.model is None

    index = fob.compute_similarity(
        boxes, patches_field="boxes", embeddings="embedding", brain_key="index"
    )
    assert index.total_index_size == 24
    from_index = compute(boxes, "from_index", similarity_index="index", seed=51)
    np.testing.assert_allclose(from_index.results.points, from_array.results.points, atol=1e-5)

    with pytest.raises(UnknownField, match="absent"):
        compute(boxes, "x", embeddings="absent")
    with pytest.raises(UnknownField, match="no similarity index"):
        compute(boxes, "x", similarity_index="absent")
    with pytest.raises(UnknownField, match="not of whole images"):
        compute(boxes, "x", patches_field=None, similarity_index="index")
    with pytest.raises(InvalidParameter, match="24 patches"):
        compute(boxes, "x", embeddings=vectors[:3])
    with pytest.raises(InvalidParameter, match="vectors"):
        compute(boxes, "x", embeddings="label")
    for none in (vectors[:, :0], vectors * 1j, [["a", "b"]] * 24, [[1.0], *[[1.0, 2.0]] * 23]):
        with pytest.raises(InvalidParameter, match="numbers"):
            compute(boxes, "x", embeddings=none)
    assert "x" not in boxes.list_brain_runs()


def test_patches_without_an_existing_embedding_are_left_out(boxes):
    sample = boxes.first()
    sample.boxes.detections[1]["embedding"] = None
    sample.boxes.detections[2]["embedding"] = np.full(8, np.nan)
    sample.save()
    run = compute(boxes, embeddings="embedding")
    assert run.num_points == 22 and len(run.skipped) == 2


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["sklearn", "lancedb"])
def test_sort_by_similarity_works_on_the_saved_index(boxes, backend, tmp_path, monkeypatch):
    if backend == "lancedb":
        pytest.importorskip("lancedb", reason="pip install lancedb")
        backends = fob.brain_config.similarity_backends
        monkeypatch.setitem(backends["lancedb"], "uri", str(tmp_path / "lancedb"))
    compute(boxes, similarity_key="similar", similarity_backend=backend)
    assert boxes.get_brain_info("similar").config.method == backend
    index = stored(boxes, "similar")
    assert index.total_index_size == 24
    query = boxes.first().boxes.detections[0].id
    nearest = boxes.to_patches("boxes").sort_by_similarity(query, k=3, brain_key="similar")
    assert nearest.first().id == query and len(nearest) == 3
    # consent to replace the map is none to replace the index
    with pytest.raises(BrainKeyInUse, match="similar"):
        compute(boxes, similarity_key="similar", similarity_backend=backend, overwrite=True)
    with pytest.raises(BrainKeyInUse, match="map"):
        compute(
            boxes, similarity_key="similar", similarity_backend=backend, overwrite_similarity=True
        )
    compute(
        boxes, similarity_key="similar", similarity_backend=backend, overwrite=True,
        overwrite_similarity=True,
    )  # fmt: skip
    assert stored(boxes, "similar").total_index_size == 24
    assert boxes.list_brain_runs() == ["map", "similar"]


def test_a_similarity_backend_that_is_not_there_is_refused_before_anything_is_computed(boxes):
    with pytest.raises(InvalidParameter, match="no similarity backend 'milky': choose one of"):
        compute(boxes, similarity_key="similar", similarity_backend="milky")
    assert boxes.list_brain_runs() == []


def test_a_backend_that_fails_says_that_the_map_was_saved(boxes, monkeypatch):
    backends = fob.brain_config.similarity_backends
    monkeypatch.setitem(backends, "broken", {"config_cls": "nowhere.Config"})
    vectors = np.random.default_rng(0).random((24, 8))
    with pytest.raises(InvalidParameter, match=r"index was not made: .*'map' was saved"):
        compute(boxes, embeddings=vectors, similarity_key="similar", similarity_backend="broken")
    boxes.reload()
    assert boxes.list_brain_runs() == ["map"]


@pytest.mark.parametrize("size", [1e30, float("inf")])
def test_embeddings_that_cannot_be_compared_are_named(boxes, size):
    vectors = np.random.default_rng(0).random((24, 8))
    vectors[3] = size
    run = compute(boxes, embeddings=vectors, method="umap")
    assert run.num_points == 23 and "1e15" in next(iter(run.skipped.values()))
    with pytest.raises(NoPatches, match="Scale them"):
        compute(boxes, "other", embeddings=np.full((24, 8), size))


def test_a_key_that_is_too_long_gets_its_own_sentence(boxes):
    with pytest.raises(InvalidParameter, match="201 characters: it may have 200"):
        compute(boxes, "a" * 201)


@pytest.mark.slow
def test_a_spatial_index_is_written_and_leaves_with_its_run(boxes):
    compute(boxes, points_field="map_points")
    points = np.array(boxes.values("boxes.detections.map_points")).reshape(24, 2)
    np.testing.assert_allclose(points, stored(boxes).points, atol=1e-5)
    compute(boxes, overwrite=True)
    assert not boxes.has_field("boxes.detections.map_points")
    with pytest.raises(InvalidParameter, match="two dimensions"):
        compute(boxes, "x", points_field="x", num_dims=3)


def test_unreadable_images_and_boxes_are_skipped_and_listed(boxes):
    paths = boxes.values("filepath")
    open(paths[0], "w").close()
    with open(paths[1], "r+b") as file:
        file.truncate(1000)
    missing = boxes.skip(2).first()
    missing.filepath = missing.filepath.replace(".jpg", "-gone.jpg")
    missing.boxes.detections[0].bounding_box = [0.1, 0.1, 0, 0]
    missing.save()
    run = compute(boxes)
    assert run.num_points == 12
    assert set(run.unreadable) == {paths[0], paths[1], missing.filepath}
    assert list(run.skipped) == [missing.boxes.detections[0].id]
    assert "3 images could not be read" in run.summary() and "1 patch could" in run.summary()
    assert stored(boxes).total_index_size == 12


def test_when_nothing_can_be_read_nothing_is_written(boxes):
    for path in boxes.values("filepath"):
        open(path, "w").close()
    with pytest.raises(NoPatches, match="nothing was written"):
        compute(boxes)
    assert boxes.list_brain_runs() == []


def test_one_patch_and_fewer_than_neighbors(boxes):
    one = compute(boxes.limit(1).filter_labels("boxes", F("confidence") < 0.2), method="umap")
    assert one.num_points == 1 and "too few for UMAP" in one.summary()
    few = compute(boxes.limit(2), "few", method="umap")
    assert few.num_points == 8 and "7 instead of 15" in few.summary()


@pytest.mark.slow
def test_brain_keys_are_guarded(boxes):
    for key in ("1st", "a-b", "a b", "a.b", "$a", "", 3):
        with pytest.raises(InvalidParameter, match="brain key"):
            compute(boxes, key)
    first = compute(boxes)
    with pytest.raises(BrainKeyInUse, match="in use"):
        compute(boxes)
    second = compute(boxes, overwrite=True, num_dims=3)
    assert stored(boxes).points.shape == second.results.points.shape != first.results.points.shape
    fob.compute_similarity(boxes, embeddings=np.eye(6), brain_key="index")
    with pytest.raises(BrainKeyInUse, match="another kind"):
        compute(boxes, "index", overwrite=True)
    with pytest.raises(InvalidParameter, match="a brain key of its own"):
        compute(boxes, "x", similarity_key="x")


@pytest.mark.slow
def test_overwriting_leaves_nothing_behind(boxes):
    from fiftyone.core.odm.runs import RunDocument

    for _ in range(3):
        compute(boxes, overwrite=True)
    assert RunDocument.objects(dataset_id=boxes._doc.id).count() == 1
    database = fo.core.odm.get_db_conn()
    files = database.fs.files.count_documents({})
    compute(boxes, overwrite=True)
    assert database.fs.files.count_documents({}) == files


def test_without_a_brain_key_nothing_is_saved(boxes):
    assert compute(boxes, None).num_points == 24
    assert boxes.list_brain_runs() == []


def test_a_dataset_deleted_meanwhile_is_named(boxes):
    def delete(fraction, line):
        if line.startswith("Embedding") and fraction > 0.1 and fo.dataset_exists(boxes.name):
            # as another process would
            database = fo.core.odm.get_db_conn()
            database.datasets.delete_one({"_id": boxes._doc.id})

    name = boxes.name
    with pytest.raises(DatasetDeleted, match=f"'{name}' was deleted"):
        compute_visualization(boxes, "boxes", "map", method="pca", batch_size=4, progress=delete)
    database = fo.core.odm.get_db_conn()
    assert not database.runs.count_documents({"_dataset_id": boxes._doc.id})


def test_cancelling_writes_nothing(boxes):
    cancelled = Event()

    def cancel(fraction, line):
        if line.startswith("Embedding"):
            cancelled.set()

    with pytest.raises(Cancelled):
        compute_visualization(
            boxes, "boxes", "map", method="pca", batch_size=1, progress=cancel, cancelled=cancelled
        )
    assert boxes.list_brain_runs() == []


@pytest.mark.parametrize("line", ["Saving", "Projecting"])
def test_cancelled_while_it_saves_it_is_saved(boxes, line):
    cancelled = Event()

    def cancel(fraction, said):
        if said.startswith(line):
            cancelled.set()

    def run():
        return compute_visualization(
            boxes, "boxes", "map", method="pca", progress=cancel, cancelled=cancelled
        )

    if line == "Saving":
        assert run().num_points == 24 and boxes.list_brain_runs() == ["map"]
    else:
        with pytest.raises(Cancelled, match="nothing was changed"):
            run()
        assert boxes.list_brain_runs() == []


def test_progress_covers_every_stage_and_never_goes_back(boxes):
    seen = []
    compute_visualization(
        boxes, "boxes", "map", method="umap", progress=lambda *update: seen.append(update)
    )
    fractions = [fraction for fraction, _ in seen]
    assert (
        fractions == sorted(fractions) and fractions[0] == 0 and fractions[-1] == pytest.approx(1)
    )
    lines = " ".join(line for _, line in seen)
    for stage in ("Reading labels", "Embedding patches", "Finding neighbors", "UMAP", "Saving"):
        assert stage in lines


@pytest.mark.parametrize("when", ["Embedding", "Saving", "begun", "written", "linking", "linked"])
@pytest.mark.processes
def test_a_killed_run_leaves_the_old_run_or_the_new_one(boxes, when):
    """SIGKILL at any moment: the key holds the old run or the new one, and can be replaced."""
    old = compute(boxes).results.points
    script = textwrap.dedent(
        f"""
        import os, signal
        import fiftyone as fo
        from labelvet.dataset import saving_runs as runs
        from labelvet import compute_visualization

        def die(*_):
            os.kill(os.getpid(), signal.SIGKILL)

        when = {when!r}
        if when == "begun":      # its document is there, and has no results
            runs._write_results = die
        elif when == "written":  # it has results, and its record is not there
            runs.write_record = die
        elif when == "linking":  # the new run is complete, and not yet in its place
            runs.give_key = die
        elif when == "linked":   # it is in its place, and the old one not yet gone
            runs._delete_run = die
        compute_visualization(
            fo.load_dataset({boxes.name!r}), "boxes", "map", method="pca", num_dims=3,
            overwrite=True, progress=lambda _, line: line.startswith(when) and die(),
        )
        """
    )
    process = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert process.returncode == -9, process.stderr
    points = stored(boxes).points
    assert points.shape == ((24, 3) if when == "linked" else (24, 2))
    if when != "linked":
        np.testing.assert_array_equal(points, old)
    compute(boxes, overwrite=True)
    assert stored(boxes).total_index_size == 24
    database = fo.core.odm.get_db_conn()
    assert database.runs.count_documents({"_dataset_id": boxes._doc.id}) == 1
    files = {"labelvet.dataset": boxes._doc.id}
    assert database.fs.files.count_documents(files) == 1
