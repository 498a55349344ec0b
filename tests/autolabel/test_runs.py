"""The record of a run: written, read by FiftyOne itself, changed and deleted."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import fiftyone as fo
import pytest
from labelvet.autolabel.runs import (
    RUN_IN_REVIEW,
    AutoLabelRun,
    get_run,
    heartbeat,
    list_runs,
    save_run,
)
from labelvet.core.errors import InvalidParameter, UnknownRun
from labelvet.dataset.storage import collection_named

RUN = AutoLabelRun("first_pass", "yolow_detections", "yolov8s-world.pt", ("car", "dog"), 0.2)


def test_a_run_is_written_changed_and_deleted(make_dataset):
    dataset = make_dataset()
    assert list_runs(dataset) == []
    save_run(dataset, RUN)
    assert get_run(dataset, "first_pass") == RUN
    second = replace(
        RUN, name="second", classes=None, created=RUN.created + timedelta(seconds=1), user="me"
    )
    save_run(dataset, second)
    assert list_runs(dataset) == [second, RUN]
    done = replace(RUN, state=RUN_IN_REVIEW, labels=7, images=3, unreadable=1)
    save_run(dataset, done)
    assert list_runs(dataset) == [second, done]
    # as an earlier version wrote them
    collection_named("runs").update_many({}, {"$unset": {"config.track": ""}})
    assert list_runs(dataset) == [second, done]
    dataset.delete_run("first_pass")
    assert list_runs(dataset) == [second]
    with pytest.raises(UnknownRun, match="no auto labeling run 'first_pass'"):
        get_run(dataset, "first_pass")


def test_fiftyone_reads_it(make_dataset):
    dataset = make_dataset()
    save_run(dataset, RUN)
    dataset.reload()
    assert dataset.list_runs(method="labelvet_auto_label") == ["first_pass"]
    assert dataset.get_run_info("first_pass").config.label_field == "yolow_detections"


def test_it_is_read_as_the_database_has_it(make_dataset, monkeypatch):
    dataset = make_dataset()
    save_run(dataset, RUN)
    # as stale as the dataset of another process
    monkeypatch.setattr(fo.config, "singleton_cache", False)
    stale = fo.load_dataset(dataset.name)
    save_run(dataset, replace(RUN, labels=5))
    assert stale is not dataset and get_run(stale, "first_pass").labels == 5


@pytest.mark.parametrize("name", ["", "1st", "a b", "a.b", None])
def test_a_name_is_an_identifier(make_dataset, name):
    with pytest.raises(InvalidParameter, match="letters, digits"):
        save_run(make_dataset(), replace(RUN, name=name))


def test_a_name_of_a_run_has_an_end(make_dataset):
    with pytest.raises(InvalidParameter, match="has 300 characters: it may have 200 at most"):
        save_run(make_dataset(), replace(RUN, name="x" * 300))


def test_a_run_of_another_kind_is_left_alone(make_dataset):
    dataset = make_dataset()
    dataset.register_run("theirs", dataset.init_run(method="other"))
    with pytest.raises(InvalidParameter, match="another kind"):
        save_run(dataset, replace(RUN, name="theirs"))
    assert list_runs(dataset) == []


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_process_whose_clock_is_wrong_is_told_from_one_that_ended(make_dataset, hours):
    wrong = datetime.now(timezone.utc) + timedelta(hours=hours)
    dataset, run = make_dataset(), replace(RUN, seen=wrong)
    save_run(dataset, run)
    assert get_run(dataset, RUN.name).cut_off
    with heartbeat(dataset, run):
        seen = get_run(dataset, RUN.name)
        assert not seen.cut_off
        assert abs(seen.seen - datetime.now(timezone.utc)) < timedelta(seconds=20)
    assert not get_run(dataset, RUN.name).cut_off


def test_a_run_whose_process_ended_is_cut_off(make_dataset, monkeypatch):
    monkeypatch.setattr("labelvet.autolabel.runs._SEEN_EVERY_SECONDS", 0.05)
    dataset = make_dataset()
    run = replace(RUN, seen=RUN.created - timedelta(minutes=5))
    save_run(dataset, run)
    assert get_run(dataset, RUN.name).cut_off
    with heartbeat(dataset, run):
        deadline = time.monotonic() + 20
        while get_run(dataset, RUN.name).cut_off and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not get_run(dataset, RUN.name).cut_off
    save_run(dataset, replace(run, state=RUN_IN_REVIEW))
    assert not get_run(dataset, RUN.name).cut_off


@pytest.mark.parametrize(("seconds", "cut_off"), [(59, False), (61, True)])
def test_a_run_that_is_silent_for_a_minute_is_cut_off(seconds, cut_off):
    read_at = RUN.seen + timedelta(seconds=seconds)
    assert replace(RUN, read_at=read_at).cut_off == cut_off
