"""Filters of labels that are evaluated here find what MongoDB finds."""

import itertools

import fiftyone as fo
import fiftyone.server.view as fosv
import numpy as np
import pytest
from fiftyone import ViewField as F
from labelvet.dataset.documents import hex_ids, samples_of
from labelvet.maps import label_filters, selection
from labelvet.maps.label_filters import filtered_rows
from labelvet.maps.map import load_map
from labelvet.maps.selection import visible_rows

ROOT = "predictions.detections"
NONFINITE = float("nan"), float("inf"), float("-inf")


@pytest.fixture
def odd(judged):
    """``judged`` with confidences that are no numbers or none, whole numbers, labels without a
    class, and a label that is gone and one that is new."""
    documents = samples_of(judged)
    sample = judged.first()
    sample.predictions.detections[1].label = None
    sample.save()
    _, second, third, *_ = documents.find()
    for place, value in enumerate(NONFINITE):
        documents.update_one(
            {"_id": second["_id"]}, {"$set": {f"{ROOT}.{place}.confidence": value}}
        )
    documents.update_one({"_id": third["_id"]}, {"$set": {f"{ROOT}.0.confidence": 1}})
    documents.update_one({"_id": third["_id"]}, {"$unset": {f"{ROOT}.1.confidence": ""}})
    documents.update_one({"_id": third["_id"]}, {"$unset": {f"{ROOT}.1.label": ""}})
    judged.delete_labels(ids=judged.last().predictions.detections[2].id)
    sample = judged.skip(4).first()
    sample.predictions.detections.append(
        fo.Detection(label="cat", bounding_box=[0, 0, 0.1, 0.1], confidence=0.5)
    )
    sample.save()
    return judged


def in_the_database(shown, view):
    there = set(view.values(f"{ROOT}.id", unwind=True)) - {None}
    return [id_ in there for id_ in hex_ids(shown.ids)]


def confidences():
    for low, high in ((0.3, 0.7), (None, 0.5), (0.2, None), (0.0, 1.0)):
        for exclude, none in itertools.product((False, True), (None, True, False)):
            given = {"range": [low, high], "exclude": exclude, "isMatching": False}
            yield given if none is None else {**given, "none": none}
    yield {"range": [0.3, 1], "none": True, "nan": True, "inf": True, "ninf": True,
           "exclude": False, "isMatching": False}  # fmt: skip


def classes():
    for names in (["cat"], ["cat", "dog"], ["bird"], ["cat", None]):
        for exclude in (False, True):
            yield {"values": list(names), "exclude": exclude, "isMatching": False}


@pytest.mark.slow
def test_the_sidebars_filters_find_what_the_database_finds(odd):
    shown, found = load_map(odd, "ours"), 0
    for confidence, label in itertools.product([None, *confidences()], [None, *classes()]):
        given = {f"{ROOT}.confidence": confidence, f"{ROOT}.label": label}
        filters = {path: asked for path, asked in given.items() if asked is not None}
        view = fosv.get_extended_view(odd.view(), filters)
        rows = filtered_rows(shown, view)
        expected = in_the_database(shown, view)
        assert visible_rows(shown, view).tolist() == expected if filters else rows is None
        if rows is not None:
            assert rows.tolist() == expected, filters
            found += 1
    assert found >= 150  # the rest is matched by images whose shown labels do not match


@pytest.mark.parametrize(
    "expression",
    [
        F("confidence") > 0.5,
        (F("confidence") < 0.4) | (F("label") == "dog"),
        ~(F("label") == "cat"),
        F("label") != "cat",
        F("label").is_in(["dog"]) & (F("confidence") <= 0.6),
        F("confidence") == 1,
        F("confidence") == None,  # noqa: E711
        F("confidence").is_in([1.0, float("nan")]),
    ],
)
def test_filters_of_python_find_what_the_database_finds(odd, expression):
    shown = load_map(odd, "ours")
    view = odd.filter_labels("predictions", expression, only_matches=False)
    assert filtered_rows(shown, view).tolist() == in_the_database(shown, view)


def test_what_is_not_surely_the_same_is_asked_of_the_database(odd):
    shown = load_map(odd, "ours")
    high = F("confidence") > 0.5
    for view in (
        odd.filter_labels("predictions", high).limit(3),
        odd.limit_labels("predictions", 1).filter_labels("predictions", high),
        odd.filter_labels("predictions", high).match(F(ROOT).length() > 2),
        odd.filter_labels("predictions", F("bounding_box")[2] > 0.1),
        odd.filter_labels("predictions", F("tags").contains("seen")),
        odd.filter_labels("predictions", F("label") > 3),
    ):
        assert filtered_rows(shown, view) is None
        assert visible_rows(shown, view).tolist() == in_the_database(shown, view)


def test_the_samples_that_a_view_begins_with_are_asked_once(odd, monkeypatch):
    shown, asked, get = load_map(odd, "ours"), [], label_filters._chosen.get

    def count(key, find):
        return get(key, lambda: (asked.append(key), find())[1])

    monkeypatch.setattr(label_filters._chosen, "get", count)
    views = (
        odd.limit(3),
        odd.skip(2).sort_by("filepath", reverse=True).limit(4),
        odd.match(F("checked")).match_tags("night", bool=False),
        odd.match(F(ROOT).length() > 2).exclude(odd.first().id),
        odd.match({f"{ROOT}.confidence": {"$gte": 0.9}}),
        odd.select(odd.last().id),
    )
    for view in views:
        for low in (0.2, 0.5, 0.8):
            given = {"range": [low, 1], "exclude": False, "isMatching": False}
            filtered = fosv.get_extended_view(view, {f"{ROOT}.confidence": given})
            assert filtered_rows(shown, filtered).tolist() == in_the_database(shown, filtered)
    assert len(asked) < 2 * len(views)
    before = len(asked)
    sample = odd.limit(1).first()
    sample["checked"] = False
    sample.save()
    filtered = fosv.get_extended_view(views[2], {f"{ROOT}.confidence": given})
    assert filtered_rows(shown, filtered).tolist() == in_the_database(shown, filtered)
    assert len(asked) == before + 1


def test_labels_are_read_once_until_they_are_written_to(judged, monkeypatch):
    shown, read, read_labels = load_map(judged, "ours"), [], label_filters.read_labels

    def count(*args):
        read.append(1)
        return read_labels(*args)

    monkeypatch.setattr(label_filters, "read_labels", count)
    monkeypatch.setattr(selection, "read_labels", None)
    for low in np.linspace(0.1, 0.9, 9):
        view = judged.filter_labels("predictions", F("confidence") > low)
        assert visible_rows(shown, view).tolist() == in_the_database(shown, view)
    assert len(read) == 1
    sample = judged.last()
    sample.predictions.detections[0].confidence = 0.01
    sample.save()
    assert visible_rows(shown, view).tolist() == in_the_database(shown, view)
    assert len(read) == 2
