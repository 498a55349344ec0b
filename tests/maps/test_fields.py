"""Maps of several label fields, of which one is a clone of the other with its ids."""

import json

import fiftyone.server.view as fosv
import numpy as np
import pytest
from fiftyone import ViewField as F
from labelvet.core.errors import StaleRun, UnknownField
from labelvet.dataset import brain_runs
from labelvet.dataset.brain_runs import load_neighbor_graph, other_run_fields
from labelvet.dataset.documents import hex_ids
from labelvet.maps import selection
from labelvet.maps.columns import FIELD, list_attributes, load_column
from labelvet.maps.map import Map, list_maps, load_map
from labelvet.maps.selection import select_stages, visible_rows
from labelvet.maps.similar import neighbors_of
from labelvet.maps.thumbnails import ThumbnailSettings, make_thumbnails
from labelvet.review.class_pairs import find_class_pairs

# of both fields, and row 24 is the label of the truth with the id of row 0
ROWS = np.array([4, 13, 24, 39])


def ids_of(view, field):
    root, _ = view._get_label_field_root(field)
    return sorted(view.values(f"{root}.id", unwind=True))


def test_a_map_has_its_fields_one_after_the_other(compared):
    shown = load_map(compared, "both")
    info = next(info for info in list_maps(compared) if info.key == "both")
    assert info == shown.info and info.fields == ("predictions", "truth")
    assert info.num_points == len(shown) == 40 and len(shown.parts) == 2
    for part, field, size in zip(shown.parts, info.fields, (24, 16), strict=True):
        assert part.info.fields == (field,) and len(part) == size
        assert hex_ids(part.ids) == compared.values(f"{field}.detections.id", unwind=True)
    assert np.array_equal(np.concatenate([part.points for part in shown.parts]), shown.points)
    # what FiftyOne has is the first field, whole
    theirs = compared.load_brain_results("both")
    assert theirs.config.patches_field == "predictions"
    assert theirs.label_ids.tolist() == hex_ids(shown.ids[:24])
    assert np.array_equal(theirs.points, shown.points[:24])


def test_the_points_are_colored_by_field_and_by_what_the_fields_share(compared):
    sample = compared.first()
    sample.truth.detections[0].label = "bird"
    sample.truth.detections[1]["checked_by"] = "me"
    sample.save()
    compared.add_dynamic_sample_fields()
    shown = load_map(compared, "both")
    attributes = {one.path: one for one in list_attributes(compared, shown.info)}
    assert [one.name for one in attributes.values()][:4] == ["field", "label", "confidence", "tags"]
    assert attributes["*.checked_by"].paths == (None, "truth.detections.checked_by")
    assert attributes["*.label"].is_filtered_here
    assert not attributes["weather.label"].is_filtered_here
    field = load_column(compared, shown, FIELD)
    assert field.categories == ("predictions", "truth")
    assert field.codes.tolist() == [1] * 24 + [2] * 16
    labels = load_column(compared, shown, "*.label")
    names = np.array([None, *labels.categories], dtype=object)[labels.codes].tolist()
    assert names[:3] == ["cat", "dog", "cat"] and names[24:27] == ["bird", "dog", "cat"]
    assert (load_column(compared, shown, "*.checked_by").codes != 0).nonzero()[0].tolist() == [25]
    weather = load_column(compared, shown, "weather.label")
    assert weather.codes.tolist() == [2, 2, 2, 1, 1, 1] * 4 + [2, 2, 1, 1] * 4
    confidences = load_column(compared, shown, "*.confidence").values
    assert np.isnan(confidences[[0, 24]]).all() and confidences[39] == pytest.approx(22 / 24)


def test_an_attribute_of_two_kinds_is_one_of_each_field(compared):
    for field, value in (("predictions", 1.5), ("truth", "high")):
        sample = compared.first()
        sample[field].detections[0]["score"] = value
        sample.save()
    compared.add_dynamic_sample_fields()
    shown = load_map(compared, "both")
    found = {one.name: one for one in list_attributes(compared, shown.info) if "score" in one.name}
    assert found.keys() == {"predictions.score", "truth.score"}
    assert load_column(compared, shown, found["predictions.score"].path).values[0] == 1.5
    column = load_column(compared, shown, found["truth.score"].path)
    assert column.categories == ("high",) and column.codes.nonzero()[0].tolist() == [24]


@pytest.mark.slow
@pytest.mark.parametrize(
    "make",
    [
        lambda d: d.limit(3),
        lambda d: d.filter_labels("truth", F("label") == "cat"),
        lambda d: d.filter_labels("predictions", F("confidence") > 0.5, only_matches=False),
        lambda d: d.to_patches("truth").skip(5),
        lambda d: d.exclude_fields("predictions"),
    ],
)
def test_the_rows_of_a_view_are_the_labels_that_it_has_of_each_field(compared, make):
    view, shown = make(compared), load_map(compared, "both")
    mask = visible_rows(shown, view)
    for part, own in zip(shown.parts, (mask[:24], mask[24:]), strict=True):
        field = part.info.patches_field
        known = view.get_field(field) is not None
        assert sorted(hex_ids(part.ids[own])) == (ids_of(view, field) if known else [])


@pytest.mark.slow
@pytest.mark.parametrize("as_bits", [False, True])
def test_the_grid_shows_exactly_the_selected_labels_of_both(compared, as_bits, monkeypatch):
    if as_bits:
        monkeypatch.setattr(selection, "_LISTED_UP_TO", 0)
        monkeypatch.setattr(selection, "_ID_LENGTH", 1000)
    shown = load_map(compared, "both")
    compared.evaluate_detections("predictions", "truth", eval_key="eval")
    last = compared.last()
    last.predictions = None  # the sample of row 39 stays for its truth alone
    last.save()
    views = compared, compared.to_evaluation_patches("eval")
    for view in views:
        stages = json.loads(json.dumps(select_stages(shown, ROWS, view)))
        assert len(str(stages)) < 600 or not as_bits
        after = fosv.get_extended_view(view.view(), extended_stages=stages)
        assert ids_of(after, "predictions") == sorted(hex_ids(shown.ids[[4, 13]]))
        assert ids_of(after, "truth") == sorted(hex_ids(shown.ids[[24, 39]]))
        assert all(stage["_cls"].startswith("fiftyone.") for stage in after._serialize())
        opened = list(after)  # FiftyOne can read what is left
        assert any(sample.predictions is None for sample in opened) or view is not compared
    # and knows that some are left out: one that is edited is saved where it is among all of them
    stages = json.loads(json.dumps(select_stages(shown, ROWS, compared)))
    after = fosv.get_extended_view(compared.view(), extended_stages=stages)
    (sample,) = after.select(hex_ids(shown.sample_ids[[4]]))
    sample.predictions.detections[0].label = "edited"
    sample.save()
    edited = compared.filter_labels("predictions", F("label") == "edited")
    assert ids_of(edited, "predictions") == hex_ids(shown.ids[[4]])
    patches = compared.to_patches("truth")
    after = fosv.get_extended_view(patches, extended_stages=select_stages(shown, ROWS, patches))
    assert sorted(after.values("id")) == sorted(hex_ids(shown.ids[[24, 39]]))
    nothing = select_stages(shown, ROWS[:2], patches)
    assert not fosv.get_extended_view(patches, extended_stages=nothing).count()


def test_single_labels_are_selected_beside_lists(compared):
    import labelvet

    labelvet.compute_visualization(
        compared, ["weather", "truth"], "mixed", method="pca", progress=False,
        embeddings=np.random.default_rng(7).random((24, 5)),
    )  # fmt: skip
    shown = load_map(compared, "mixed")
    stages = select_stages(shown, np.array([2, 8]), compared)
    after = fosv.get_extended_view(compared.view(), extended_stages=stages)
    samples = compared.values("id")
    assert after.values("id") == [samples[0], samples[2]]
    assert [weather and weather.label for weather in after.values("weather")] == [None, "sun"]
    assert ids_of(after, "truth") == hex_ids(shown.ids[8:9])
    assert visible_rows(shown, compared.limit(2)).nonzero()[0].tolist() == [0, 1, 8, 9, 10, 11]


def test_labels_of_a_field_that_came_back_are_not_on_the_map_yet(compared):
    shown = load_map(compared, "both")
    truth = shown.parts[1]
    none = Map(
        truth.info, truth.collection, {"points": truth.points[:0], "ids": (truth.ids[:0],) * 2}
    )
    assert none.rows_of(truth.ids, truth.sample_ids).tolist() == [-1] * 16
    assert not visible_rows(none, compared.filter_labels("truth", F("label") == "cat")).any()


def test_pictures_say_which_field_they_are_of(compared):
    sample = compared.first()
    sample.truth.detections[0].label = "bird"
    sample.save()
    shown = load_map(compared, "both")
    found = make_thumbnails(
        compared, shown, [24, 3, 0], ThumbnailSettings(64, 0.2), around=[None, (0, 0, 1, 1)]
    )
    assert [(one.row, one.field, one.label) for one in found] == [
        (24, "truth", "bird"),
        (3, "predictions", "cat"),
        (0, "predictions", "cat"),
    ]
    assert found[1].window == (0, 0, 1, 1) and found[0].box == found[2].box


@pytest.fixture
def three(compared):
    """``compared`` with the map ``three``: its fields, and ``more``, which is truth under another
    name."""
    import labelvet

    compared.clone_sample_field("truth", "more")
    labelvet.compute_visualization(
        compared, ["predictions", "truth", "more"], "three", method="pca", progress=False,
        embeddings=np.random.default_rng(7).random((56, 5)),
    )  # fmt: skip
    return compared


@pytest.mark.parametrize("leave", ["delete", "rename"])
def test_a_further_field_that_is_gone_leaves_the_map_until_it_is_back(three, leave):
    before, graph = load_map(three, "three"), load_neighbor_graph(three, "three")
    assert before.info.note is None
    if leave == "delete":
        three.delete_sample_field("truth")
    else:
        three.rename_sample_field("truth", "other")
    with pytest.raises(StaleRun, match="one of its fields was renamed or deleted"):
        load_map(three, "three", before.info.run)  # a page has rows of all fields
    shown = load_map(three, "three")
    assert shown.info.fields == ("predictions", "more") and shown.info.num_points == 40
    assert shown.info.note.startswith("There is no field 'truth' in this dataset any more")
    assert other_run_fields(three, "three") == ["more"]
    left = np.delete(np.arange(56), np.arange(24, 40))
    assert np.array_equal(shown.points, before.points[left])
    assert np.array_equal(shown.parts[1].ids, before.parts[2].ids)
    labels = load_column(three, shown, "*.label")
    assert (labels.codes > 0).all() and load_column(three, shown, FIELD).codes.max() == 2
    found = neighbors_of(three, shown)
    assert (found.indices == -1).any() and found.indices.shape == (40, graph.indices.shape[1])
    known = found.indices >= 0
    assert np.array_equal(left[found.indices[known]], graph.indices[left][known])
    assert find_class_pairs(three, "three").source == "neighbors"
    if leave == "rename":
        three.rename_sample_field("other", "truth")
        again = load_map(three, "three", before.info.run)
        assert len(again) == 56 and again.info.note is None


def test_of_a_map_whose_first_field_is_gone_it_is_said(three):
    three.rename_sample_field("predictions", "other")
    with pytest.raises(UnknownField, match="no field 'predictions' in this dataset any more"):
        list_attributes(three, load_map(three, "three").info)


def test_neighbors_are_those_of_the_maps_own_run(compared):
    """Though another run of as many labels, in whatever order, has its key by now."""
    import labelvet

    shown, graph = load_map(compared, "both"), load_neighbor_graph(compared, "both")
    labelvet.compute_visualization(
        compared, ["predictions", "truth"], "both", method="pca", progress=False, overwrite=True,
        embeddings=np.random.default_rng(8).random((40, 5)),
    )  # fmt: skip
    assert not np.array_equal(load_neighbor_graph(compared, "both").indices, graph.indices)
    assert np.array_equal(neighbors_of(compared, shown).indices, graph.indices)
    brain_runs._graphs.clear()
    assert neighbors_of(compared, shown) is None  # it went with its run
