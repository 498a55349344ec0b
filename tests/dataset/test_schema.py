"""Fields that several threads of one process add to a dataset at once, as an App's server does."""

import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import fiftyone as fo
import pytest
from labelvet.core.errors import FieldGone, InvalidParameter
from labelvet.dataset.documents import parse_ids, samples_of
from labelvet.dataset.schema import (
    Attribute,
    declare_attributes,
    declare_labels,
    ensure_field,
    ensure_fields,
)
from labelvet.dataset.storage import locate
from labelvet.issues import find
from labelvet.issues.box_checks import check_boxes
from labelvet.issues.find import find_label_issues
from labelvet.review.many import REJECT, answer_many


@pytest.mark.slow
def test_no_field_is_lost_where_several_are_added_and_the_schema_is_reloaded(make_dataset):
    dataset = make_dataset()
    dataset.add_sample(fo.Sample("/one.png"))
    together, ended = threading.Barrier(4), threading.Event()

    def add(person):
        together.wait()
        declare_labels(dataset, "truth")
        for number in range(4):
            ensure_field(dataset, f"truth.detections.{person}_{number}", fo.FloatField)
        ensure_field(dataset, "truth.detections.common", fo.StringField)
        names = [f"{person}_{number}" for number in range(4, 8)] + ["shared"]
        ensure_fields(
            dataset, {f"truth.detections.{name}": {"ftype": fo.FloatField} for name in names}
        )

    def reload():
        together.wait()
        while not ended.is_set():
            dataset.reload()
            time.sleep(0.01)

    with ThreadPoolExecutor(4) as pool:
        reloading = pool.submit(reload)
        adding = [pool.submit(add, person) for person in ("ada", "bob", "eve")]
        try:
            for one in adding:
                one.result()
        finally:
            ended.set()
            reloading.result()
    dataset.reload()
    added = {f"{person}_{number}" for person, number in product(("ada", "bob", "eve"), range(8))}
    paths = dataset.get_field_schema(flat=True)
    assert {f"truth.detections.{name}" for name in added | {"common", "shared"}} <= set(paths)


def test_an_attribute_of_a_field_that_is_gone_is_not_added(make_dataset):
    dataset = make_dataset()
    with pytest.raises(FieldGone, match="The field 'truth' was renamed or deleted"):
        ensure_field(dataset, "truth.detections.common", fo.StringField)


def of_one_object(dataset, values):
    """Two images of a label, which has values that the schema does not know."""
    box = [0.1, 0.1, 0.2, 0.2]
    for number, some in enumerate(({}, values)):
        label = fo.Detection(label="a", bounding_box=box, confidence=0.5, **some)
        labels = {"boxes": fo.Detections(detections=[label]), "one": label.copy()}
        dataset.add_sample(fo.Sample(f"/{number}.png", **labels))
    return dataset


MINE = {
    "geometry": Attribute(fo.ListField, "", fo.StringField),
    "issue": Attribute(fo.StringField, ""),
}


@pytest.mark.parametrize("root", ["boxes.detections", "one"])
@pytest.mark.parametrize("value", ["round", ["round"], 3, False, []])
def test_what_labels_hold_without_a_field_in_the_schema_is_the_users_own(make_dataset, root, value):
    dataset = of_one_object(make_dataset(), {"geometry": value})
    with pytest.raises(InvalidParameter, match="their own named geometry: call "):
        declare_attributes(dataset, root, MINE, "label issues")
    assert dataset.get_field(f"{root}.issue") is None
    # what the sentence says helps
    dataset.add_dynamic_sample_fields(add_mixed=True)
    with pytest.raises(InvalidParameter, match="their own named geometry: rename"):
        declare_attributes(dataset, root, MINE, "label issues")
    dataset.rename_sample_field(f"{root}.geometry", f"{root}.shape")
    assert declare_attributes(dataset, root, MINE, "label issues") == []
    dataset.reload()
    assert dataset.last().one.label == "a"
    assert declare_attributes(dataset, root, MINE, "label issues") == ["geometry", "issue"]


@pytest.mark.parametrize("declared", [False, True])
def test_any_attribute_of_the_right_type_will_do_where_nobody_owns_it(make_dataset, declared):
    dataset = of_one_object(make_dataset(), {"issue": "mine", "geometry": "round"})
    if declared:
        dataset.add_dynamic_sample_fields()
    for root in ("boxes.detections", "one"):
        with pytest.raises(InvalidParameter, match="own of another type named geometry: "):
            declare_attributes(dataset, root, MINE)
        declare_attributes(dataset, root, {"issue": MINE["issue"]})
    dataset.reload()
    assert dataset.last().one.issue == "mine"


def answer(dataset):
    ids = dataset.values(["id", "labels.detections.id"])
    pairs = [(sample, label) for sample, labels in zip(*ids, strict=True) for label in labels]
    samples, labels = (parse_ids(list(ids)) for ids in zip(*pairs, strict=True))
    answer_many(dataset, "labels", (samples, labels), REJECT, user="me")


WRITES = {
    "boxes": lambda dataset: check_boxes(dataset, "labels"),
    "issues": lambda dataset: find_label_issues(dataset, "map", second_fields="truth"),
    "answer": answer,
}


@pytest.mark.parametrize(
    ("write", "field", "name", "value"),
    [
        ("boxes", "labels", "geometry", "round"),
        ("issues", "labels", "duplicate", True),
        ("issues", "labels", "suspicion", "low"),
        ("issues", "truth", "issue", 5),
        ("answer", "labels", "label_before", 4),
    ],
)
def test_no_operator_writes_over_it(flipped_labels, monkeypatch, write, field, name, value):
    dataset, _ = flipped_labels
    dataset.clone_sample_field("labels", "truth")
    last = dataset.last()
    last[field].detections[-1][name] = value
    last.save()
    documents, schema = list(samples_of(dataset).find()), set(dataset.get_field_schema(flat=True))
    monkeypatch.setattr(find, "find_suspects", None)  # nor is any work done before
    with pytest.raises(InvalidParameter, match=rf"'{field}.detections' .* own named {name}: call"):
        WRITES[write](dataset)
    dataset.reload()
    assert list(samples_of(dataset).find()) == documents
    assert set(dataset.get_field_schema(flat=True)) == schema


@pytest.mark.slow
def test_an_attribute_that_another_process_declared_and_wrote_is_no_users_own(make_dataset):
    dataset = of_one_object(make_dataset(), {})
    code = (
        "import sys, fiftyone as fo; from labelvet.dataset.schema import *;"
        "dataset = fo.load_dataset(sys.argv[1]);"
        "mine = {'geometry': Attribute(fo.ListField, '', fo.StringField)};"
        "declare_attributes(dataset, 'one', mine, 'label issues');"
        "dataset.set_values('one.geometry', [['tiny']] * 2)"
    )
    subprocess.run([sys.executable, "-c", code, dataset.name], check=True)
    assert dataset.get_field("one.geometry") is None
    assert declare_attributes(dataset, "one", MINE, "label issues") == ["geometry"]


def test_what_frames_hold_without_a_field_in_the_schema_is_the_users_own(make_dataset):
    dataset = make_dataset()
    sample = fo.Sample("/a.mp4")
    label = fo.Detection(label="a", bounding_box=[0.1, 0.1, 0.2, 0.2], issue=3)
    sample.frames[1] = fo.Frame(boxes=fo.Detections(detections=[label]))
    dataset.add_sample(sample)
    with pytest.raises(InvalidParameter, match=r"add_dynamic_frame_fields.*rename_frame_field"):
        declare_attributes(
            locate(dataset, "frames.boxes"), "boxes.detections", MINE, "label issues"
        )
