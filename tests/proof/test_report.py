"""The label report: what it counts, and the page."""

from __future__ import annotations

import itertools
import json

import fiftyone as fo
import numpy as np
import pytest
from labelvet.approval.approve import approve
from labelvet.approval.basket import add_labels
from labelvet.approval.candidates import Selection, find_candidates
from labelvet.autolabel.runs import AutoLabelRun, save_run
from labelvet.cli import main
from labelvet.core.errors import InvalidParameter
from labelvet.dataset.documents import hex_ids
from labelvet.proof.audits import begin_audit
from labelvet.proof.report import label_report, report_page, write_report
from labelvet.proof.results import read_result
from labelvet.review.answers import give_answers
from labelvet.review.verdicts import Answer
from labelvet.visualization.compute import compute_visualization
from PIL import Image

FIELD = "labels"


@pytest.fixture
def audited(judged):
    dataset, flipped = judged
    audit = begin_audit(dataset, "map", by="ada", seed=1)
    rows = read_result(dataset, audit, ahead=40).open
    asked = zip(hex_ids(audit.sample_ids[rows]), hex_ids(audit.ids[rows]), rows, strict=True)
    answers = [
        Answer(sample, id_, audit.class_of(row), "wrong class", "<i>else</i>")
        if id_ in flipped
        else Answer(sample, id_, audit.class_of(row), "right")
        for sample, id_, row in asked
    ]
    give_answers(dataset, FIELD, answers, "ada")
    return dataset, audit, answers


@pytest.mark.slow
def test_its_numbers_are_those_of_the_answers(audited):
    dataset, audit, answers = audited
    save_run(dataset, AutoLabelRun("first", FIELD, "a.pt", None, 0.2))
    report = label_report(dataset, "map")
    assert len(report["answers"]) == 40 and report["reviewers"] == {"ada": 40}
    by_id = {one["id"]: one["verdict"] for one in report["answers"]}
    assert by_id == {answer.label_id: answer.verdict for answer in answers}
    wrong = sum(answer.verdict == "wrong class" for answer in answers)
    (found,) = report["audits"]
    assert (found["answers"], found["wrong"], found["by"]) == (40, wrong, "ada")
    assert found["sentence"] == read_result(dataset, audit).sentence
    assert report["verdicts"].get("wrong class", 0) == wrong
    assert sum(one["labels"] for one in report["confusions"]) == wrong
    (run,) = report["runs"]
    assert (run["name"], run["field"], run["model"]) == ("first", FIELD, "a.pt")
    assert report["progress"]["found"] == 120 and len(report["map"]) == 120


@pytest.mark.slow
def test_a_target_has_no_interval_of_all_labels(audited):
    dataset, _, _ = audited
    begin_audit(dataset, "map", target=0.8, seed=1)
    of_target, sampled = sorted(
        label_report(dataset, "map")["audits"], key=lambda one: one["target"] is None
    )
    assert of_target["target"] == 0.8
    assert of_target["low"] is of_target["estimate"] is of_target["high"] is None
    assert 0 < sampled["low"] < sampled["estimate"] < sampled["high"]


@pytest.mark.slow
def test_the_rounds_of_every_run_are_told(judged):
    dataset, _ = judged
    labels = dataset.values(f"{FIELD}.detections")
    for of_image, run in zip(labels, itertools.cycle([None, "first"])):
        for label in of_image:
            label["auto_label_run"] = run
    dataset.set_values(f"{FIELD}.detections", labels, dynamic=True)
    for run in ("first", None):
        candidates = find_candidates(dataset, FIELD, run)
        add_labels(candidates, Selection())
        approve(candidates, "truth", by="ada")
    rounds = label_report(dataset, "map")["progress"]["rounds"]
    assert [(one["into"], one["by"]) for one in rounds] == [("truth", "ada")] * 2


def test_labels_of_frames_have_their_progress(make_dataset, tmp_path):
    dataset, video = make_dataset(), fo.Sample("/video.mp4")
    for number in range(1, 7):
        path = tmp_path / f"{number}.jpg"
        Image.new("RGB", (60, 40), (40 * number, 90, 50)).save(path)
        box = fo.Detection(label="cat", bounding_box=[0.1, 0.1, 0.4, 0.4])
        video.frames[number] = fo.Frame(filepath=str(path), boxes=fo.Detections(detections=[box]))
    dataset.add_sample(video)
    compute_visualization(
        dataset.to_frames(), "boxes", "map", embeddings=np.eye(6), method="pca", progress=False
    )
    assert label_report(dataset, "map")["progress"]["found"] == 6


@pytest.mark.slow
def test_what_is_left_is_shown_with_its_reasons(audited):
    dataset, _, answers = audited
    report = label_report(dataset, "map")
    answered = {answer.label_id for answer in answers}
    suspects = report["suspects"]
    assert suspects and not answered & {one["id"] for one in suspects}
    assert [one["suspicion"] for one in suspects] == sorted(
        (one["suspicion"] for one in suspects), reverse=True
    )
    page = report_page(report)
    assert report["expected"] in page and "most suspicious labels that are left" in page


@pytest.mark.slow
def test_the_page_says_the_same_and_whatever_names_hold_is_text(audited, tmp_path):
    dataset, audit, _ = audited
    page, data = write_report(dataset, "map", str(tmp_path / "labels.html"))
    text = page.read_text()
    assert read_result(dataset, audit).sentence.split(";")[0] in text
    assert "<i>else" not in text and "&lt;i&gt;else" in text
    assert 'src="http' not in text and "<script" not in text
    report = json.loads(data.read_text())
    assert report_page(report) == text
    for path in (
        str(page),
        str(tmp_path / "labels.txt"),
        "",
        None,
        str(tmp_path / "no" / "a.html"),
    ):
        with pytest.raises(InvalidParameter):
            write_report(dataset, "map", path)
    write_report(dataset, "map", page, overwrite=True)


def test_the_command_writes_it(audited, tmp_path, capsys):
    dataset, _, _ = audited
    file = tmp_path / "labels.html"
    main(["report", dataset.name, str(file), "--brain-key", "map"])
    assert capsys.readouterr().out.split() == [str(file), str(file.with_suffix(".json"))]
    with pytest.raises(SystemExit):
        main(["report", dataset.name, str(file), "--brain-key", "map"])
    assert "already exists" in capsys.readouterr().err
