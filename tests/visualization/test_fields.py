"""Runs of several label fields: computed, updated, judged; FiftyOne has the first field."""

from html import unescape

import fiftyone as fo
import fiftyone.core.odm as foo
import numpy as np
import pytest
from alike import add_alike
from fiftyone.core.stages import ViewStage
from fiftyone.server.routes import embeddings_v2 as native
from labelvet import compute_visualization, update_visualization
from labelvet.core.errors import InvalidParameter, NoPatches, StaleRun, UnknownField
from labelvet.dataset.brain_runs import load_neighbor_graph, load_other_fields, other_run_fields
from labelvet.dataset.stored_embeddings import load_embeddings
from labelvet.issues import reading
from labelvet.issues.find import find_label_issues
from labelvet.maps.map import load_map
from labelvet.proof.audits import begin_audit
from labelvet.proof.report import label_report, report_page
from labelvet.proof.results import next_questions
from labelvet.review.queue import next_issues
from labelvet.visualization.update import find_changes
from noise import save_noise


@pytest.fixture
def two(make_dataset, tmp_path, monkeypatch):
    """Eight noisy images with 4 labels of ``truth`` and 3 ``predictions`` each."""
    monkeypatch.setenv("LABELVET_CACHE_DIR", str(tmp_path / "cache"))

    def sample(number):
        path = tmp_path / f"{number}.jpg"
        save_noise(path, number)
        return fo.Sample(
            str(path),
            truth=boxes(number, 4, "ab"),
            predictions=boxes(number, 3, "bc", confidence=0.5),
        )

    add_alike(dataset := make_dataset(), map(sample, range(8)))
    return dataset


def boxes(number, count, names, **attributes):
    return fo.Detections(
        detections=[
            fo.Detection(
                label=names[place % 2],
                bounding_box=[0.2 * place, 0.1, 0.2, 0.4 + number / 50],
                embedding=np.array([number, place, 1.0, number * place]),
                **attributes,
            )
            for place in range(count)
        ]
    )


def compute(samples, fields=("truth", "predictions"), key="map", **kwargs):
    kwargs = {"method": "pca", "embeddings": "embedding", "progress": False, **kwargs}
    return compute_visualization(samples, fields, key, **kwargs)


def test_the_patches_of_all_fields_are_embedded_and_the_graph_joins_them(two):
    run = compute(two, embeddings=None)
    assert run.num_points == 56 and [len(one) for one in run.others] == [24]
    shown = load_map(two, "map")
    # the same boxes of the same images
    assert np.allclose(shown.parts[0].points[:3], shown.parts[1].points[:3], atol=1e-4)
    graph = load_neighbor_graph(two, "map")
    assert len(graph.indices) == 56 and (graph.indices[:32] >= 32).any()
    assert len(load_embeddings(two, "map").rows) == 32
    assert len(load_embeddings(two, "map", every_field=True).rows) == 56
    again = compute(two, embeddings=None, overwrite=True)
    assert again.reused == 56
    alone = compute(two, ["truth", "truth"], "alone")
    assert alone.others == [] and load_map(two, "alone").info.fields == ("truth",)


def test_what_is_skipped_of_a_field_and_of_its_clone_is_counted_twice(two):
    sample = two.first()
    sample.truth.detections[0].bounding_box = [0.1, 0.1, 0, 0]
    sample.save()
    two.clone_sample_field("truth", "twin")
    run = compute_visualization(two, ["truth", "twin"], "twins", progress=False)
    assert run.num_points == 62 and "2 patches could not be embedded" in run.summary()
    bad = sample.truth.detections[0].id
    assert set(run.skipped) == {bad, f"{bad}/twin"}


def test_fiftyones_own_panel_shows_the_first_field_whole(two):
    compute(two)
    asked = {"datasetName": two.name, "brainKey": "map", "indices": [3, 7]}
    info = native.EmbeddingsV2RunInfo._post_sync(None, asked)
    assert (info["n"], info["patchesField"]) == (32, "truth")
    stage = native.EmbeddingsV2LassoStage._post_sync(None, asked)
    assert stage["count"] == 2
    lassoed = two.view().add_stage(ViewStage._from_dict(stage))
    assert lassoed.values("id") == two.values("id")[:2]


def test_embeddings_of_an_attribute_are_read_from_every_field(two):
    compute(two)
    every = load_embeddings(two, "map", every_field=True)
    vectors = [np.array(two.values(f"{field}.detections.embedding", unwind=True))
               for field in ("truth", "predictions")]  # fmt: skip
    assert every.rows.tolist() == list(range(56))
    assert np.array_equal(every.vectors, np.concatenate(vectors).astype("f4"))
    assert load_embeddings(two, "map").rows.tolist() == list(range(32))
    nothing = compute(two, key=None)
    assert nothing.num_points == 56 and nothing.others[0].field == "predictions"


@pytest.mark.parametrize(
    ("error", "words", "arguments"),
    [
        (InvalidParameter, "leave 'points_field' out, or choose one", {"points_field": "xy"}),
        (InvalidParameter, "leave 'similarity_key' out", {"similarity_key": "index"}),
        (InvalidParameter, "leave 'similarity_index' out",
         {"similarity_index": "index", "embeddings": None}),
        (UnknownField, "There is no field 'none'", {"fields": ["truth", "none"]}),
        (InvalidParameter, "for whole images", {"fields": ["truth", None]}),
        (InvalidParameter, "for whole images", {"fields": []}),
        (UnknownField, "predictions.detections.vector", {"embeddings": "vector"}),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_before_anything_is_written(two, error, words, arguments):
    two.add_sample_field("truth.detections.vector", fo.VectorField)
    with pytest.raises(error, match=words):
        compute(two, **arguments)
    assert two.list_brain_runs() == []


def test_a_field_without_labels_in_the_view_is_named(two):
    two.add_sample_field("empty", fo.EmbeddedDocumentField, embedded_doc_type=fo.Detections)
    with pytest.raises(NoPatches, match="There are no labels in 'empty'"):
        compute(two, ["truth", "empty"])
    two.set_values("predictions.detections.embedding", [[None] * 3] * 8)
    with pytest.raises(NoPatches, match="None of the labels of 'predictions'"):
        compute(two)
    assert two.list_brain_runs() == []


def test_an_update_places_what_is_new_in_any_field_and_the_rest_stays(two):
    compute(two, embeddings=None)
    before = load_map(two, "map")
    sample = two.first()
    sample.predictions.detections[0].bounding_box = [0.3, 0.3, 0.4, 0.4]
    sample.predictions.detections.append(fo.Detection(label="new", bounding_box=[0, 0, 1, 1]))
    del sample.truth.detections[1]
    sample.save()
    changes = find_changes(two, "map")
    assert (changes.new, changes.changed, changes.deleted, changes.unchanged) == (1, 1, 1, 54)
    done = update_visualization(two, "map", progress=False)
    assert done.changes == changes
    after = load_map(two, "map")
    assert after.info.fields == ("truth", "predictions")
    assert [len(part) for part in after.parts] == [31, 25]
    assert np.array_equal(after.points[:1], before.points[:1])
    assert np.array_equal(after.points[1:31], before.points[2:32])
    assert np.array_equal(after.parts[1].points[4:], before.parts[1].points[3:])
    assert not np.array_equal(after.parts[1].points[0], before.parts[1].points[0])
    assert np.isfinite(after.points).all()
    assert not update_visualization(two, "map", progress=False).changes


def test_a_field_whose_labels_were_deleted_leaves_the_map_and_comes_back(two):
    compute(two)
    labels = two.values("predictions")
    two.set_values("predictions", [None] * 8)
    assert find_changes(two, "map").deleted == 24
    update_visualization(two, "map", progress=False)
    assert [len(part) for part in load_map(two, "map").parts] == [32, 0]
    two.set_values("predictions", labels)
    update_visualization(two, "map", progress=False)
    assert [len(part) for part in load_map(two, "map").parts] == [32, 24]
    two.set_values("truth", [None] * 8)
    with pytest.raises(NoPatches, match="None of the labels of 'truth', the first field"):
        update_visualization(two, "map", progress=False)


@pytest.mark.parametrize("embeddings", [None, "embedding"])
def test_a_further_field_that_is_gone_is_updated_away_and_comes_back_with_its_name(two, embeddings):
    two.clone_sample_field("truth", "more")
    compute(two, ["truth", "predictions", "more"], embeddings=embeddings)
    every = load_embeddings(two, "map", every_field=True).vectors
    two.rename_sample_field("predictions", "other")
    embedded = load_embeddings(two, "map", every_field=True)
    assert embedded.rows.tolist() == list(range(64))
    assert np.allclose(embedded.vectors, np.delete(every, np.arange(32, 56), axis=0))
    points = load_map(two, "map").points
    assert find_changes(two, "map").deleted == 24
    assert update_visualization(two, "map", progress=False).changes.unchanged == 64
    shown = load_map(two, "map")
    assert np.array_equal(shown.points, points) and "'predictions'" in shown.info.note
    two.rename_sample_field("other", "predictions")
    assert update_visualization(two, "map", progress=False).changes.new == 24
    assert [len(part) for part in load_map(two, "map").parts] == [32, 24, 32]


def test_a_run_that_is_replaced_while_it_is_judged_is_not_mixed_with_the_new_one(two, monkeypatch):
    compute(two)
    load = reading.load_embeddings

    def meanwhile(*args):
        compute(two, overwrite=True)
        return load(*args)

    monkeypatch.setattr(reading, "load_embeddings", meanwhile)
    with pytest.raises(StaleRun, match="in the meantime: try again"):
        find_label_issues(two, "map")


def test_the_first_field_is_judged_and_the_summary_says_so(two):
    compute(two)
    issues = find_label_issues(two, "map", second_fields="predictions")
    assert issues.patches_field == "truth" and issues.checked == 32
    assert (
        "Only 'truth', the first field of the map, was judged, not 'predictions': compute a "
        "visualization of its own for that."
    ) in issues.summary()
    begin_audit(two, "map", by="ada")
    for notes in (
        next_issues(two, "map", 1).notes,
        next_questions(two, "map", 1, "ada").notes,
        [label_report(two, "map")["only"]],
    ):
        assert notes[0].startswith("Only 'truth', the first field of the map, is ")
    assert "Only 'truth'" in unescape(report_page(label_report(two, "map")))
    compute(two, "truth", "alone")
    assert "first field" not in find_label_issues(two, "alone").summary()


def test_what_is_kept_of_other_fields_goes_with_the_run(two):
    kept = foo.get_db_conn()["labelvet_fields"].files
    kept.delete_many({})  # what tests before this one left
    compute(two)
    compute(two, overwrite=True)
    assert kept.count_documents({}) == 1
    two.rename_brain_run("map", "renamed")
    assert len(load_map(two, "renamed")) == 56
    copy = two.clone()
    assert len(load_map(copy, "renamed")) == 56
    copy.delete()
    compute(two, "truth", "renamed", overwrite=True)  # one field now
    assert kept.count_documents({}) == 0 and load_other_fields(two, "renamed") == []
    assert len(load_map(two, "renamed")) == 32


def test_an_import_elsewhere_has_the_first_field(two, tmp_path):
    compute(two)
    two.export(str(tmp_path / "export"), dataset_type=fo.types.FiftyOneDataset, export_media=False)
    # another database knows nothing of what is kept beside a run
    foo.get_db_conn()["labelvet_fields"].files.delete_many({})
    there = fo.Dataset.from_dir(str(tmp_path / "export"), fo.types.FiftyOneDataset)
    try:
        shown = load_map(there, "map")
        assert shown.info.fields == ("truth",) and len(shown) == 32
        assert other_run_fields(two, "map") == other_run_fields(there, "map") == []
        assert not find_changes(there, "map")
    finally:
        there.delete()
