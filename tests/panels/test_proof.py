"""An audit in *Label embeddings*, a target in *Auto Labeling*, and the operators of both."""

import base64
import json

import pytest
from fiftyone.operators.executor import ExecutionContext, Executor
from labelvet.core.errors import InvalidParameter
from labelvet.issues.find import find_label_issues
from labelvet.operators.audit_labels import ApproveToTarget, AuditLabels
from labelvet.operators.label_report import LabelReport
from labelvet.panels.auto_labeling import AutoLabeling
from labelvet.panels.label_embeddings import LabelEmbeddings
from panel_app import PanelApp

FIELD = "labels"


class Review(PanelApp):
    panel = LabelEmbeddings


class Approval(PanelApp):
    panel = AutoLabeling


@pytest.fixture
def dataset(flipped_labels):
    dataset, _ = flipped_labels
    find_label_issues(dataset, "map")
    return dataset


def answer(review, run, count, verdict="right"):
    items = review("next_issues", **run, count=count, audit=True)["queue"]["items"]
    given = [
        {"id": one["id"], "sampleId": one["sampleId"], "seen": one["label"], "verdict": verdict}
        for one in items
    ]
    return review("answer", **run, answers=given)


def execute(operator, dataset, **params):
    request = {"dataset_name": dataset.name, "params": params}
    return operator.execute(ExecutionContext(request, executor=Executor()))


@pytest.mark.slow
def test_an_audit_is_asked_like_the_queue(dataset):
    review = Review(dataset)
    run = {"key": "map", "run": review("open_run", key="map")["run"]["run"]}
    assert review("next_issues", **run, audit=True) == {"queue": None}
    begun = review("begin_audit", **run)
    assert begun["sentence"].startswith("Audit of 120 labels")
    asked = review("next_issues", **run, count=10, audit=True)["queue"]
    queued = review("next_issues", **run, count=10)["queue"]
    assert asked.keys() == queued.keys() and asked["items"][0].keys() == queued["items"][0].keys()
    assert asked["reviewed"] == 0 and len(asked["items"]) == 10
    answer(review, run, 30)
    after = review("next_issues", **run, audit=True)["queue"]
    assert after["reviewed"] == 30 and "after 30 answers" in after["sentence"]
    assert "Answers are taken as the truth" in after["notes"][-1]
    assert review("begin_audit", **run)["sentence"] == after["sentence"]  # it goes on
    said = execute(AuditLabels(), dataset, brain_key="map")["summary"]
    assert said.startswith(after["sentence"])
    # what was found right is known, and not asked again
    anew = review("begin_audit", **run, anew=True)["sentence"]
    assert anew.startswith("Audit of 120 labels")
    assert len(review("next_issues", **run, count=200, audit=True)["queue"]["items"]) == 90


@pytest.mark.slow
def test_a_target_is_proven_and_fills_the_basket(dataset):
    approval, review = Approval(dataset), Review(dataset)
    run = {"key": "map", "run": review("open_run", key="map")["run"]["run"]}
    source = {"field": FIELD, "run": None}
    progress = approval("review", **source)["progress"]
    assert (progress["target"], progress["proof"], progress["proven"]) == (None, None, 0)
    assert "No sample can prove" in approval("begin_target", **source, target=100)["error"]
    assert "must be" in approval("begin_target", **source, target=20)["error"]
    assert "Set a target first" in approval("fill_basket", **source)["error"]
    approval("begin_target", **source, target=80)
    answer(review, run, 45)
    progress = approval("review", **source)["progress"]
    assert progress["proven"] > 0 and progress["target"].startswith("Proven: at least")
    assert progress["targetKey"] == "map"
    done = approval("fill_basket", **source)
    progress = approval("review", **source)["progress"]
    assert progress["basket"] == done["changed"] > 0
    assert progress["proof"] == done["sentence"] and progress["proofHolds"]
    approval("remove", **source, classes=[progress["inBasket"][-1][0]])
    assert not approval("review", **source)["progress"]["proofHolds"]
    approved = approval("approve", **source, into="truth")
    assert approved["sentence"].endswith("the proof no longer holds.")
    assert approval("review", **source)["progress"]["rounds"][0]["proof"] is None


@pytest.mark.slow
def test_second_answers_are_asked_and_given_and_undone_like_others(dataset):
    review = Review(dataset)
    run = {"key": "map", "run": review("open_run", key="map")["run"]["run"]}
    execute(AuditLabels(), dataset, brain_key="map", twice=50)
    answer(review, run, 40)  # by nobody else, so the first are asked again
    items = review("next_issues", **run, count=200, audit=True)["queue"]["items"]
    first, *more = [one for one in items if one["again"]]
    assert more and not items[-1]["again"]
    one = {name: first[name] for name in ("id", "sampleId")}
    given = [{**one, "seen": first["label"], "verdict": "not an object"}]
    done = review("answer", **run, answers=given, again=True)
    assert (done["changed"], done["refused"]) == (1, 0) and "stays as it is" in done["sentence"]
    queue = review("next_issues", **run, count=200, audit=True)["queue"]
    assert first["id"] not in {item["id"] for item in queue["items"]} and queue["reviewed"] == 41
    assert any("was asked again later and answered the same for 0 of 1" in note
               for note in queue["notes"])  # fmt: skip
    assert "undone" in review("undo", token=done["undo"])["sentence"]
    assert review("next_issues", **run, audit=True)["queue"]["items"][0]["id"] == first["id"]


@pytest.mark.slow
def test_each_class_can_be_asked_to_meet_the_target(dataset):
    approval, review = Approval(dataset), Review(dataset)
    source = {"field": FIELD, "run": None}
    said = execute(ApproveToTarget(), dataset, brain_key="map", target=80, per_class=True)
    begun = approval("begin_target", **source, target=80, perClass=True)
    assert said["summary"].startswith(begun["sentence"])
    assert "each of 4 classes" in begun["sentence"]
    answer(review, {"key": "map", "run": review("open_run", key="map")["run"]["run"]}, 60)
    progress = approval("review", **source)["progress"]
    assert {note.split(":")[0] for note in progress["targetNotes"][:4]} == {"c0", "c1", "c2", "c3"}


@pytest.mark.slow
def test_the_operator_begins_a_target_and_fills_the_basket(dataset):
    with pytest.raises(InvalidParameter, match="Set a target first"):
        execute(ApproveToTarget(), dataset, brain_key="map", step="fill")
    said = execute(ApproveToTarget(), dataset, brain_key="map", target=80)["summary"]
    assert said.startswith("To prove which labels are at least 80% right")
    review = Review(dataset)
    answer(review, {"key": "map", "run": review("open_run", key="map")["run"]["run"]}, 45)
    filled = execute(ApproveToTarget(), dataset, brain_key="map", step="fill")["summary"]
    assert filled.startswith("At least 80% of these")


def test_the_report_is_downloaded(dataset):
    request = {"dataset_name": dataset.name, "params": {"brain_key": "map", "json": True}}
    context = ExecutionContext(request, executor=Executor())
    assert LabelReport().execute(context)["summary"] == f"Downloaded: `{dataset.name}-map.json`."
    (asked,) = context.executor._requests
    head, content = asked.params["url"].split(",", 1)
    assert head == "data:application/json;charset=utf-8;base64"
    assert json.loads(base64.b64decode(content))["field"] == FIELD
