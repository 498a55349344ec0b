"""The loop with labels of every type: a map, its columns and pictures, issues, answers, tags."""

from __future__ import annotations

import fiftyone as fo
import labelvet
import numpy as np
import pytest
from fiftyone.core.stages import ViewStage
from fiftyone.operators.executor import ExecutionContext, Executor
from fiftyone.server.routes import embeddings_v2 as native
from label_types import PATCHES, labels_of, one_class_each, others
from labelvet.approval.approve import approve
from labelvet.approval.candidates import find_candidates
from labelvet.core.errors import InvalidParameter, UnknownField
from labelvet.core.packed import pack
from labelvet.dataset.documents import hex_ids
from labelvet.issues.attributes import ISSUE, MISLABELED, MISPLACED, MISSED, REASON
from labelvet.issues.find import find_label_issues
from labelvet.operators import ApproveToTarget
from labelvet.panels.label_embeddings import LabelEmbeddings
from labelvet.proof.audits import begin_audit, current_target
from labelvet.proof.proven_basket import fill_basket
from labelvet.review.answers import give_answers
from labelvet.review.verdicts import Answer
from labelvet.visualization.update import update_visualization
from packed import array
from panel_app import PanelApp
from PIL import Image


class App(PanelApp):
    panel = LabelEmbeddings

    def open(self):
        return {"key": "map", "run": self("open_run", key="map")["run"]["run"]}


@pytest.fixture(params=PATCHES)
def mapped(make_dataset, tmp_path, request):
    """A dataset, its field of one type, and the ids of the labels that are wrong."""
    dataset = make_dataset()
    return dataset, request.param, one_class_each(dataset, tmp_path, request.param)


def labels(dataset, field, name):
    root, listed = dataset._get_label_field_root(field)
    values = dataset.values(f"{root}.{name}")
    return [value for of_sample in values for value in of_sample] if listed else values


def rows(*chosen, n=48):
    mask = np.zeros(n, dtype=bool)
    mask[list(chosen)] = True
    return pack(mask, "rows")


SHAPES = {
    "polyline": ([[[0.1, 0.2], [0.5, 0.4]]], [[0.3, 0.9]]),
    # of the skeleton what joins two points that are there
    "keypoint": ([[[0.6, 0.5], [0.2, 0.1]]], [[0.2, 0.1], [0.6, 0.5]]),
}


def test_a_map_shows_labels_of_every_type(mapped):
    dataset, field, _ = mapped
    dataset.default_skeleton = fo.KeypointSkeleton(edges=[[0, 1, 2], [2, 0], [2, 7]])
    app = App(dataset)
    opened, of_run = app("open_run", key="map"), app.open()
    assert opened["run"]["patchesField"] == field and opened["run"]["numPoints"] == 48
    (column,) = app("color_columns", **of_run, paths=[opened["labelPath"]])["columns"]
    names = np.array(column["categories"])[array(column["codes"]) - 1]
    assert names.tolist() == labels(dataset, field, "label")
    (crop,) = app("crops", **of_run, rows=[5], size=64, margin=100)["crops"]
    assert crop["id"] == labels(dataset, field, "id")[5] and crop["label"] == names[5]
    assert crop["image"].startswith("data:image/jpeg") and crop["problem"] is None
    lines, points = SHAPES.get(field.removesuffix("s"), (None, None))
    shape = crop["shape"] or {"lines": None, "points": None}
    assert (crop["window"], shape["lines"], shape["points"]) == ([0, 0, 1, 1], lines, points)

    stages = app("select_rows", **of_run, rows=rows(3, 7))["stages"]
    view = dataset.view()
    for name, arguments in stages.items():
        module, _, stage = name.rpartition(".")
        made = getattr(__import__(module, fromlist=[stage]), stage)(**arguments)
        view = view.add_stage(made)
    assert labels(view, field, "id") == [labels(dataset, field, "id")[row] for row in (3, 7)]

    done = app("tag", **of_run, rows=rows(3, 7), tag="needs-review", target="labels", remove=False)
    assert done["changed"] == 2
    tags = labels(dataset, field, "tags")
    assert [row for row, of_label in enumerate(tags) if of_label] == [3, 7]
    app("undo", token=done["undo"])
    assert not any(labels(dataset, field, "tags"))


def test_issues_of_every_type_are_found_and_answered(mapped):
    dataset, field, flipped = mapped
    found = find_label_issues(dataset, "map")
    assert found.checked == 48 and found.counts["mislabeled"] == 4
    ids, issues = labels(dataset, field, "id"), labels(dataset, field, "issue")
    suspected = {id_ for id_, issue in zip(ids, issues, strict=True) if issue == "mislabeled"}
    assert suspected == set(flipped)
    if field.startswith("classification"):
        assert not any("no confidence" in note for note in found.notes)
        for name in (MISSED, MISPLACED):
            assert labels(dataset, field, name) == [None] * 48

    app = App(dataset)
    of_run = app.open()
    queue = app("next_issues", **of_run, count=2)["queue"]
    first, second = queue["items"]
    answers = [
        {"id": first["id"], "sampleId": first["sampleId"], "seen": first["label"],
         "verdict": "wrong class", "label": first["suggested"]},
        {"id": second["id"], "sampleId": second["sampleId"], "seen": second["label"],
         "verdict": "not an object", "label": None},
    ]  # fmt: skip
    given = app("answer", **of_run, answers=answers)
    assert given["changed"] == 2
    by_id = dict(zip(ids, labels(dataset, field, "label"), strict=True))
    assert by_id[first["id"]] == first["suggested"]
    tags = dict(zip(ids, labels(dataset, field, "tags"), strict=True))
    assert tags[second["id"]] == ["rejected"]
    app("undo", token=given["undo"])
    assert labels(dataset, field, "label")[:4] == ["c1", "c2", "c0", "c1"]


def test_only_boxes_are_moved_in_the_review(mapped):
    dataset, field, _ = mapped
    sample, label = dataset.first().id, labels(dataset, field, "id")[0]
    answer = Answer(sample, label, "c1", "badly placed", box=[0.1, 0.1, 0.2, 0.2])
    if field.startswith("detection"):
        assert give_answers(dataset, field, [answer], "ada").changed == 1
        return
    with pytest.raises(InvalidParameter, match="This label has no box of its own"):
        give_answers(dataset, field, [answer], "ada")


def test_fiftyones_own_panel_draws_maps_of_every_type(mapped):
    dataset, field, _ = mapped
    root, _ = dataset._get_label_field_root(field)
    ids = labels(dataset, field, "id")
    asked = {"datasetName": dataset.name, "brainKey": "map"}

    def ask(route, **more):
        return getattr(native, route)._post_sync(None, {**asked, **more})

    info = ask("EmbeddingsV2RunInfo")
    assert (info["n"], info["dims"], info["patchesField"]) == (48, 2, field)
    assert ask("EmbeddingsV2Ids").body[16:] == bytes.fromhex("".join(ids))
    colors = ask("EmbeddingsV2Color", field=f"{root}.label").body
    names = np.array(["c0", "c1", "c2"])
    codes = np.frombuffer(colors[16 : 16 + 96], np.uint16)
    assert len(set(zip(names[codes].tolist(), labels(dataset, field, "label"), strict=True))) == 3
    few = dataset.limit(5)._serialize()
    mask = ask("EmbeddingsV2Masks", view=few).body
    visible = np.unpackbits(np.frombuffer(mask[16:22], np.uint8), bitorder="little")
    assert visible.tolist() == [1] * 5 + [0] * 43
    stage = ask("EmbeddingsV2LassoStage", indices=[3, 7])
    lassoed = dataset.view().add_stage(ViewStage._from_dict(stage))
    assert lassoed.values("id") == [dataset.values("id")[row] for row in (3, 7)]


def test_a_similarity_index_and_an_update_of_every_type(mapped):
    dataset, field, _ = mapped
    labelvet.compute_visualization(
        dataset, field, "indexed", embeddings="vector", method="pca", similarity_key="index",
        progress=False,
    )  # fmt: skip
    assert dataset.load_brain_results("index").total_index_size == 48
    ids = labels(dataset, field, "id")
    like_the_last = dataset.sort_by_similarity(ids[47], k=5, brain_key="index")
    found = labels(like_the_last, field, "label")
    assert ids[47] in labels(like_the_last, field, "id") and found.count("c2") >= 4
    dataset.delete_samples(dataset.first().id)
    changes = update_visualization(dataset, "indexed", progress=False).changes
    assert (changes.deleted, changes.unchanged, changes.new) == (1, 47, 0)


def test_images_of_several_classes_are_mapped_judged_and_answered(make_dataset, tmp_path):
    dataset, rng = make_dataset(), np.random.default_rng(0)
    for number in range(60):
        names = [f"c{number % 3}", *(["c3"] if number % 2 else [])]
        vector = np.zeros(16, dtype=np.float32)
        vector[[int(name[1]) for name in names]] = 3
        vector += 0.3 * rng.normal(size=16)
        if number < 2:  # one class is added to the first images, and another one is dropped
            names = ["c2", f"c{number}"]
        tags = [fo.Classification(label=name, vector=vector) for name in names]
        path = tmp_path / f"{number}.png"
        Image.new("RGB", (8, 8), (4 * number, 0, 0)).save(path)
        given = fo.Classifications(classifications=tags)
        dataset.add_sample(fo.Sample(str(path), tags_of=given), dynamic=True)
    labelvet.compute_visualization(
        dataset, "tags_of", "map", embeddings="vector", method="pca", progress=False
    )
    app = App(dataset)
    of_run = app.open()
    found = find_label_issues(dataset, "map")
    assert found.checked == app("open_run", key="map")["run"]["numPoints"] == 91
    assert (found.counts["spurious"], found.missed_tags) == (2, {"c3": 1})
    assert dataset.values("tags_of_missed.classifications.label")[1] == ["c3"]

    first, second, third = app("next_issues", **of_run, count=3)["queue"]["items"]
    added = dataset.values("tags_of.classifications.id")
    assert {first["id"], second["id"]} == {added[0][0], added[1][0]}
    assert first["issue"] == "spurious" and first["label"] == "c2"
    assert first["suggested"] is None and first["suggestions"] == []
    assert len(first["neighbors"]) == 10
    assert "'c2' is probably not in the image" in first["reason"]

    def say(item, verdict):
        answer = {"id": item["id"], "sampleId": item["sampleId"], "seen": item["label"]}
        return app("answer", **of_run, answers=[{**answer, "verdict": verdict, "label": None}])

    given = say(first, "not an object")
    assert first["whole"] and given["sentence"] == "'c2' is rejected: not in the image."
    say(second, "skipped")
    say(third, "right")
    tags = dict(
        zip(labels(dataset, "tags_of", "id"), labels(dataset, "tags_of", "tags"), strict=True)
    )
    assert tags[first["id"]] == ["rejected"] and tags[third["id"]] == ["reviewed"]
    left = app("next_issues", **of_run, count=3)["queue"]
    assert first["id"] not in [item["id"] for item in left["items"]] and left["reviewed"] == 2
    app("undo", token=given["undo"])
    assert app("next_issues", **of_run, count=1)["queue"]["items"][0]["id"] == first["id"]


def test_other_classes_of_whole_images_are_evidence(make_dataset, tmp_path):
    dataset = make_dataset()
    flipped = one_class_each(dataset, tmp_path, "classification")
    truth = [fo.Classification(label=f"c{number % 3}") for number in range(48)]
    dataset.set_values("annotator", truth)
    box = fo.Detection(label="c0", bounding_box=[0.1, 0.1, 0.2, 0.2])
    dataset.add_sample(fo.Sample("/media/new.jpg", annotator=truth[0].copy(), boxes=box))
    found = find_label_issues(dataset, "map", second_fields="annotator")
    assert found.counts[MISLABELED] == 4 and found.counts[MISPLACED] == 0
    assert found.counts["spurious"] == found.counts["missed"] == 0
    ids, issues, reasons = (labels(dataset, "classification", n) for n in ("id", ISSUE, REASON))
    suspected = {id_ for id_, issue in zip(ids, issues, strict=True) if issue == MISLABELED}
    assert suspected == set(flipped)
    assert "'annotator' has c0 here" in reasons[0]
    with pytest.raises(InvalidParameter, match="'boxes' has no labels that 'classification' can"):
        find_label_issues(dataset, "map", second_fields="boxes")


def test_what_is_no_patch_is_not_approved(make_dataset):
    dataset = make_dataset()
    given = labels_of("cat") | others()
    dataset.add_samples([fo.Sample("/media/a.jpg"), fo.Sample("/media/b.jpg", **given)])
    for field in PATCHES:
        assert find_candidates(dataset, field).field == field
    for field in ("cuboids", "lanes"):
        with pytest.raises(InvalidParameter, match=f"'{field}' holds labels in 3D"):
            find_candidates(dataset, field)
    for field in set(others()) - {"cuboids", "lanes"}:
        with pytest.raises(UnknownField, match=f"'{field}' holds .*: .*[a-z]"):
            find_candidates(dataset, field)


@pytest.mark.parametrize("field", ["polylines", "classification"])
def test_a_target_of_labels_of_another_type_fills_the_basket(make_dataset, tmp_path, field):
    dataset = make_dataset()
    one_class_each(dataset, tmp_path, field)
    find_label_issues(dataset, "map")
    request = {"dataset_name": dataset.name, "params": {}, "view": []}
    context = ExecutionContext(request, executor=Executor())
    assert "target" in ApproveToTarget().resolve_input(context).type.properties
    begin_audit(dataset, "map", target=0.9)
    audit = current_target(dataset, field, None)
    asked = [
        Answer(sample, id_, audit.class_of(row), "right")
        for row, (sample, id_) in enumerate(
            zip(hex_ids(audit.sample_ids), hex_ids(audit.ids), strict=True)
        )
    ]
    give_answers(dataset, field, asked, "ada")
    filled = fill_basket(dataset, audit)
    done = approve(find_candidates(dataset, field), "truth")
    assert 0 < done.approved == filled.changed <= len(asked)
    dataset.reload()
    assert dataset.count(dataset._get_label_field_root("truth")[0]) == done.approved
