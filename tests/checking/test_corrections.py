"""A check that would forget corrections refuses, whatever kind they are."""

from __future__ import annotations

import argparse

import fiftyone as fo
import numpy as np
import pytest
from labelvet.checking import check
from labelvet.checking.check import CheckSettings, mark_exported
from labelvet.checking.export import find_corrections, write_corrections
from labelvet.cli import check as command
from labelvet.core.errors import InvalidParameter
from labelvet.dataset.states import REJECTED_TAG
from labelvet.folders.formats import read_source
from PIL import Image

DATASET = "names: [cat, dog]\ntrain: images\n"
LABELS = "0 0.3 0.3 0.2 0.2\n1 0.6 0.6 0.2 0.2\n"


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.setattr(check, "NAME", "test-check-of-corrections")
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
    for number in range(2):
        Image.fromarray(np.zeros((40, 40, 3), np.uint8)).save(tmp_path / f"images/{number}.png")
        (tmp_path / f"labels/{number}.txt").write_text(LABELS)
    (tmp_path / "dataset.yaml").write_text(DATASET)
    yield tmp_path / "dataset.yaml"
    for name in (check.NAME, f"{check.NAME}-building"):
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
    source = read_source(file, None, None)
    changes = find_corrections(dataset, source)
    write_corrections(source, changes, None)
    mark_exported(dataset, read_source(file, None, None), changes)
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
