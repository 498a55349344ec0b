"""What is kept in memory of datasets."""

import time
from concurrent.futures import ThreadPoolExecutor

import fiftyone as fo
import pytest
from labelvet.dataset import brain_runs, memory
from labelvet.dataset.brain_runs import load_neighbor_graph
from labelvet.dataset.memory import Memory, forget_deleted
from labelvet.maps import columns, map, selection, thumbnails
from labelvet.maps.columns import load_column
from labelvet.maps.map import load_map
from labelvet.maps.selection import visible_rows
from labelvet.maps.thumbnails import ThumbnailSettings, make_thumbnails
from labelvet.panels.label_embeddings import LabelEmbeddings
from panel_app import PanelApp


class LabelsApp(PanelApp):
    panel = LabelEmbeddings


KEPT = (
    map._maps,
    columns._columns,
    selection._masks,
    thumbnails._pictures,
    brain_runs._graphs,
)


def test_what_was_used_last_is_kept_within_a_number_of_bytes():
    kept = Memory(10, len)
    for key in "abc":
        kept.put((key,), b"1234")
    assert kept.find(("a",)) is None and kept.find(("b",)) and kept.find(("c",))
    # what is larger than all is kept alone, or it would be made for every question
    assert kept.get(("d",), lambda: b"1" * 100) and len(kept) == 1


def test_a_value_is_made_once_however_many_ask():
    kept, made = Memory(10, len), []

    def make():
        made.append(1)
        time.sleep(0.1)
        return b"1"

    with ThreadPoolExecutor(8) as clients:
        list(clients.map(lambda _: kept.get(("a",), make), range(8)))
    assert len(made) == 1


def test_what_cannot_be_made_is_tried_again():
    kept = Memory(10, len)
    with pytest.raises(ZeroDivisionError):
        kept.get(("a",), lambda: 1 // 0)
    assert kept.get(("a",), lambda: b"1") == b"1"


def test_a_deleted_dataset_is_forgotten(judged, monkeypatch):
    app = LabelsApp(judged)
    shown = load_map(judged, "ours")
    load_column(judged, shown, "predictions.detections.label")
    visible_rows(shown, judged.limit(2))
    make_thumbnails(judged, shown, [1], ThumbnailSettings(64, 0.2))
    load_neighbor_graph(judged, "ours")

    def of_it(memories):
        return [any(shown.collection in key for key in kept._kept) for kept in memories]

    monkeypatch.setattr(memory, "_looked", float("-inf"))
    forget_deleted()
    assert of_it(KEPT) == [True] * 5 and sum(of_it(memory._memories)) >= 5
    fo.delete_dataset(judged.name)
    forget_deleted()
    assert of_it(KEPT) == [True] * 5  # the database is not asked each time
    monkeypatch.setattr(memory, "_looked", float("-inf"))
    # the page that is open on it is the last one that asks
    assert "was deleted" in app("list_runs")["error"]
    assert not any(of_it(memory._memories))
