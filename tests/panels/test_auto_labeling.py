"""The panel's methods, called as the App's server calls them."""

import json
import re
from datetime import datetime, timedelta, timezone

import fiftyone as fo
import pytest
from fiftyone import ViewField as F
from fiftyone.operators.executor import ExecutionContext, Executor
from label_types import PATCHES, as_field, label_at
from labelvet.autolabel.runs import AutoLabelRun, save_run
from labelvet.core.versions import PLUGIN
from labelvet.panels.auto_labeling import AutoLabeling
from labelvet.workers.operations import cancel
from packed import array
from panel_app import PanelApp

FIELD = "predictions"
TRUTH = "ground_truth"
BOX = [0.1, 0.2, 0.3, 0.4]


class App(PanelApp):
    """Its view follows what the panel does with it."""

    panel = AutoLabeling

    def __call__(self, method, **params):
        answer = super().__call__(method, **params)
        if "clear_view" in self.triggered:
            self.request["view"] = []
        if "set_view" in self.triggered:
            self.request["view"] = json.loads(json.dumps(self.triggered["set_view"]["view"]))
        return answer

    @property
    def view(self):
        import fiftyone.server.view as fosv

        return fosv.get_view(self.dataset, stages=self.request["view"])


@pytest.fixture
def app(judged):
    return App(judged)


def open_counts(answer):
    counts = array(answer["review"]["open"])
    return counts.reshape(len(answer["review"]["classes"]), -1)


def test_every_method_has_a_uri(app):
    context = ExecutionContext({"params": {}}, executor=Executor())
    view = AutoLabeling().render(context).to_json()["view"]
    assert view["component"] == "AutoLabeling"
    assert {"overview", "review", "show", "add", "approve", "finalize", "undo"} <= set(view)


def test_the_keys_do_what_the_page_says():
    source = (PLUGIN / "panels" / "auto_labeling" / "web" / "ApprovalPage.tsx").read_text()
    does = dict(re.findall(r'key: "(\w)", does: "(\w+)', source))
    page = (PLUGIN / "docs" / "auto-labeling.md").read_text()
    said = {"a": "Add", "f": "Flag", "p": "Approve", "r": "Remove", "z": "Undo"}
    assert set(re.findall(r"\*\*(\w)\*\*", page)) == set(said)
    assert said.items() <= does.items()


def test_runs_and_fields_are_listed(app):
    save_run(app.dataset, AutoLabelRun("first", FIELD, "a.pt", None, 0.2, state="in_review"))
    save_run(app.dataset, AutoLabelRun("next", FIELD, "a.pt", None, 0.2, error=None))
    overview = app("overview")
    assert {run["name"]: run["state"] for run in overview["runs"]} == {
        "first": "in_review",
        "next": "generating",
    }
    assert overview["fields"] == [FIELD, "weather"]


def test_a_run_that_was_cut_off_says_how_it_goes_on(app):
    long_ago = datetime.now(timezone.utc) - timedelta(hours=1)
    run = AutoLabelRun("first", FIELD, "a.pt", None, 0.2, created=long_ago, seen=long_ago)
    save_run(app.dataset, run)
    (shown,) = app("overview")["runs"]
    assert shown["state"] == "failed" and "with the same name to continue" in shown["error"]


def test_a_run_shows_what_its_operation_says(app, empty_queue):
    from fiftyone.operators.delegated import DelegatedOperationService
    from fiftyone.operators.executor import ExecutionProgress

    service = DelegatedOperationService()
    save_run(app.dataset, AutoLabelRun("first", FIELD, "a.pt", None, 0.2))
    operations = {}
    for name in ("first", "second"):
        params = {"run_name": name, "label_field": FIELD, "model": "a.pt"}
        operations[name] = service.queue_operation(
            operator="@labelvet/labelvet/auto_label",
            context=ExecutionContext(
                {"dataset_id": str(app.dataset._doc.id), "dataset_name": app.dataset.name,
                 "params": params}
            ),
        )  # fmt: skip
    service.set_running(operations["first"].id)
    service.set_progress(operations["first"].id, ExecutionProgress(0.4, "Labeling"))
    runs = {run["name"]: run for run in app("overview")["runs"]}
    assert runs["first"]["progress"] == 0.4 and "Labeling" in runs["first"]["line"]
    assert runs["second"]["state"] == "generating" and runs["second"]["field"] == FIELD
    service.set_failed(operations["first"].id)
    assert app("overview")["runs"][-1]["state"] == "failed"
    cancel(str(operations["second"].id))
    (second,) = (run for run in app("overview")["runs"] if run["name"] == "second")
    assert (second["state"], second["error"]) == ("canceled", "Canceled before it started.")


def test_a_run_that_a_script_filled_in_wrongly_does_not_hide_the_others(app, empty_queue):
    from fiftyone.operators.delegated import DelegatedOperationService

    save_run(app.dataset, AutoLabelRun("first", FIELD, "a.pt", None, 0.2))
    params = {"run_name": "next", "label_field": 5, "model": {"name": "a.pt"}}
    DelegatedOperationService().queue_operation(
        operator="@labelvet/labelvet/auto_label",
        context=ExecutionContext({"dataset_id": str(app.dataset._doc.id), "params": params}),
    )
    next_, first = app("overview")["runs"]
    assert (next_["name"], next_["field"], next_["model"]) == ("next", None, None)
    assert first["name"] == "first"


@pytest.mark.slow
def test_the_loop_is_walked(app, tmp_path):
    about = {"field": FIELD, "run": None}
    answer = app("review", **about)
    assert answer["review"]["classes"] == ["cat", "dog"] and open_counts(answer).sum() == 24
    assert answer["progress"]["found"] == answer["progress"]["left"] == 24

    # the grid shows what is selected, and the review goes on counting all of the view
    some = {"low": 0.5, "high": None, "classes": ["cat"]}
    assert app("show", state="open", **some, **about)["shown"] == 8
    assert [stage["_cls"].rsplit(".", 1)[-1] for stage in app.request["view"]] == [
        "ToPatches", "FilterLabels",
    ]  # fmt: skip
    assert open_counts(app("review", **about)).sum() == 24
    assert app("show", state="open", **{**some, "low": 0.9}, **about)["shown"] == 1
    assert len(app.request["view"]) == 2

    done = app("add", **some, **about)
    assert done["changed"] == 8 and done["undo"] and "reload_samples" in app.triggered
    assert app("show", state="basket", **about)["shown"] == 8
    assert app("review", **about)["progress"]["inBasket"] == [["cat", 8]]
    app.request["selected"] = [app.view.first().id]
    assert app("remove", selected=True, **about)["changed"] == 1
    app.request["selected"] = [app.view.first().id]
    assert app("flag", **about)["sentence"].startswith("1 label flagged")
    app.request["selected"] = []
    assert app("review", **about)["progress"]["basket"] == 6

    approved = app("approve", into=TRUTH, rule="keep", **about)
    assert approved["changed"] == 6 and "reload_dataset" in app.triggered
    progress = app("review", **about)["progress"]
    assert (progress["approved"], progress["flagged"], progress["left"]) == (6, 1, 17)
    assert progress["rounds"][0]["into"] == TRUTH
    assert "18 labels are not approved now" in app("finalize", count=3, **about)["error"]
    removed = app("finalize", count=18, **about)
    assert app("show", state="all", **about)["shown"] == 6
    assert app("changes")["changes"][0]["token"] == removed["undo"]
    assert app("undo", token=removed["undo"])["anew"] is True
    assert app("show", state="all", anew=True, edition=2, **about)["shown"] == 24
    app("finalize", count=18, **about)
    assert "18 removed labels" in app("finish", **about)["sentence"]
    app("show_images")
    app.dataset.reload()
    assert app.request["view"] == []
    assert app.dataset.count(f"{TRUTH}.detections") == app.dataset.count(f"{FIELD}.detections") == 6


@pytest.mark.slow
@pytest.mark.parametrize("field", PATCHES)
def test_labels_of_every_type_are_reviewed(make_dataset, field):
    dataset = make_dataset()
    boxes = {"confidence": [0.7, 0.9] if field.startswith("keypoint") else 0.8}
    names = ("a", "b") if field.endswith("s") else ("a",)
    dataset.add_samples(
        [
            fo.Sample(
                f"/{image}.jpg",
                found=as_field(field, [label_at(field, BOX, name, **boxes) for name in names]),
            )
            for image in range(3)
        ]
    )
    app, about = App(dataset), {"field": "found", "run": None}
    app.request["view"] = dataset.skip(1)._serialize()
    assert "found" in app("overview")["fields"]
    assert open_counts(app("review", **about)).sum() == 2 * len(names)
    some = {"low": 0.79, "high": 0.81, "classes": ["a"]}
    assert app("show", state="open", **some, **about)["shown"] == 2
    patches = field in ("detections", "polylines", "keypoints")
    assert ("ToPatches" in str(app.request["view"])) == patches
    assert app("add", **some, **about)["changed"] == 2
    assert app("show", state="basket", **about)["shown"] == 2
    app.request["selected"] = []
    assert f"Select {'patches' if patches else 'images'}" in app("flag", **about)["error"]
    app.request["selected"] = [app.view.first().id]
    assert app("remove", selected=True, **about)["changed"] == 1
    app.request["selected"] = [app.view.first().id]
    assert app("flag", **about)["sentence"].startswith("1 label flagged")
    app.request["selected"] = []
    assert app("add", **some, **about)["changed"] == 1  # what was flagged stays out
    assert app("approve", into="truth", rule="keep", **about)["changed"] == 1
    assert app("show", state="approved", **about)["shown"] == 1
    app("show_images")
    assert len(app.view) == 2
    progress = app("review", **about)["progress"]
    assert (progress["approved"], progress["flagged"]) == (1, 1)


def test_keypoints_without_some_point_are_shown_as_images(make_dataset):
    dataset, nowhere = make_dataset(), (float("nan"), float("nan"))
    for image in range(2):
        found = [label_at("keypoints", BOX), fo.Keypoint(label="b", points=[(0.1, 0.2), nowhere])]
        dataset.add_sample(fo.Sample(f"/{image}.jpg", found=fo.Keypoints(keypoints=found)))
    app, about = App(dataset), {"field": "found", "run": None}
    app.request["selected"] = dataset.values("id")
    for method in ("flag", "remove"):  # which labels of these images is not known yet
        assert "Show the labels first" in app(method, selected=True, **about)["error"]
    assert app("show", state="open", classes=["b"], **about)["shown"] == 2
    assert "ToPatches" not in str(app.request["view"])
    app.request["selected"] = [dataset.first().id]
    assert app("flag", **about)["sentence"].startswith("1 label flagged")  # what is shown of it
    assert dataset.values("found.keypoints.tags") == [[[], ["needs-review"]], [[], []]]
    assert app("show", state="open", **about)["shown"] == 2
    path, other = "found.keypoints.label", dataset.last().id
    app.request["filters"] = {path: {"values": ["b"], "exclude": False, "isMatching": False}}
    app.request["selected"] = [other]
    assert app("flag", **about)["sentence"].startswith("1 label flagged")
    assert dataset.values("found.keypoints.tags")[1] == [[], ["needs-review"]]


def test_what_the_view_or_the_sidebar_excludes_never_gets_in(app):
    about = {"field": FIELD, "run": None}
    app.request["view"] = app.dataset.filter_labels(FIELD, F("label") == "cat")._serialize()
    app.request["filters"] = {
        f"{FIELD}.detections.confidence": {
            "range": [0.5, 1], "exclude": False, "isMatching": False, "none": False,
        }
    }  # fmt: skip
    assert open_counts(app("review", **about)).sum() == 8
    assert app("show", state="open", **about)["shown"] == 8
    assert "clear_sidebar_filters" in app.triggered
    app.request["filters"] = {}
    assert app("add", **about)["changed"] == 8
    app("show_images")
    assert "ToPatches" not in str(app.request["view"])
    assert app.view.count(f"{FIELD}.detections") == 8
    app.request["view"] = app.dataset.match(F("filepath") == "none")._serialize()
    assert "clear the view" in app("add", **about)["error"]


def test_patches_are_selected_before_anything_is_done_with_them(app):
    about = {"field": FIELD, "run": None}
    app.request["selected"] = [app.dataset.first().id]
    for method in ("flag", "remove"):
        assert "as patches first" in app(method, selected=True, **about)["error"]
    app("show", state="open", **about)
    for selected in ([], ["x"], [1], [{"id": "0" * 24}]):
        app.request["selected"] = selected
        assert "error" in app("flag", **about)


@pytest.mark.parametrize(
    "method, params",
    [
        ("review", {}),
        ("review", {"field": "nothing"}),
        ("review", {"field": {"$ne": 1}}),
        ("review", {"field": "filepath"}),
        ("review", {"field": FIELD, "run": ["first"]}),
        ("show", {"field": FIELD, "state": "elsewhere"}),
        ("show", {"field": FIELD, "low": "0"}),
        ("add", {"field": FIELD, "low": 0.9, "high": 0.1}),
        ("add", {"field": FIELD, "low": float("nan")}),
        ("add", {"field": FIELD, "classes": "cat"}),
        ("add", {"field": FIELD, "classes": [{"$ne": "cat"}]}),
        ("add", {"field": FIELD, "classes": ["a" * 501]}),
        ("remove", {"field": FIELD, "selected": "yes"}),
        ("approve", {"field": FIELD}),
        ("approve", {"field": FIELD, "into": FIELD}),
        ("approve", {"field": FIELD, "into": "a.b"}),
        ("approve", {"field": FIELD, "into": TRUTH, "rule": "merge"}),
        ("finalize", {"field": FIELD}),
        ("finalize", {"field": FIELD, "count": "all"}),
        ("undo", {}),
        ("undo", {"token": {"$ne": 1}}),
    ],
)
def test_forged_arguments_are_refused_and_change_nothing(app, method, params):
    before = [sample.to_dict() for sample in app.dataset]
    assert app(method, **params)["error"]
    app.dataset.reload()
    assert [sample.to_dict() for sample in app.dataset] == before


def test_a_deleted_dataset_says_so(judged):
    app = App(judged)
    fo.delete_dataset(judged.name)
    assert "deleted" in app("overview")["error"]
