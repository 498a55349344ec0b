"""A check that would forget corrections refuses, whatever kind they are."""

from __future__ import annotations

import argparse
import json
import os
import resource
from hashlib import sha256
from pathlib import Path

import fiftyone as fo
import numpy as np
import pytest
from labelvet.checking import check
from labelvet.checking.check import CheckSettings, checked_dataset, mark_exported, write_back
from labelvet.checking.export import find_corrections, lines, write_folder
from labelvet.cli import check as command
from labelvet.core.errors import InvalidParameter
from labelvet.dataset.states import REJECTED_TAG
from labelvet.folders.formats import read_source
from labelvet.folders.predictions import read_predictions
from PIL import Image

NAME = "test-check-of-corrections"
DATASET = "names: [cat, dog]\ntrain: images\n"
LABELS = "0 0.3 0.3 0.2 0.2\n1 0.6 0.6 0.2 0.2\n"


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.setattr(check, "NAME", NAME)
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
    for number in range(2):
        Image.fromarray(np.zeros((40, 40, 3), np.uint8)).save(tmp_path / f"images/{number}.png")
        (tmp_path / f"labels/{number}.txt").write_text(LABELS)
    (tmp_path / "dataset.yaml").write_text(DATASET)
    yield tmp_path / "dataset.yaml"
    for name in (NAME, f"{NAME}-building"):  # what is patched is undone before
        if fo.dataset_exists(name):
            check._delete(name)


def settings(file, **options):
    return CheckSettings(read_source(file, None, None), **options)


def imported(file, **options):
    return check._imported(settings(file, **options), lambda *_: None)


def refusal(file, **options):
    with pytest.raises(InvalidParameter) as refused:
        imported(file, **options)
    return str(refused.value)


def move(sample):
    sample.labels.detections[0].bounding_box = [0.1, 0.1, 0.3, 0.3]


def rename(sample):
    sample.labels.detections[0].label = "dog"


def delete(sample):
    del sample.labels.detections[0]


def reject(sample):
    sample.labels.detections[0].tags.append(REJECTED_TAG)


def add(sample):
    box = [0.1, 0.1, 0.2, 0.2]
    sample.labels.detections.append(fo.Detection(label="dog", bounding_box=box))


def change_files(file):
    (file.parent / "labels" / "1.txt").write_text("1 0.5 0.5 0.2 0.2\n")


def export(file):
    """Exports in place, as the command does, and returns the names of the files that changed."""
    dataset, source = checked_dataset(read_source(file))
    changes = find_corrections(dataset, source)
    written = write_back(dataset, source, changes)
    mark_exported(dataset, read_source(file), changes)
    return [each.name for each in written]


def texts(file):
    return [each.read_text() for each in sorted((file.parent / "labels").iterdir())]


RENAMED = LABELS.replace("0", "1", 1)


@pytest.fixture
def renamed(file):
    """A dataset of which the first label of both files is renamed."""
    dataset = imported(file)
    for sample in dataset:
        rename(sample)
        sample.save()
    return file


@pytest.mark.parametrize("correct", [move, rename, delete, reject, add])
@pytest.mark.parametrize("files_change", [False, True])
def test_every_correction_counts(file, correct, files_change):
    sample = imported(file).first()
    correct(sample)
    sample.save()
    assert imported(file).name == check.NAME  # nothing changed: nothing is lost
    if files_change:
        change_files(file)
    said = refusal(file, lenient=not files_change)
    assert "would discard 1 correction that you made in the App" in said
    imported(file, lenient=not files_change, start_over=True)


def test_changed_files_alone_are_no_corrections(file):
    imported(file)
    change_files(file)
    assert imported(file).count("labels.detections") == 3


def test_what_is_in_the_files_may_be_forgotten_and_what_came_later_may_not(file):
    dataset = imported(file)
    sample = dataset.first()
    rename(sample)
    add(sample)
    sample.save()
    export(file)
    sample.labels.detections[1].label = "cat"
    sample.save()
    assert "discard 1 correction that" in refusal(file)
    sample.labels.detections[1].label = "dog"
    sample.save()
    assert imported(file).count("labels.detections") == 5


@pytest.mark.parametrize(
    "given, said",
    [
        (["my data.yaml", "--split", "val"], "`labelvet export 'my data.yaml' --split val` lists"),
        (["c.json", "--images", "x", "--lenient"], "`labelvet export c.json --images x --lenient`"),
        (["fiftyone:mine", "--field", "labels"], "kept in this check only and cannot be exported"),
    ],
)
def test_what_becomes_of_the_answers_is_said(given, said):
    parser = argparse.ArgumentParser()
    command.add(parser.add_subparsers())
    assert said in command._what_becomes(parser.parse_args(["open", *given]))


def test_times_do_not_keep_corrections_from_their_files(renamed):
    for path in renamed.parent.rglob("*.*"):
        os.utime(path, (1, 1))
    assert imported(renamed).name == check.NAME
    assert export(renamed) == ["0.txt", "1.txt"]
    assert texts(renamed) == [RENAMED] * 2


def test_an_export_that_is_cut_off_is_finished_by_the_next(renamed, monkeypatch):
    replace, times = Path.replace, iter((1, 2))

    def interrupted(self, target):
        if next(times) == 2:
            raise KeyboardInterrupt
        return replace(self, target)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "replace", interrupted)
        export(renamed)
    assert sorted(texts(renamed)) == [LABELS, RENAMED]
    assert "discard 2 corrections" in refusal(renamed)
    assert len(export(renamed)) == 1
    assert texts(renamed) == [RENAMED] * 2
    assert export(renamed) == []
    imported(renamed)


def test_what_is_corrected_after_an_export_is_exported_too(renamed):
    export(renamed)
    dataset = fo.load_dataset(check.NAME)
    first, last = dataset.first(), dataset.last()
    delete(first)
    last.labels.detections[0].label = "cat"
    for sample in (first, last):
        sample.save()
    assert "discard 2 corrections" in refusal(renamed)
    assert export(renamed) == ["0.txt", "1.txt"]
    assert texts(renamed) == [LABELS.splitlines(keepends=True)[1], LABELS]


def test_files_that_something_else_changed_after_an_export_are_not_written(renamed):
    export(renamed)
    change_files(renamed)
    with pytest.raises(InvalidParameter, match="changed since they were checked"):
        checked_dataset(read_source(renamed))


def test_a_check_of_an_older_version_is_exported(renamed):
    source = read_source(renamed)
    older = sha256(b"YOLO")
    for path in sorted({*source.files, *(image.path for image in source.images)}):
        status = path.stat()
        older.update(f"{path}{status.st_size}{status.st_mtime_ns}\n".encode())
    dataset = fo.load_dataset(check.NAME)
    state = {**dataset.info[check._INFO]["state"], "source": older.hexdigest()}
    check._keep_state(dataset, state)
    export(renamed)
    assert export(renamed) == []


def test_a_new_label_of_a_split_without_labels_gets_a_folder(file):
    (file.parent / "more" / "images").mkdir(parents=True)
    (file.parent / "images" / "1.png").rename(file.parent / "more" / "images" / "1.png")
    file.write_text(f"{DATASET}val: more/images\n")
    sample = imported(file, lenient=True).last()
    sample.labels = fo.Detections()
    add(sample)
    sample.save()
    export(file)
    made = file.parent / "more" / "labels" / "1.txt"
    assert made.read_text() == "1 0.2 0.2 0.2 0.2\n"
    assert export(file) == []
    # taken back, it goes with its file
    sample.labels = fo.Detections()
    sample.save()
    assert export(file) == ["1.txt"] and not made.exists()
    assert export(file) == []


def test_a_disk_without_room_is_a_sentence_and_nothing_is_half_written(renamed, tmp_path):
    dataset, source = checked_dataset(read_source(renamed))
    changes = find_corrections(dataset, source)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(LABELS) - 1, limits[1]))
    try:
        with pytest.raises(InvalidParameter, match=r"cannot be written: .*and export again"):
            write_back(dataset, source, changes)
        with pytest.raises(InvalidParameter, match=r"cannot be written: .*and export again"):
            write_folder(source, changes, tmp_path / "new")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert texts(renamed) == [LABELS] * 2
    assert not any((tmp_path / "new").iterdir())
    with pytest.raises(InvalidParameter, match=r"A file in '.*' cannot be written: Not a dir"):
        write_folder(source, changes, renamed / "new")
    assert export(renamed) == ["0.txt", "1.txt"]


def unname(sample):
    sample.labels.detections[0].label = None


def unplace(sample):
    sample.labels.detections[0].bounding_box = None


def add_without_class(sample):
    sample.labels.detections.append(fo.Detection(bounding_box=[0.1, 0.1, 0.2, 0.2]))


def add_without_box(sample):
    sample.labels.detections.append(fo.Detection(label="dog"))


@pytest.mark.parametrize(
    "correct, where, line",
    [
        (unname, "labels/0.txt:1", "cat [0.2000, 0.2000, 0.2000, 0.2000] → no class [0.2000, "),
        (unplace, "labels/0.txt:1", "cat [0.2000, 0.2000, 0.2000, 0.2000] → dog no box"),
        (add_without_class, "images/0.png", "  no class [0.1000, 0.1000, 0.2000, 0.2000]"),
        (add_without_box, "images/0.png", "  dog no box"),
    ],
)
def test_a_label_that_is_incomplete_is_refused_and_named(renamed, correct, where, line):
    sample = fo.load_dataset(check.NAME).first()
    correct(sample)
    sample.save()
    with pytest.raises(InvalidParameter, match=f"1 label lacks a class or a box .*{where}'"):
        export(renamed)
    assert texts(renamed) == [LABELS] * 2
    dataset, source = checked_dataset(read_source(renamed))
    (said,) = [one for one in lines(find_corrections(dataset, source)) if one.startswith("? ")]
    assert where in said and line in said
    assert "discard" in refusal(renamed, lenient=True)
    sample.labels = fo.Detections()
    sample.save()
    assert export(renamed) == ["0.txt", "1.txt"] and texts(renamed) == ["", RENAMED]


@pytest.mark.parametrize(
    "name, fields",
    [
        ("yolo.v8 (best)", ["yolo_v8_best", "yolo_v8_best_2"]),
        ("labels", ["labels_2", "labels_3"]),
        ("filepath", ["filepath_2", "filepath_3"]),
        ("save", ["save_2", "save_3"]),
        ("_$.", ["second", "second_2"]),
        ("猫", ["猫", "猫_2"]),
    ],
)
def test_predictions_are_in_a_field_named_as_their_file(file, name, fields):
    box = [{"label": "cat", "box": [0.1, 0.1, 0.2, 0.2]}]
    paths = [file.parent / f"{folder}/{name}.json" for folder in ("a", "b")]
    for path in paths:
        path.parent.mkdir()
        path.write_text(json.dumps({"0.png": box}))
    source = read_source(file)
    asked = CheckSettings(source, [read_predictions(path, source) for path in paths])
    dataset = check._imported(asked, lambda *_: None)
    assert check._second_fields(dataset, asked) == tuple(fields)
    assert [dataset.count(f"{field}.detections") for field in fields] == [1, 1]
    older = {key: kept for key, kept in dataset.info[check._INFO].items() if "fields" not in key}
    dataset.info[check._INFO] = older
    assert check._second_fields(dataset, asked) == ("second", "second_2")
