import json

import fiftyone.core.odm as foo
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from labelvet.core.errors import StaleRun, UnknownRun
from labelvet.dataset.documents import hex_ids, object_ids, pack_ids, parse_ids
from labelvet.maps import map as maps
from labelvet.maps.map import list_maps, load_map


def test_runs_of_every_origin_are_listed(judged):
    infos = {info.key: info for info in list_maps(judged)}
    assert set(infos) == {"ours", "theirs"}
    assert infos["ours"].patches_field == "predictions" and infos["ours"].num_dims == 2
    assert infos["theirs"].patches_field is None and infos["theirs"].num_dims == 3
    assert all(info.ready and info.method == "pca" for info in infos.values())


@pytest.mark.parametrize("key", ["ours", "theirs"])
def test_a_map_is_what_fiftyone_loads(judged, key):
    results = judged.load_brain_results(key)
    shown = load_map(judged, key)
    assert np.allclose(shown.points, results.points)
    assert hex_ids(shown.sample_ids) == list(results.sample_ids)
    expected = results.sample_ids if results.label_ids is None else results.label_ids
    assert hex_ids(shown.ids) == list(expected)
    assert hex_ids(shown.samples[shown.sample_index]) == list(results.sample_ids)


def test_rows_are_found_in_any_order_and_strangers_have_none(judged):
    shown = load_map(judged, "ours")
    order = np.random.default_rng(0).permutation(len(shown))
    assert (shown.rows_of(shown.ids[order]) == order).all()
    assert (shown.rows_of(shown.ids) == np.arange(len(shown))).all()
    assert (shown.rows_of(shown.sample_ids) == -1).all()


def test_ids_that_are_mixed_into_one_number_are_told_apart(judged, monkeypatch):
    shown = load_map(judged, "ours")
    monkeypatch.setattr(maps, "_mixed", lambda ids: np.zeros(len(ids), np.uint64))
    order = np.random.default_rng(0).permutation(len(shown))
    shown.__dict__.pop("_index", None)
    assert (shown.rows_of(shown.ids[order]) == order).all()
    assert (shown.rows_of(shown.sample_ids) == -1).all()
    del shown.__dict__["_index"]


def test_results_of_old_fiftyone_are_lists(judged):
    shown = load_map(judged, "ours")
    results = judged.load_brain_results("ours")
    content = {
        "points": results.points.tolist(),
        "sample_ids": list(results.sample_ids),
        "label_ids": list(results.label_ids),
    }
    document = judged._doc.brain_methods["ours"]
    document.results.replace(json.dumps(content).encode())
    document.save()
    again = load_map(judged, "ours")
    assert again is not shown
    assert np.allclose(again.points, shown.points) and np.array_equal(again.ids, shown.ids)


def test_a_replaced_or_deleted_run_is_stale(judged):
    run = load_map(judged, "theirs").info.run
    assert load_map(judged, "theirs", run) is load_map(judged, "theirs")
    judged.rename_brain_run("theirs", "renamed")
    judged.rename_brain_run("ours", "theirs")
    with pytest.raises(StaleRun, match="computed again"):
        load_map(judged, "theirs", run)
    judged.delete_brain_run("theirs")
    with pytest.raises(StaleRun, match="no visualization run"):
        load_map(judged, "theirs", run)


def test_a_run_without_results_says_so(judged):
    database = foo.get_db_conn()
    database.runs.update_one(
        {"_dataset_id": judged._doc.id, "key": "ours"}, {"$unset": {"results": 1}}
    )
    assert {info.key: info.ready for info in list_maps(judged)} == {"ours": False, "theirs": True}
    with pytest.raises(UnknownRun, match="has no results"):
        load_map(judged, "ours")


@pytest.mark.parametrize("content", [b"", b"{}", b'{"points": "x"}', b'{"points": [[1, 2]]}'])
def test_broken_results_say_so(judged, content):
    document = judged._doc.brain_methods["ours"]
    document.results.replace(content)
    document.save()
    with pytest.raises(UnknownRun):
        load_map(judged, "ours")


@pytest.mark.parametrize("key", ["", "nothing", "$where", "a.b"])
def test_an_unknown_key_is_refused(judged, key):
    with pytest.raises(UnknownRun, match="There is no visualization run"):
        load_map(judged, key)


@pytest.mark.slow
@given(st.lists(st.binary(min_size=12, max_size=12), max_size=20))
def test_ids_survive_every_form(ids):
    array = np.frombuffer(b"".join(ids), np.uint8).reshape(-1, 12)
    texts = hex_ids(array)
    assert [bytes.fromhex(text) for text in texts] == ids
    assert np.array_equal(parse_ids(texts), array)
    assert np.array_equal(pack_ids(object_ids(array)), array)
    assert np.array_equal(parse_ids(np.array(texts, dtype="<U24")), array)


@pytest.mark.parametrize("ids", [["0" * 23], ["g" * 24], ["0" * 23, "0" * 25 + "0"]])
def test_what_is_no_id_is_refused(ids):
    with pytest.raises(ValueError):
        parse_ids(ids)
