import json

import fiftyone as fo
import fiftyone.server.view as fosv
import numpy as np
import pytest
from fiftyone import ViewField as F
from labelvet.core.errors import InvalidParameter
from labelvet.dataset.documents import hex_ids
from labelvet.maps import selection
from labelvet.maps.map import load_map
from labelvet.maps.selection import select_stages, visible_rows

ROWS = np.array([0, 4, 5, 13, 23])


def labels_of(view):
    root, _ = view._get_label_field_root("predictions")
    return sorted(view.values(f"{root}.id", unwind=True))


def shown_by_the_app(view, stages):
    """What the App's server makes of the stages, after they went to the browser and back."""
    return fosv.get_extended_view(view.view(), extended_stages=json.loads(json.dumps(stages)))


def test_the_whole_dataset_has_no_mask(judged):
    shown = load_map(judged, "ours")
    assert visible_rows(shown, judged) is None
    assert visible_rows(shown, judged.view()) is None


@pytest.mark.parametrize(
    "make",
    [
        lambda d: d.limit(3),
        lambda d: d.filter_labels("predictions", F("confidence") > 0.5),
        lambda d: d.filter_labels("predictions", F("label") == "cat", only_matches=False),
        lambda d: d.match(F("filepath") == "nothing"),
        lambda d: d.to_patches("predictions").skip(5),
        lambda d: d.to_patches("predictions").match(F("predictions.label") == "dog"),
    ],
)
def test_the_rows_of_a_view_are_its_labels(judged, make):
    view, shown = make(judged), load_map(judged, "ours")
    mask = visible_rows(shown, view)
    assert sorted(hex_ids(shown.ids[mask])) == labels_of(view)


def test_the_rows_of_a_view_follow_the_labels(judged):
    cats = F("label") == "cat"
    # a filter alone, or of chosen samples, is not asked of the database at all
    view, shown = judged.filter_labels("predictions", cats).limit(8), load_map(judged, "ours")
    before = visible_rows(shown, view)
    assert visible_rows(shown, view) is before  # the database is not asked again
    sample = judged.first()
    sample.predictions.detections[0].label = "bird"
    sample.save()
    assert visible_rows(shown, view).sum() == before.sum() - 1


def test_views_without_the_field_show_the_rows_of_their_images(judged):
    judged.set_values("other", [fo.Detections(detections=[fo.Detection(
        label="x", bounding_box=[0, 0, 1, 1])]) for _ in range(8)])  # fmt: skip
    shown = load_map(judged, "ours")
    for view in (
        judged.limit(2).exclude_fields("predictions"),
        judged.limit(2).to_patches("other"),
    ):
        assert visible_rows(shown, view).tolist() == [True] * 6 + [False] * 18
        stages = select_stages(shown, np.array([0, 1]), view)
        picked = fosv.get_extended_view(view, extended_stages=stages)
        assert set(picked.values("filepath")) == {judged.first().filepath}


def test_a_map_of_images_in_any_view(judged):
    shown = load_map(judged, "theirs")
    assert visible_rows(shown, judged.skip(6)).tolist() == [False] * 6 + [True] * 2
    patches = judged.to_patches("predictions").limit(4)
    assert visible_rows(shown, patches).tolist() == [True] * 2 + [False] * 6


@pytest.mark.parametrize("kind", ["samples", "filtered", "patches"])
def test_the_grid_shows_exactly_the_selected_labels(judged, kind):
    view = {
        "samples": judged,
        "filtered": judged.filter_labels("predictions", F("confidence") >= 0),
        "patches": judged.to_patches("predictions"),
    }[kind]
    shown = load_map(judged, "ours")
    stages = select_stages(shown, ROWS, view)
    after = shown_by_the_app(view, stages)
    wanted = set(hex_ids(shown.ids[ROWS]))
    if kind == "filtered":
        wanted.remove(hex_ids(shown.ids[:1])[0])  # has no confidence
    assert set(labels_of(after)) == wanted
    images = {"samples": {0, 1, 4, 7}, "filtered": {1, 4, 7}, "patches": wanted}
    assert after.count() == len(images[kind])


@pytest.mark.slow
def test_evaluation_patches_and_patches_of_other_fields(judged):
    judged.clone_sample_field("predictions", "truth")
    judged.evaluate_detections("predictions", "truth", eval_key="eval")
    shown = load_map(judged, "ours")
    patches = judged.to_evaluation_patches("eval")
    after = shown_by_the_app(patches, select_stages(shown, ROWS, patches))
    assert set(labels_of(after)) == set(hex_ids(shown.ids[ROWS]))
    others = judged.to_patches("truth")
    after = shown_by_the_app(others, select_stages(shown, ROWS, others))
    assert set(after.values("sample_id")) == set(hex_ids(shown.sample_ids[ROWS]))


def test_a_map_of_images_selects_images_or_their_patches(judged):
    shown, rows = load_map(judged, "theirs"), np.array([1, 6])
    ids = hex_ids(shown.ids[rows])
    assert shown_by_the_app(judged, select_stages(shown, rows, judged)).values("id") == ids
    patches = judged.to_patches("predictions")
    after = shown_by_the_app(patches, select_stages(shown, rows, patches))
    assert after.count() == 6 and set(after.values("sample_id")) == set(ids)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["samples", "patches", "others"])
@pytest.mark.parametrize("key", ["ours", "theirs"])
def test_many_rows_travel_as_bits_and_show_the_same(judged, key, kind, monkeypatch):
    judged.clone_sample_field("predictions", "truth")
    view = {
        "samples": judged,
        "patches": judged.to_patches("predictions"),
        "others": judged.to_patches("truth"),
    }[kind]
    shown, rows = load_map(judged, key), np.array([0, 1, 4, 5, 6])
    as_ids = shown_by_the_app(view, select_stages(shown, rows, view))
    monkeypatch.setattr(selection, "_LISTED_UP_TO", 0)
    monkeypatch.setattr(selection, "_ID_LENGTH", 1000)
    stages = select_stages(shown, rows, view)
    assert list(stages) == ["labelvet.maps.selection.selected"] and len(str(stages)) < 500
    as_bits = shown_by_the_app(view, stages)
    assert as_bits.values("id") == as_ids.values("id") and len(as_bits)
    if kind == "samples":
        assert labels_of(as_bits) == labels_of(as_ids)
    # a view that is saved with it is FiftyOne's own, and opens without the plugin
    assert all(stage["_cls"].startswith("fiftyone.") for stage in as_bits._serialize())


def test_a_selection_of_a_map_that_is_gone_shows_nothing(judged, monkeypatch):
    monkeypatch.setattr(selection, "_ID_LENGTH", 1000)
    stages = select_stages(load_map(judged, "ours"), ROWS, judged)
    judged.delete_brain_run("ours")
    assert shown_by_the_app(judged, stages).count() == 0


def test_nothing_selected_shows_nothing(judged):
    shown = load_map(judged, "ours")
    after = shown_by_the_app(judged, select_stages(shown, ROWS[:0], judged))
    assert after.count() == 0


def test_more_than_a_view_can_name_is_refused(judged, monkeypatch):
    monkeypatch.setattr(selection, "MAX_SELECTED", 4)
    with pytest.raises(InvalidParameter, match="select fewer"):
        select_stages(load_map(judged, "ours"), ROWS, judged)
