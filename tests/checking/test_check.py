"""``labelvet check``, ``open`` and ``export`` as their user runs them, in an empty home."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import fiftyone as fo
import labelvet
import pytest
from label_files import WRITERS, write_yolo
from labelvet.issues.find import find_label_issues

# each test starts several processes with FiftyOne
pytestmark = pytest.mark.processes

IMAGES = 24
# runs Python in the database of a check, as another tool would see it
INSIDE = """
import sys
from labelvet.checking.place import enter
from pathlib import Path
path = sys.argv[1]
enter(Path(path).stem, repr(["YOLO", path, "None", "None", "None"]))
import fiftyone as fo
from labelvet.review.answers import give_answers
from labelvet.review.verdicts import Answer
dataset = fo.load_dataset("check")
"""


@pytest.fixture(scope="module")
def truth(coco128_folder):
    everything = json.loads((coco128_folder / "ground_truth.json").read_text())
    images = sorted(coco128_folder.glob("images/*.jpg"))
    images = [path for path in images if path.name in everything][:IMAGES]
    listed = {path.name: list(everything[path.name]) for path in images}
    for entries in list(listed.values())[:4]:  # an object each that is labeled twice, for certain
        x, y, w, h = max((entry["box"] for entry in entries), key=lambda box: box[2] * box[3])
        label = next(entry["label"] for entry in entries if entry["box"] == [x, y, w, h])
        entries.append({"label": label, "box": [x, y, 0.99 * w, 0.99 * h]})
    return images, listed


@pytest.fixture(scope="module")
def classes(truth):
    return sorted({entry["label"] for entries in truth[1].values() for entry in entries})


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def run(home):
    """Runs labelvet, or Python, with a home of its own and no terminal."""

    def call(*arguments, status=0, python=False):
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("FIFTYONE_", "LABELVET_")) or name == "FIFTYONE_DO_NOT_TRACK"
        }
        command = ["-c"] if python else ["-m", "labelvet"]
        ended = subprocess.run(
            [sys.executable, *command, *map(str, arguments)],
            env={**kept, "HOME": str(home)},
            cwd=home,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert ended.returncode == status, ended.stdout + ended.stderr
        assert "Traceback" not in ended.stderr
        return ended

    return call


@pytest.fixture(scope="module")
def checked(truth, classes, run, home):
    """A YOLO dataset that was checked, and what was printed."""
    file = write_yolo(home / "yolo", *truth, classes)
    listed = home / "issues.json"
    ended = run("check", file, "--json", listed, "--fail-if", "wrong > 0.1%", status=1)
    return file, ended, json.loads(listed.read_text())


def test_it_finds_what_the_app_finds(checked, truth, make_dataset):
    _, _, listed = checked
    dataset = make_dataset()
    dataset.add_samples(
        [
            fo.Sample(
                str(path),
                labels=fo.Detections(
                    detections=[
                        fo.Detection(label=entry["label"], bounding_box=entry["box"])
                        for entry in truth[1][path.name]
                    ]
                ),
            )
            for path in truth[0]
        ]
    )
    labelvet.compute_visualization(dataset, "labels", "map", method="pca", seed=7, progress=False)
    found = find_label_issues(dataset, "map")
    assert listed["labels"] == found.checked
    assert {n: c for n, c in listed["counts"].items() if n != "wrong"} == found.counts
    issues = [
        issue
        for issue in dataset.values("labels.detections.issue", unwind=True)
        if issue is not None
    ]
    assert sorted(issue["issue"] for issue in listed["issues"]) == sorted(issues)
    assert listed["counts"]["wrong"] == len(issues) > 0


def test_what_it_prints(checked):
    file, ended, listed = checked
    lines = ended.stdout.splitlines()
    assert lines[0].startswith(f"YOLO: {IMAGES} images, {listed['labels']} labels")
    assert any(line.split()[:1] == ["mislabeled"] for line in lines)
    assert f"The worst {min(20, len(listed['issues']))}" in ended.stdout
    worst = listed["issues"][0]
    assert f"{worst['place']}" in ended.stdout and worst["place"].startswith(str(file.parent))
    wrong, labels = listed["counts"]["wrong"], listed["labels"]
    counted = f"{wrong} labels, {100 * wrong / labels:.1f}% of {labels} labels"
    assert ended.stderr.splitlines()[-1] == f"Failed: wrong > 0.1% ({counted})."
    assert "Embedding patches" in ended.stderr


def test_a_second_run_computes_nothing_and_may_write_a_page(checked, run, home):
    file, first, listed = checked
    page = home / "page.html"
    again = run("check", file, "--fail-if", "wrong > 90%", "--report", page)
    assert f"Written to '{page}'." in again.stdout and str(file) in page.read_text()
    assert page.read_text().count('src="data:image/') == min(24, listed["labels"])
    assert listed["issues"][0]["place"] in page.read_text()
    assert again.stdout.splitlines()[1:3] == first.stdout.splitlines()[1:3]
    assert "Embedding" not in again.stderr


@pytest.mark.parametrize("format_", ["coco", "voc"])
def test_another_format_gives_the_same_issues(format_, checked, truth, classes, run, home):
    path = WRITERS[format_](home / format_, *truth, classes)
    run("check", path, "--json", home / f"{format_}.json", "--worst", 0)
    other = json.loads((home / f"{format_}.json").read_text())
    # each format rounds boxes in its own way, which decides on labels that are as likely right
    certain = [
        {
            (Path(i["file"]).name, i["label"], i["issue"])
            for i in listed["issues"]
            if i["probability"] > 0.7
        }
        for listed in (other, checked[2])
    ]
    assert certain[0] == certain[1] and len(certain[0]) >= 4
    assert other["labels"] == checked[2]["labels"]
    found_by = {"coco": r"{}: annotation \d+, index \d+", "voc": r".*/{}\.xml:object \d+"}[format_]
    for issue in other["issues"]:
        file = Path(issue["file"])
        name = re.escape(file.name if format_ == "coco" else file.stem)
        assert re.fullmatch(found_by.format(name), issue["place"])


def test_a_dataset_of_fiftyone_is_only_read(coco128, run, home):
    uri = os.environ["FIFTYONE_DATABASE_URI"]
    subset = coco128.limit(6).clone("to be checked")
    before = subset.get_field_schema(flat=True).keys()
    try:
        (home / ".fiftyone").mkdir(exist_ok=True)
        (home / ".fiftyone" / "config.json").write_text(json.dumps({"database_uri": uri}))
        said = run("check", "fiftyone:to be checked", status=2).stderr
        assert "--field" in said and "ground_truth, predictions" in said
        name = "fiftyone:to be checked"
        ended = run("check", name, "--field", "predictions", "--json", home / "fo.json")
        assert "FiftyOne: 6 images" in ended.stdout
        listed = json.loads((home / "fo.json").read_text())
        assert listed["labels"] == subset.count("predictions.detections")
        subset.reload()
        assert subset.get_field_schema(flat=True).keys() == before
        assert not subset.list_brain_runs() and "check" not in fo.list_datasets()
        assert (
            "is corrected there" in run("export", name, "--field", "predictions", status=2).stderr
        )
        assert "no dataset" in run("check", "fiftyone:nobody", status=2).stderr
    finally:
        (home / ".fiftyone" / "config.json").unlink()
        subset.delete()


def test_a_second_detector_is_asked(checked, truth, run, home, coco128_folder):
    file, _, _ = checked
    predictions = json.loads((coco128_folder / "predictions.json").read_text())
    few = {path.name: predictions.get(path.name, []) for path in truth[0]}
    (home / "my yolo.v8.json").write_text(json.dumps(few))
    copy = home / "seconded"
    (copy / "images").mkdir(parents=True)
    (copy / "images" / "train").symlink_to(file.parent / "images" / "train")
    (copy / "labels").symlink_to(file.parent / "labels")
    (copy / "dataset.yaml").write_text(file.read_text())
    seconds = ["--second", home / "my yolo.v8.json", "--fail-if", "missed > 0"]
    outputs = ["--json", home / "s.json", "--report", home / "s.html"]
    ended = run("check", copy / "dataset.yaml", *seconds, *outputs, status=1)
    listed = json.loads((home / "s.json").read_text())
    assert any("'my_yolo_v8' has" in (issue["reason"] or "") for issue in listed["issues"])
    missed = [issue for issue in listed["issues"] if issue["issue"] == "missed"]
    assert len(missed) == listed["counts"]["missed"] > 0 and not any(i["place"] for i in missed)
    assert listed["counts"]["wrong"] == len(listed["issues"]) - len(missed)
    assert f"missed > 0 ({len(missed)} objects without a label" in ended.stderr
    apart = ended.stdout.split("Objects that may have no label")[1]
    page = (home / "s.html").read_text().split("Objects that may have no label")[1]
    boxes = [", ".join(f"{side:.3f}" for side in issue["box"]) for issue in missed]
    assert missed[0]["file"] in apart and all(box in apart for box in boxes[:20])
    assert missed[0]["file"] in page and all(box in page for box in boxes[:24])
    assert page.count('src="data:image/') == min(24, len(missed))
    assert "cannot be read" in run("check", file, "--second", home / "no.json", status=2).stderr


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (["check", "nowhere"], "There is no 'nowhere'"),
        (["check", "{file}", "--fail-if", "many"], "for example 'wrong > 2%'"),
        (["check", "{file}", "--fail-if", "missed > 0"], "which --second gives"),
        (["check", "{file}", "--json", "{file}"], "is one of the files that are read"),
        (["export", "{file}", "--diff", "{file}"], "is one of the files that are read"),
        (["check", "{file}", "--worst", "-1"], "--worst must be a whole number"),
        (["check", "{file}", "--json", "nowhere/x.json"], "cannot be written"),
        (["check", "{file}", "--report", "nowhere/x.html"], "cannot be written"),
        (["check", "{file}", "--report", "x.txt"], "ends in .html"),
        (["check", "{file}", "--split", "val"], "has no 'val'"),
        (["open", "nowhere"], "There is no 'nowhere'"),
        (["open", "{file}", "--port", "65536"], "--port must be a whole number from 1 to 65535"),
        (["open", "{file}", "--port", "{taken}"], "is taken: give another one"),
        (["export", "nowhere"], "There is no 'nowhere'"),
    ],
)
def test_what_cannot_be_checked_is_a_sentence_and_2(arguments, sentence, checked, run, home):
    before = sorted(home.rglob("*.json"))
    with socket.create_server(("127.0.0.1", 0)) as server:
        named = {"file": checked[0], "taken": server.getsockname()[1]}
        said = run(*(each.format(**named) for each in arguments), status=2)
    assert sentence in said.stderr.splitlines()[-1]
    assert sorted(home.rglob("*.json")) == before


def test_an_image_that_breaks_off_is_found_when_it_is_decoded(truth, classes, run, home):
    images, labels = truth
    file = write_yolo(home / "broken", images[:3], labels, classes)
    first = next((home / "broken" / "images" / "train").iterdir())
    content = first.read_bytes()
    first.unlink()
    first.write_bytes(content[: len(content) // 3])
    said = run("check", file, "--json", home / "broken.json", status=2).stderr
    assert "1 image cannot be read" in said and first.name in said
    assert not (home / "broken.json").exists()
    (file.parent / "labels" / "train" / f"{first.stem}.txt").unlink()
    said = run("check", file, status=2).stderr
    assert "1 image has no label file" in said.splitlines()[-1]
    assert "Left out: 1 image has no label file" in run("check", file, "--lenient").stderr


def test_corrections_go_back_into_the_files(truth, classes, run, home):
    images, labels = truth
    few = [path for path in images if len(labels[path.name]) > 2][:4]
    file = write_yolo(home / "corrected", few, labels, classes)
    texts = {path: path.read_text() for path in (file.parent / "labels").rglob("*.txt")}
    assert "has not been checked" in run("export", file, status=2).stderr
    run("check", file)
    assert "Nothing was corrected" in run("export", file).stdout
    answer = INSIDE + (
        "sample = dataset.first(); one, other, third = sample.labels.detections[:3]\n"
        "give_answers(dataset, 'labels', [\n"
        " Answer(sample.id, one.id, one.label, 'wrong class', sys.argv[2]),\n"
        " Answer(sample.id, other.id, other.label, 'not an object'),\n"
        " Answer(sample.id, third.id, third.label, 'right')], 'me')\n"
        "print(sample.filepath, one.place, other.place, one.label, other.label, sep='\\n')"
    )
    new = classes[0] if labels[few[0].name][0]["label"] != classes[0] else classes[1]
    _, one, other, was, gone = run(answer, file, new, python=True).stdout.splitlines()[-5:]
    shown = run("export", file, "--diff", home / "diff.txt").stdout
    assert f"~ {one}  {was} → {new}" in shown and f"- {other}  {gone}" in shown
    assert "2 corrections. Nothing was written" in shown
    assert (home / "diff.txt").read_text() in shown
    assert {path: path.read_text() for path in texts} == texts
    assert "2 corrections in 1 file" in run("export", file, "--to", home / "new").stdout
    assert "is not empty" in run("export", file, "--to", home / "new", status=2).stderr
    assert len(list((home / "new").rglob("*.txt"))) == len(texts)
    run("export", file, "--in-place")
    assert "2 corrections, already written" in run("export", file).stdout
    assert "2 corrections, already written" in run("export", file, "--in-place").stdout
    changed = [path for path in texts if path.read_text() != texts[path]]
    (path,) = changed
    before, after = texts[path].splitlines(), path.read_text().splitlines()
    assert len(after) == len(before) - 1
    assert after[0] == f"{classes.index(new)} {before[0].split(maxsplit=1)[1]}"
    assert after[1:] == before[2:]
    run("check", file)  # the answers are in the files, so that they may be forgotten
    assert "Nothing was corrected" in run("export", file).stdout


def test_answers_are_not_lost_with_files_that_change(truth, classes, run, home):
    images, labels = truth
    file = write_yolo(home / "changing", images[:2], labels, classes)
    run("check", file)
    answer = INSIDE + (
        "sample = dataset.first(); one = sample.labels.detections[0]\n"
        "give_answers(dataset, 'labels', "
        "[Answer(sample.id, one.id, one.label, 'not an object')], 'me')"
    )
    run(answer, file, python=True)
    (file.parent / "labels" / "train" / f"{images[1].stem}.txt").write_text("")
    said = run("check", file, status=2).stderr
    assert "1 correction that you made" in said and "--start-over" in said
    assert "changed since they were checked" in run("export", file, status=2).stderr
    run("check", file, "--start-over")
