"""The panel's methods, called as the App's server calls them."""

from base64 import b64encode
from pathlib import Path

import fiftyone as fo
import fiftyone.core.odm as foo
import numpy as np
import pytest
from fiftyone import ViewField as F
from fiftyone.operators.executor import ExecutionContext, Executor
from labelvet.core.packed import pack
from labelvet.panels.label_embeddings import LabelEmbeddings
from packed import array
from panel_app import PanelApp

LABEL = "predictions.detections.label"
FIELDS = ("predictions", "truth")


class App(PanelApp):
    panel = LabelEmbeddings

    def open(self, key="ours"):
        return {"key": key, "run": self("open_run", key=key)["run"]["run"]}


def bits(rows, n=24):
    mask = np.zeros(n, dtype=bool)
    mask[rows] = True
    return pack(mask, "rows")


@pytest.fixture
def app(judged):
    return App(judged)


def test_every_method_has_a_uri(app):
    context = ExecutionContext({"params": {}}, executor=Executor())
    view = LabelEmbeddings().render(context).to_json()["view"]
    assert view["component"] == "LabelEmbeddings" and view["composite_view"]
    assert {"open_run", "tag", "undo", "select_rows", "clusters"} <= set(view)


def test_runs_are_listed_and_opened(app):
    runs = {run["key"]: run for run in app("list_runs")["runs"]}
    assert runs["ours"]["state"] == "ready" and runs["theirs"]["numDims"] == 3
    assert runs["ours"]["numPoints"] == 24 and runs["theirs"]["numPoints"] == 8
    opened = app("open_run", key="ours")
    points = array(opened["points"]).reshape(24, 2)
    assert np.allclose(points, app.dataset.load_brain_results("ours").points)
    assert opened["labelPath"] == LABEL
    assert opened["run"] == runs["ours"]
    assert app("open_run", key="theirs")["labelPath"] is None


def test_a_run_that_is_being_computed_shows_its_progress(app):
    from fiftyone.operators.delegated import DelegatedOperationService
    from fiftyone.operators.executor import ExecutionProgress

    service = DelegatedOperationService()
    context = ExecutionContext(
        {"dataset_id": str(app.dataset._doc.id), "dataset_name": app.dataset.name,
         "params": {"brain_key": "next", "patches_field": "predictions"}}
    )  # fmt: skip
    operation = service.queue_operation(
        operator="@labelvet/labelvet/compute_visualization", context=context.serialize()
    )
    try:
        (run, *others) = app("list_runs")["runs"]
        assert run["key"] == "next" and run["state"] == "computing" and len(others) == 2
        service.set_running(operation.id)
        service.set_progress(operation.id, ExecutionProgress(progress=0.25, label="Embedding"))
        run = app("list_runs")["runs"][0]
        assert run["progress"] == 0.25 and run["progressLabel"] == "Embedding"
    finally:
        service.delete_operation(operation.id)


def test_a_run_that_a_script_filled_in_wrongly_does_not_hide_the_others(app):
    from fiftyone.operators.delegated import DelegatedOperationService

    service = DelegatedOperationService()
    wrong = {"num_dims": "abc", "model": {"a": 1}, "method": 3, "patches_field": ["predictions"]}
    context = ExecutionContext(
        {"dataset_id": str(app.dataset._doc.id), "params": {"brain_key": "next", **wrong}}
    )
    operation = service.queue_operation(
        operator="@labelvet/labelvet/compute_visualization", context=context
    )
    try:
        (run, *others) = app("list_runs")["runs"]
        assert len(others) == 2 and run["key"] == "next" and run["numDims"] == 2
        assert [run[name] for name in ("model", "method", "patchesField")] == [None, "umap", None]
    finally:
        service.delete_operation(operation.id)


def test_colors_crops_clusters_and_neighbors(app):
    about = app.open()
    (column,) = app("color_columns", paths=[LABEL], **about)["columns"]
    assert column["categories"] == ["cat", "dog"] and array(column["codes"])[:3].tolist() == [
        1,
        2,
        1,
    ]
    paths = [LABEL, "predictions.detections.confidence"]
    both = app("color_columns", paths=paths, **about)["columns"]
    assert both[0] == column and [one["path"] for one in both] == paths
    values = both[1]["values"]
    assert np.isnan(array(values)[0]) and array(values)[23] == pytest.approx(23 / 24)
    crops = app("crops", rows=[3, 1], size=64, margin=0.2, **about)["crops"]
    assert [crop["row"] for crop in crops] == [3, 1] and crops[0]["label"] == "cat"
    answer = app("clusters", path=LABEL, **about)
    assert len(array(answer["codes"])) == 24
    similar = app("similar", rows=bits([3]), count=5, **about)
    assert len(similar["rows"]) == 5 and similar["source"] == "neighbors"
    theirs = app.open("theirs")
    similar = app("similar", rows=bits([3], 8), count=2, **theirs)
    assert len(similar["rows"]) == 2 and similar["source"] == "map"


@pytest.mark.slow
def test_an_image_finds_the_patches_that_look_like_it(app):
    from labelvet import compute_visualization

    nothing = {"images": False, "words": False, "mostBytes": 20_000_000}
    assert app("searches", **app.open()) == nothing
    compute_visualization(app.dataset, "predictions", "seen", method="pca", progress=False)
    about = app.open("seen")
    assert app("searches", **about)["images"] and app("load_backbone", **about) == {}
    file = b64encode(Path(app.dataset.first().filepath).read_bytes()).decode()
    found = app("similar_to_image", image=file, count=3, **about)
    # the three patches of the first image are of one color, and so equally near
    assert found == {"rows": [0, 1, 2], "source": "neighbors", "note": None}
    text = b64encode(b"text").decode()
    assert "no JPEG, PNG" in app("similar_to_image", image=text, **about)["error"]
    assert "knows no words" in app("similar_to_words", words="red", **about)["error"]


def test_the_view_and_the_filters_are_followed_but_not_the_selection(app):
    about = app.open()
    assert app("visible_rows", **about) == {"mask": None, "count": 24}
    app.request["filters"] = {
        "predictions.detections.confidence": {"range": [0.5, 1], "exclude": False,
                                              "isMatching": False}
    }  # fmt: skip
    assert app("visible_rows", **about)["count"] == 12
    stages = app("select_rows", rows=bits([0, 20]), **about)["stages"]
    app.request["extended"] = stages
    assert app("visible_rows", **about)["count"] == 12
    app.request["view"] = app.dataset.limit(5)._serialize()
    assert app("visible_rows", **about)["count"] == 3
    app.request["filters"] = {}
    app.dataset.save_view("one", app.dataset.limit(1))
    app.request["view_name"] = "one"
    assert app("visible_rows", **about)["count"] == 3
    assert app("select_rows", rows=bits(range(24)), **about)["stages"] is None


def test_an_empty_view_has_no_visible_rows(app):
    about = app.open()
    app.request["view"] = app.dataset.match(F("filepath") == "no")._serialize()
    answer = app("visible_rows", **about)
    assert answer["count"] == 0 and not array(answer["mask"]).any()
    assert app("exclude_tagged", tag="a", level="images", **about)["sentence"].startswith("0 of 0")


def test_tag_save_exclude_undo(app):
    about = app.open()
    done = app(
        "tag", rows=bits([1, 4, 9]), tag="needs-review", target="labels", remove=False, **about
    )
    assert done["changed"] == 3 and "3 labels" in done["sentence"]
    assert "reload_samples" in app.triggered
    saved = app("save_tagged_view", tag="needs-review", target="labels", **about)
    assert saved["created"] and app.dataset.list_saved_views() == ["needs-review"]
    excluded = app("exclude_tagged", tag="needs-review", level="labels", **about)
    assert excluded["sentence"].startswith("3 of 24 labels") and "set_view" in app.triggered
    (listed,) = app("changes")["changes"]
    assert listed["token"] == done["undo"] and listed["by"] and listed["at"].startswith("20")
    assert listed["sentence"] == done["sentence"]
    assert app("undo", token=done["undo"])["sentence"].startswith("3 labels no longer have")
    assert app("changes")["changes"] == []
    assert "already undone" in app("undo", token=done["undo"])["error"]
    samples = app("tag", rows=bits([0, 1, 5]), tag="x", target="samples", remove=False, **about)
    assert samples["changed"] == 2


def test_a_row_opens_in_the_modal(app):
    about, results = app.open(), app.dataset.load_brain_results("ours")
    app("open_sample", row=7, **about)
    assert app.triggered["open_sample"] == {"id": results.sample_ids[7], "mode": "explore"}
    app("open_sample", row=7, annotate=True, **about)
    assert app.triggered["open_sample"]["mode"] == "annotate"
    app.request["view"] = app.dataset.to_patches("predictions")._serialize()
    app("open_sample", row=7, **about)
    assert app.triggered["open_sample"]["id"] == results.label_ids[7]


def test_what_went_away_meanwhile_is_stale(app, make_dataset):
    about = app.open()
    other = App(make_dataset())
    assert other("visible_rows", **about)["stale"]  # the App switched to another dataset
    app.dataset.delete_brain_run("ours")
    asked = {"color_columns": {"paths": [LABEL]}, "select_rows": {"rows": bits([1])}}
    for method, params in asked.items():
        assert app(method, **params, **about)["stale"]
    assert "no visualization run" in app("open_run", key="ours")["error"]
    name = app.dataset.name
    fo.delete_dataset(name)
    answer = app("list_runs")
    assert answer["stale"] and "deleted" in answer["error"]


def test_what_a_page_asks_of_one_dataset_is_never_done_to_another(app):
    about = app.open()
    tag = {"rows": bits([1]), "tag": "a", "target": "labels", "remove": False}
    answer = app("tag", dataset="the one before", **tag, **about)
    assert "another dataset" in answer["error"] and app.triggered == {}
    assert app.dataset.count_label_tags("predictions") == {}
    assert app("tag", **tag, **about)["changed"] == 1


def test_what_the_app_is_to_do_travels_in_the_answer(app):
    """FiftyOne would have it done in whatever dataset the App shows when it arrives."""
    executor = Executor()
    about = {"tag": "a", "level": "labels", **app.open()}
    request = {"dataset_id": str(app.dataset._doc.id), "params": about}
    answer = LabelEmbeddings().exclude_tagged(ExecutionContext(request, executor=executor))
    assert [one["operator_uri"] for one in answer["then"]] == ["set_view"]
    assert executor.to_json()["requests"] == []


def test_a_run_without_results_says_so(app):
    foo.get_db_conn().runs.update_one({"key": "ours", "_dataset_id": app.dataset._doc.id},
                                      {"$unset": {"results": 1}})  # fmt: skip
    (run,) = [run for run in app("list_runs")["runs"] if run["key"] == "ours"]
    assert run["state"] == "empty" and "no results" in run["problem"]
    assert "no results" in app("open_run", key="ours")["error"]


def test_a_run_whose_labels_were_deleted_still_opens(app):
    about = app.open()
    app.dataset.set_values("predictions", [None] * 8)
    assert app.open() == about
    (column,) = app("color_columns", paths=[LABEL], **about)["columns"]
    assert column["categories"] == [] and not array(column["codes"]).any()
    assert (
        app("tag", rows=bits([1]), tag="a", target="labels", remove=False, **about)["undo"] is None
    )
    assert "deleted" in app("crops", rows=[1], **about)["crops"][0]["problem"]
    assert app("clusters", path=LABEL, **about)["clusters"][:1] is not None


ROWS = [None, 3, "", "AAAA", {}, ["a"], [1, 2], "!!!!", "A" * 10_000_000, bits([1], 25),
        bits([1])[:-4], bits([1]) + "AAAA", pack(np.array([1.0]), "f4"),
        *(pack(np.array(rows), "u4") for rows in ([24], [3, 1], [1, 1]))]  # fmt: skip
NUMBERS = [-1, 8.5, float("nan"), float("inf"), 10**30, "64", None, [64], True]
ANSWER = {"id": "0" * 24, "sampleId": "0" * 24, "seen": "cat", "verdict": "right"}
PATHS = [None, "$where", "filepath", "a.$b", ["a"], "x" * 501, "/etc/passwd", "predictions._cls"]
FORGED = [
    *(("open_run", {"key": key}) for key in (None, 1, "", "a\0", "x" * 501, {"$ne": 1}, "../x")),
    *(("color_columns", {"paths": [path]}) for path in PATHS),
    *(("color_columns", {"paths": paths}) for paths in (None, LABEL, [], 11 * [LABEL])),
    ("color_columns", {"paths": [LABEL, "$a"]}),
    *((method, {"rows": rows}) for rows in ROWS for method in ("select_rows", "tag", "similar")),
    *(("crops", {"rows": rows}) for rows in (None, 1, [-1], [24], ["1"], [1.0], [True], [1] * 101)),
    *(("crops", {"rows": [1], "size": number}) for number in NUMBERS if number is not None),
    *(("crops", {"rows": [1], "margin": n}) for n in (100.5, *NUMBERS) if n not in (None, 8.5)),
    *(("similar", {"rows": bits([1]), "count": number}) for number in (0, *NUMBERS) if number),
    *(("similar_to_image", {"image": one}) for one in (None, 1, "", "AAAA", "!", "é", ["AAAA"])),
    ("similar_to_image", {"image": "AAAA", "count": 0}),
    *(("similar_to_words", {"words": one}) for one in (None, 1, "\ud800", 10_000 * "x", "a")),
    *(("load_backbone", {"key": key}) for key in (None, "../x", "theirs")),
    *(("open_sample", {"row": row}) for row in (None, -1, 24, "0", 1.5, {"$gt": 0})),
    *(("tag", {"rows": bits([1]), "tag": tag}) for tag in (None, 1, "", "a\n", "x" * 101, ["a"])),
    ("tag", {"rows": bits([1]), "tag": "a", "target": "datasets"}),
    ("tag", {"rows": bits([1]), "tag": "a", "remove": "yes"}),
    ("similar", {"rows": bits([])}),
    ("clusters", {"path": "predictions.detections.confidence"}),
    ("save_tagged_view", {"tag": "a", "name": {"$x": 1}}),
    ("exclude_tagged", {"tag": "a", "level": "all"}),
    *(("undo", {"token": token}) for token in (None, {}, "0" * 24, "a.0")),
    ("undo", {"token": {"$ne": None}}),
    *(("next_issues", {"count": number}) for number in (0, 201, *NUMBERS) if number is not None),
    *(("answer", {"answers": answers}) for answers in (None, [], {}, [1], [ANSWER] * 101)),
    *(
        ("answer", {"answers": [{**ANSWER, **forged}]})
        for forged in (
            {"verdict": "maybe"}, {"verdict": None}, {"id": "x"}, {"id": 1}, {"sampleId": {}},
            {"seen": {"$ne": 1}}, {"verdict": "wrong class"},
            {"verdict": "wrong class", "label": "a\n"}, {"verdict": "wrong class", "label": "cat"},
        )
    ),
    *(("visible_rows", {"run": run}) for run in (None, 1, "", "0" * 48)),
]  # fmt: skip


@pytest.mark.slow
def test_forged_arguments_are_answered_with_a_sentence_and_change_nothing(app):
    about = app.open()
    before = [sample.to_dict() for sample in app.dataset]
    for method, params in FORGED:
        arguments = {"tag": "a"} | about if method == "tag" else about
        answer = app(method, **(arguments | params))
        assert set(answer) == {"error", "stale"}, (method, params)
        assert answer["error"].endswith((".", "'"))
        assert len(answer["error"]) < 1_000 and not app.triggered
    assert [sample.to_dict() for sample in app.dataset] == before
    assert app.dataset.list_saved_views() == []


def test_a_review_asks_writes_and_takes_back(app):
    from labelvet.dataset.patches import read_patches
    from labelvet.issues.find import Judged, write_label_issues
    from labelvet.issues.reasons import Reasons
    from labelvet.issues.suspicion import find_suspects

    about = app.open()
    assert app("next_issues", **about) == {"queue": None}
    table = read_patches(app.dataset, "predictions")
    found = find_suspects(table, np.random.default_rng(51).random((24, 5), dtype=np.float32))
    write_label_issues(app.dataset, "ours", Judged(table, found, Reasons(table, found)))
    queue = app("next_issues", count=10, **about)["queue"]
    assert len(queue["items"]) == 10 and queue["classes"] == ["cat", "dog"]
    first, second = queue["items"][:2]
    assert first["suggestions"] == [first["suggested"]]
    ours = app.dataset.load_brain_results("ours")
    assert ours.label_ids[first["row"]] == first["id"]

    def say(item, verdict, **more):
        answer = {key: item[key] for key in ("id", "sampleId")} | {"seen": item["label"]}
        return app("answer", answers=[{**answer, "verdict": verdict, **more}], **about)

    done = say(first, "wrong class", label="bird")
    assert done["changed"] == 1 and "reload_samples" in app.triggered
    assert say(first, "right")["refused"] == 1  # it is a bird by now
    say(second, "not an object")
    assert app.dataset.count_values(LABEL)["bird"] == 1
    assert app("next_issues", **about)["queue"]["reviewed"] == 2
    assert [one["token"] for one in app("changes")["changes"]][-1] == done["undo"]
    assert app("undo", token=done["undo"])["sentence"] == "Undone: 'dog' is now 'bird'."
    assert "bird" not in app.dataset.count_values(LABEL)


def test_pairs_of_classes_are_shown_and_merged(app):
    about = app.open()
    sample = app.dataset.first()
    sample.predictions.detections[0].label = "Cats"
    sample.save()
    pairs = app("class_pairs", **about)
    assert pairs["source"] == "neighbors"
    (column,) = app("color_columns", paths=[LABEL], **about)["columns"]
    codes = array(column["codes"])
    for pair in pairs["confused"]:
        rows = array(pair["rows"])
        assert len(rows) and (codes[rows] == codes[rows[0]]).all()
    (similar,) = (one for one in pairs["similar"] if one["label"] == "Cats")
    assert (similar["into"], similar["reason"]) == ("cat", "plural")
    assert (similar["labels"], similar["intoLabels"]) == (1, 15)

    done = app("merge_classes", label="Cats", into="cat", **about)
    assert done["sentence"] == "1 label is now 'cat' instead of 'Cats'."
    assert "reload_samples" in app.triggered
    assert app.dataset.count_values(LABEL) == {"cat": 16, "dog": 8}
    (change,) = app("changes")["changes"]
    assert change["token"] == done["undo"]
    assert app("undo", token=done["undo"])["sentence"] == "1 label is 'Cats' again."
    assert app.dataset.count_values(LABEL)["Cats"] == 1
    assert "already" in app("merge_classes", label="cat", into="cat", **about)["error"]
    whole = app.open("theirs")
    assert "whole images" in app("class_pairs", **whole)["error"]
    assert "Whole images" in app("merge_classes", label="cat", into="dog", **whole)["error"]


@pytest.mark.slow
def test_a_map_of_two_fields_is_judged_and_tagged_in_both(compared):
    app = App(compared)
    opened = app("open_run", key="both")
    assert opened["run"]["fields"] == ["predictions", "truth"] and opened["fieldPath"] == "*"
    assert opened["labelPath"] == "*.label" and opened["run"]["numPoints"] == 40
    about = {"key": "both", "run": opened["run"]["run"]}
    columns = app("color_columns", paths=["*", "*.label"], **about)["columns"]
    assert columns[0]["categories"] == ["predictions", "truth"]
    both = {"rows": bits([1, 4, 24], 40), **about}
    assert app("select_rows", **both)["count"] == 3
    crops = app("crops", rows=[24, 0], **about)["crops"]
    assert [crop["field"] for crop in crops] == ["truth", "predictions"]
    done = app("tag", tag="needs-review", target="labels", **both)
    assert done["changed"] == 3 and "added to 3 labels" in done["sentence"]
    predictions, truth = (
        [tags for of_sample in compared.values(f"{field}.detections.tags") for tags in of_sample]
        for field in FIELDS
    )
    assert [row for row, tags in enumerate(predictions) if tags] == [1, 4]
    assert [row for row, tags in enumerate(truth) if tags] == [0]
    saved = app("save_tagged_view", tag="needs-review", target="labels", **about)
    assert "the labels of 'predictions' and 'truth'" in saved["sentence"]
    view = compared.load_saved_view("needs-review")
    assert [view.count(f"{field}.detections") for field in FIELDS] == [2, 1] and len(view) == 2
    excluded = app("exclude_tagged", tag="needs-review", level="labels", **about)["sentence"]
    assert "2 of 24 labels of 'predictions'" in excluded and "1 of 16 labels of 'truth'" in excluded
    assert len(app("changes")["changes"]) == 1  # one key takes all of it back
    assert app("undo", token=done["undo"])["sentence"].startswith("3 labels no longer have")
    assert compared.count_label_tags("truth") == compared.count_label_tags("predictions") == {}
    similar = app("similar", rows=bits([30], 40), count=5, **about)
    assert similar["source"] == "neighbors" and len(similar["rows"]) == 5
    assert len(array(app("clusters", path="*.label", **about)["codes"])) == 40
    assert app("class_pairs", **about)["source"] == "neighbors"
    compared.save_view("patches", compared.to_patches("truth"))
    app.request["view"] = compared.load_saved_view("patches")._serialize()
    app("open_sample", row=24, **about)
    assert app.triggered["open_sample"]["id"] == compared.values("truth.detections.id")[0][0]
    first = compared.first()
    first.truth.detections[0].label = "Cats"
    first.save()
    (pair,) = (one for one in app("class_pairs", **about)["similar"] if one["label"] == "Cats")
    assert (pair["field"], pair["into"], pair["intoLabels"]) == ("truth", "cat", 7)
    merge, other = {"label": "Cats", "into": "cat", **about}, {"field": "other"}
    assert "no labels of the class 'Cats'" in app("merge_classes", **merge)["error"]
    assert "'other' is no field of this map" in app("merge_classes", **other, **merge)["error"]
    assert app("merge_classes", field="truth", **merge)["changed"] == 1
    compared.delete_sample_field("truth")
    left = app("open_run", key="both")
    assert left["run"]["fields"] == ["predictions"] and left["run"]["numPoints"] == 24
    assert "no field 'truth'" in left["run"]["note"] and left["labelPath"] is not None
    assert app("color_columns", paths=[left["labelPath"]], key="both", run=left["run"]["run"])


def test_one_answer_is_for_the_labels_of_one_field(compared):
    app = App(compared)
    about = app.open("both")
    both = app("plan_many", rows=bits([1, 24], 40), way="relabel", label="bird", **about)
    assert "labels of 'predictions' and 'truth'" in both["error"]
    asked = {"rows": bits([24, 25], 40), "way": "relabel", "label": "bird", **about}
    assert app("answer_many", **asked)["changed"] == 2
    assert compared.count_values("truth.detections.label")["bird"] == 2
    assert "bird" not in compared.count_values("predictions.detections.label")
