"""Copies of labels in open views, and clones and imports that have the ids of another dataset."""

import fiftyone as fo
import fiftyone.core.odm as foo
import labelvet
import numpy as np
import pytest
from labelvet.approval.approve import approve
from labelvet.approval.basket import add_labels
from labelvet.approval.candidates import Selection, find_candidates
from labelvet.approval.finalize import finalize
from labelvet.dataset.brain_runs import load_neighbor_graph
from labelvet.dataset.records import drop_orphaned_records
from labelvet.dataset.storage import locate
from labelvet.dataset.stored_embeddings import load_embeddings
from labelvet.dataset.tags import tag_view
from labelvet.review.answers import give_answers
from labelvet.review.verdicts import Answer
from labelvet.visualization.update import find_changes


@pytest.fixture
def twins(judged, make_dataset, tmp_path):
    """Datasets with the ids of ``judged``: a clone, and an import that keeps ids."""
    clone = judged.clone(make_dataset().name + "-clone")
    judged.export(str(tmp_path / "export"), fo.types.FiftyOneDataset, export_media=False)
    imported = fo.Dataset.from_dir(str(tmp_path / "export"), fo.types.FiftyOneDataset)
    assert clone.values("id") == imported.values("id") == judged.values("id")
    yield [clone, imported]
    clone.delete()
    imported.delete()


@pytest.mark.slow
def test_nothing_that_is_done_to_a_dataset_touches_its_clones_and_imports(judged, twins):
    opened = [twin.to_patches("predictions") for twin in twins]
    own, before = judged.to_patches("predictions"), [len(patches) for patches in opened]
    tag_view(judged, "predictions", "needs-review")
    tag_view(judged, None, "seen")
    sample = judged.first()
    answers = [
        Answer(sample.id, label.id, label.label, "right") for label in sample.predictions.detections
    ]
    assert give_answers(judged, "predictions", answers, "me").changed == 3
    tag_view(judged, "predictions", "needs-review", remove=True)
    assert own.count_label_tags() == judged.count_label_tags() == {"reviewed": 3}
    candidates = find_candidates(judged, "predictions")
    add_labels(candidates, Selection((0.5, None)))
    approve(candidates, "truth")
    finalize(candidates)
    assert len(own) == judged.count("predictions.detections") == 12
    for twin, patches, number in zip(twins, opened, before, strict=True):
        assert len(patches) == number == twin.count("predictions.detections")
        assert patches.count_label_tags() == {} and "seen" not in patches.count_sample_tags()
        assert patches.count_values("predictions.review") == {None: number}
        patch = patches.first()
        patch["predictions"].label = "corrected"
        patch.save()
        assert twin.count_label_tags() == {}


@pytest.mark.slow
def test_a_clones_own_patches_get_its_tags(twins):
    for twin in twins:
        patches = twin.to_patches("predictions")
        tag_view(twin, "predictions", "needs-review")
        assert patches.count_label_tags() == {"needs-review": 24}


@pytest.mark.slow
def test_copies_of_others_are_not_opened(judged, twins, monkeypatch):
    opened = [twins[0].to_patches("predictions").limit(3) for _ in range(30)]
    own = judged.to_patches("predictions")
    monkeypatch.setattr(
        fo, "load_dataset", lambda name, load=fo.load_dataset: loaded.append(name) or load(name)
    )
    loaded = []
    copies = locate(judged, "predictions").patches("predictions", [s._id for s in judged])
    assert [copy.dataset.name for copy in copies] == loaded == [own._dataset.name]
    assert opened


@pytest.fixture
def embedded(judged):
    labelvet.compute_visualization(judged, "predictions", "own", method="pca", progress=False)
    return judged


@pytest.mark.slow
def test_clones_and_imports_have_the_embeddings_of_their_runs(embedded, twins):
    own = load_embeddings(embedded, "own")
    graph = load_neighbor_graph(embedded, "own")
    for twin in twins:
        theirs = load_embeddings(twin, "own")
        assert np.array_equal(theirs.vectors, own.vectors) and len(theirs.rows) == 24
        assert np.array_equal(load_neighbor_graph(twin, "own").indices, graph.indices)
        assert not find_changes(twin, "own")
    embedded.delete()
    drop_orphaned_records()
    assert load_neighbor_graph(twins[0], "own") is not None


@pytest.mark.slow
def test_imports_of_another_database_find_their_embeddings_by_box_and_file(embedded, twins):
    own = load_embeddings(embedded, "own")
    foo.get_db_conn()["labelvet_runs"].files.delete_many({})
    theirs = load_embeddings(twins[1], "own")
    assert np.array_equal(theirs.vectors, own.vectors) and len(theirs.rows) == 24
    label = twins[1].first().predictions.detections[1]
    twins[1].delete_labels(ids=label.id)
    assert load_embeddings(twins[1], "own").rows.tolist() == [0, *range(2, 24)]
