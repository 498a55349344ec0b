"""Labels of a run that are followed through videos, by the real tracker; no detector is needed."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from itertools import chain
from threading import Event

import fiftyone as fo
import numpy as np
import pytest
from labelvet.autolabel import tracking
from labelvet.autolabel.auto_label import auto_label
from labelvet.autolabel.bytetrack import follow_objects
from labelvet.autolabel.replacing import MARK
from labelvet.autolabel.runs import RUN_IN_REVIEW, AutoLabelRun, get_run, save_run
from labelvet.core.errors import Cancelled, FieldGone, InvalidParameter, ModelUnavailable
from labelvet.core.progress import Progress
from labelvet.dataset.changes import list_changes
from labelvet.dataset.documents import samples_of
from labelvet.dataset.label_fields import label_field
from labelvet.dataset.patches import read_stored
from labelvet.dataset.storage import Storage, home_of
from labelvet.dataset.tracks import read_tracks
from labelvet.panels.undoing import undo

FIELD, RUN = "found", AutoLabelRun("first_pass", "found", "model", None, 0.1, track=True)
ROOT = f"frames.{FIELD}.detections"


def seen(name, x, y, **options):
    """A label of the run, which is called what it shows."""
    known = {"confidence": 0.9, "auto_label_run": RUN.name, **options}
    return fo.Detection(label=name, bounding_box=[x, y, 0.1, 0.1], **known)


def street(number):
    """What is in a frame: a car, a bus that is hidden for a while, a late dog, a flash; or nothing.
    In the first frame stands a label of somebody else."""
    if number == 15:
        return []
    labels = [seen("car", 0.1 + 0.01 * number, 0.1)]
    if not 8 <= number < 13:
        labels.append(seen("bus", 0.8 - 0.01 * number, 0.6, confidence=None))
    if number >= 3:
        labels.append(seen("dog", 0.5, 0.3))
    if number == 4:
        labels.append(seen("flash", 0.0, 0.8))
    if number == 1:
        labels.insert(0, seen("theirs", 0.1, 0.1, auto_label_run=None, index=6))
    return labels


@pytest.fixture
def videos(make_dataset):
    """Two videos, of the street and of a dog, in which the run has labeled all frames."""
    dataset = make_dataset()
    dog = [[seen("dog", 0.5, 0.3)] for _ in range(3)]
    for number, of_video in enumerate([[street(number) for number in range(1, 21)], dog]):
        video = fo.Sample(f"/nowhere/{number}.mp4")
        for place, labels in enumerate(of_video, 1):
            video.frames[place] = fo.Frame(
                filepath=f"/{number}-{place}.jpg", found=fo.Detections(detections=labels)
            )
        dataset.add_sample(video, dynamic=True)
    samples_of(Storage(dataset, True)).update_many({}, {"$set": {f"{FIELD}.{MARK}": [RUN.name]}})
    save_run(dataset, replace(RUN, state=RUN_IN_REVIEW))
    return dataset


def follow(dataset, **options):
    view = dataset.to_frames() if dataset.media_type == "video" else dataset.view()
    home, ids = home_of(view), view.values("id")
    run, progress = get_run(dataset, RUN.name), Progress(**options)
    return tracking.track_labels(home, label_field(home, FIELD), run, ids, progress, share=1)


def indexes(dataset):
    """The indexes of what is shown, by its name, video by video."""
    dataset.reload()
    found = []
    for names, values in zip(*dataset.values([f"{ROOT}.label", f"{ROOT}.index"]), strict=True):
        of_video = {}
        for name, index in zip(chain(*names), chain(*values), strict=True):
            of_video.setdefault(name, []).append(index)
        found.append(of_video)
    return found


EXPECTED = [
    {"theirs": [6], "car": [7] * 19, "bus": [8] * 14, "dog": [9] * 17, "flash": [None]},
    {"dog": [1] * 3},
]


def test_each_object_gets_one_index_that_no_other_has(videos):
    before = videos.values(f"{ROOT}.id")
    done = follow(videos)
    assert indexes(videos) == EXPECTED and (done.tracks, done.videos) == (4, 2)
    assert videos.values(f"{ROOT}.id") == before
    table = read_stored(Storage(videos, True), f"frames.{FIELD}")
    assert len(set(read_tracks(videos, table).tolist()) - {-1}) == 5
    # again, it writes nothing
    moments = videos.values("frames.last_modified_at")
    assert follow(videos) == done
    assert indexes(videos) == EXPECTED and videos.values("frames.last_modified_at") == moments


@pytest.mark.slow
def test_what_was_cut_off_or_found_since_keeps_its_indexes(videos, monkeypatch):
    """Also in an open view, whose copies are written too."""
    view, patches = videos.to_frames(), videos.to_frames().to_patches(FIELD)
    monkeypatch.setattr(tracking, "_FRAMES_PER_WRITE", 6)
    write, written = tracking.write_checked, []

    def killed(*args, **kwargs):
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(write(*args, **kwargs))

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(tracking, "write_checked", killed)
        follow(videos)
    assert indexes(videos)[0]["car"] == [7] * 12 + [None] * 7
    # an earlier pass took the flash for something
    frame = videos.first().frames[4]
    frame[FIELD].detections[-1].index = 3
    frame.save()
    assert indexes(videos)[0]["flash"] == [3]
    follow(videos)
    assert indexes(videos) == EXPECTED
    shown = view._dataset.values(f"{FIELD}.detections.index", unwind=True)
    assert shown == videos.values(f"{ROOT}.index", unwind=True)
    assert sorted(map(str, patches._dataset.values(f"{FIELD}.index"))) == sorted(map(str, shown))


@pytest.mark.parametrize("of", ["polylines", "keypoints"])
def test_lines_and_points_are_followed_by_the_box_around_them(make_dataset, of):
    """In a dataset that was made of frames."""

    def shown(x):
        options = {"auto_label_run": RUN.name}
        points = [(x, 0.1), (x + 0.2, 0.4)]
        if of == "polylines":
            return fo.Polyline(points=[points], confidence=0.9, **options)
        return fo.Keypoint(points=points, confidence=[0.9, 0.8], **options)

    kind = {"polylines": fo.Polylines, "keypoints": fo.Keypoints}[of]
    video = fo.Sample("/nowhere/a.mp4")
    for number in range(1, 5):
        found = kind(**{of: [shown(0.1 + number / 100), shown(0.6)][:: (-1) ** number]})
        video.frames[number] = fo.Frame(filepath=f"/{number}.jpg", found=found)
    videos = make_dataset()
    videos.add_sample(video, dynamic=True)
    frames = videos.to_frames().clone()
    try:
        samples_of(frames).update_many({}, {"$set": {f"{FIELD}.{MARK}": [RUN.name]}})
        save_run(frames, RUN)
        follow(frames)
        assert frames.values(f"{FIELD}.{of}.index") == [[1, 2], [2, 1]] * 2
    finally:
        frames.delete()


def test_a_track_keeps_the_index_that_most_of_it_have():
    tracks, before = np.array([7, 8, 9, 7, 8, -1, 8, 9]), np.array([-1, 4, 4, -1, 4, 3, 2, -1])
    assert tracking.number_tracks(tracks, before, 5).tolist() == [5, 4, 6, 5, 4, -1, 4, 6]


def test_frames_that_were_left_out_end_tracks_and_sampled_ones_do_not():
    from labelvet.dataset.tracks import _moments

    every_third = np.arange(1, 31, 3)
    assert _moments(every_third).tolist() == list(range(10))
    assert _moments(np.array([1, 2, 4, 5, 7, 7, 100])).tolist() == [0, 1, 2, 3, 4, 4, 50]
    box = np.tile([0.1, 0.1, 0.2, 0.2], (5, 1))
    sure = np.full(5, np.nan, dtype=np.float32)
    near, far = (
        follow_objects(np.array([0, 1, 2, last, last + 1]), box, sure, lambda: None).tolist()
        for last in (20, 200)
    )
    assert near == [1] * 5 and far == [1, 1, 1, 2, 2]
    box[2] = np.nan
    assert follow_objects(np.arange(5), box, sure, lambda: None).tolist() == [1, 1, -1, 1, 1]


@pytest.mark.parametrize("how", ["canceled", "the field is gone"])
def test_it_ends_where_it_may_not_go_on(videos, monkeypatch, how):
    monkeypatch.setattr("labelvet.core.progress._SECONDS_BETWEEN_REPORTS", 0)
    cancelled = Event()

    def go(fraction, line):
        if "2 of 23 frames" in line:
            if how == "canceled":
                cancelled.set()
            elif videos.has_frame_field(FIELD):
                videos.rename_frame_field(FIELD, "another")

    with pytest.raises(Cancelled if how == "canceled" else FieldGone):
        follow(videos, report=go, cancelled=cancelled)


@pytest.mark.slow
def test_what_cannot_be_followed_is_refused_before_any_work(videos, judged, monkeypatch):
    with pytest.raises(InvalidParameter, match="only be followed in frames of videos"):
        auto_label(judged, "no model", FIELD, "second", track=True)
    for name in ("lap", "ultralytics"):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, name, None)
            with pytest.raises(ModelUnavailable, match=f"needs pip install {name}: install it"):
                auto_label(videos.to_frames(), "no model", FIELD, "second", track=True)
    with pytest.raises(InvalidParameter, match=r"confidence of 0.1, with tracks: go on with"):
        auto_label(
            videos.to_frames(), "model", FIELD, RUN.name, confidence=0.1, existing="only_new"
        )


@pytest.mark.slow
def test_ultralytics_does_not_install_what_is_missing():
    """It would as its tracker is imported, where there is internet."""
    code = """
import importlib.metadata, sys

def version(name, known=importlib.metadata.version):
    if name == "lap":
        raise importlib.metadata.PackageNotFoundError(name)
    return known(name)

importlib.metadata.version, sys.modules["lap"] = version, None
from labelvet.autolabel.bytetrack import check_installed, missing_packages
assert missing_packages() == "Following objects needs pip install lap", missing_packages()
from labelvet.autolabel import bytetrack
bytetrack.missing_packages = lambda: None  # as where one is damaged
check_installed()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    said = done.stdout + done.stderr
    assert "as a package is damaged" in said and "attempting AutoUpdate" not in said, said


class Street(fo.Model):
    """Finds what is in the street, by the width of an image."""

    media_type = "image"
    ragged_batches = False

    def predict_all(self, images, samples=None):
        found = [street(image.shape[1]) for image in images]
        for labels in found:
            for label in labels:
                label.confidence = label.confidence or 0.7
        return [
            fo.Detections(detections=[one for one in labels if one.label != "theirs"])
            for labels in found
        ]


@pytest.mark.slow
def test_a_run_follows_what_it_found_and_a_replacement_is_undone(make_dataset, tmp_path):
    from PIL import Image

    dataset = make_dataset()
    video = fo.Sample("/nowhere/a.mp4")
    for number in range(1, 21):
        file = tmp_path / f"{number}.png"
        Image.new("RGB", (number, 8)).save(file)
        video.frames[number] = fo.Frame(filepath=str(file))
    dataset.add_sample(video)

    def label(frames, **options):
        options = {"confidence": 0.1, "track": True, "batch_size": 3, **options}
        return auto_label(frames, Street(), FIELD, RUN.name, **options)

    frames, lines = dataset.to_frames(), []
    first = label(frames.limit(10), progress=lambda *update: lines.append(update))
    assert "3 tracks were followed in 1 video." in first.summary() and first.run.track
    assert lines[-1][0] == pytest.approx(1)
    assert label(frames, existing="only_new").tracked.tracks == 3
    (found,) = indexes(dataset)
    assert (found["car"], found["dog"]) == ([1] * 19, [3] * 17)
    assert found["bus"] == [2] * 14 and found["flash"] == [None]
    before = list(samples_of(Storage(dataset, True)).find())
    again = label(frames, existing="replace", confidence=0.8)
    (found,) = indexes(dataset)
    assert again.tracked.tracks == 2 and (found["car"], found["dog"]) == ([4] * 19, [5] * 17)
    (change,) = list_changes(Storage(dataset, True), ("replacement",))
    undo(dataset, change.token)
    after = list(samples_of(Storage(dataset, True)).find())
    assert [one[FIELD] for one in after] == [one[FIELD] for one in before]
