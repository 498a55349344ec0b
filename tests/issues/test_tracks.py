"""Tracks: each is one look, what differs from most of it is a wrong class, in frames of videos."""

from __future__ import annotations

from dataclasses import replace

import fiftyone as fo
import labelvet
import numpy as np
import pytest
from clusters import clusters
from labelvet.dataset.patches import read_stored
from labelvet.dataset.storage import locate
from labelvet.dataset.tracks import read_moments, read_tracks
from labelvet.issues.classes import ClassFit
from labelvet.issues.find import find_label_issues
from labelvet.issues.kinds import RIGHT, WRONG_CLASS
from labelvet.issues.reading import follow_labels
from labelvet.issues.reasons import Reasons
from labelvet.issues.suspicion import find_suspects
from labelvet.issues.tracks import find_tracks, link_frames

FRAMES = 20


def tracked(n=60, seed=0, confidence=False):
    """Tracks of 20 near-identical patches each, of which the first six are all wrong; each patch in
    an image of its own."""
    table, vectors, flipped, truth = clusters(n, seed=seed, confidence=confidence)
    rows = np.repeat(np.arange(n), FRAMES)
    m = len(rows)
    rng = np.random.default_rng(seed)
    table = replace(
        table.take(rows),
        sample_ids=np.array([f"{row:024x}" for row in range(m)]),
        label_ids=np.array([f"{row:024x}" for row in rng.permutation(m)]),
        media=np.arange(m, dtype=np.int32),
        filepaths=np.array([f"{row}.jpg" for row in range(m)], dtype=object),
    )
    vectors = vectors[rows] + 0.02 * rng.normal(size=(m, 16)).astype("f4")
    return table, vectors, flipped[rows], truth[rows], rows


@pytest.mark.parametrize("confidence", [False, True])
def test_a_wrong_class_of_a_whole_track_does_not_confirm_itself(confidence):
    table, vectors, flipped, truth, tracks = tracked(confidence=confidence)
    assert (find_suspects(table, vectors).mislabeled[flipped] < 0.5).all()
    found = find_suspects(table, vectors, tracks=tracks)
    assert found.mislabeled[flipped].min() > found.mislabeled[~flipped].max()
    assert (found.suggested[flipped, 0] == truth[flipped]).all()
    # no neighbor is of the own track, and each track is one of them once
    of = tracks[found.neighbors]
    assert (of != tracks[:, None]).all()
    assert all(len(set(some)) == len(some) for some in of.tolist())
    assert f"neighbors are c{truth[0]}" in Reasons(table, found, None).reason(0)


@pytest.mark.parametrize("confidence", [False, True])
def test_what_differs_from_most_of_its_track_is_a_wrong_class(confidence):
    table, vectors, flipped, truth, tracks = tracked(confidence=confidence)
    codes = table.codes.copy()
    rows = np.array([200, 201, 400])  # of the tracks 10 and 20
    codes[rows] = (truth[rows] + 1) % 4
    table = replace(table, codes=codes)
    found = find_suspects(table, vectors, tracks=tracks)
    own, kept = find_tracks(codes, tracks), found.tracks
    np.testing.assert_array_equal(kept.codes[kept.of], own.codes[own.of])
    np.testing.assert_array_equal(kept.alike, own.alike)
    assert (found.likeliest[rows] == WRONG_CLASS).all()
    assert (found.suggested[rows, 0] == truth[rows]).all()
    assert (found.suggested[rows] != codes[rows, None]).all()
    others = ~flipped & ~np.isin(np.arange(len(table)), rows)
    assert (found.likeliest[others] == RIGHT).all()
    np.testing.assert_allclose(found.kinds.sum(axis=1), 1, atol=1e-5)
    assert (found.kinds[rows, WRONG_CLASS] > 0.95).all()
    own, most = f"c{codes[200]}", f"c{truth[200]}"
    reason = Reasons(table, found, None).reason(200)
    assert reason.startswith(f"Its track is called {most} in 18 of 20 images, and {own} here")


def test_those_who_differ_from_a_wrong_track_may_be_right():
    table, vectors, _, truth, tracks = tracked()
    codes = table.codes.copy()
    codes[:2] = truth[:2]  # of a track that is wrong otherwise
    found = find_suspects(replace(table, codes=codes), vectors, tracks=tracks)
    assert (found.likeliest[2:FRAMES] == WRONG_CLASS).all()
    assert (found.likeliest[:2] == RIGHT).all()


def test_of_two_halves_of_a_track_the_look_tells_which_differs_wrongly():
    table, vectors, _, truth, tracks = tracked()
    codes = table.codes.copy()
    # of as many, the first by name stands for the track: of three the right one, then a wrong one
    for track in range(6, 10):
        codes[FRAMES * track : FRAMES * track + 10] = (truth[FRAMES * track] + 1) % 4
    found = find_suspects(replace(table, codes=codes), vectors, tracks=tracks)
    halves = (tracks >= 6) & (tracks < 10)
    marked, wrong = found.likeliest == WRONG_CLASS, codes != truth
    assert marked[halves & wrong & (tracks < 9)].all()
    assert not marked[halves & ~wrong].any()


def test_labels_without_a_track_are_judged_as_before_and_order_does_not_matter():
    table, vectors, _, _, tracks = tracked()
    alone = find_suspects(table, vectors, tracks=np.full(len(table), -1))
    np.testing.assert_allclose(
        alone.mislabeled, find_suspects(table, vectors).mislabeled, atol=1e-3
    )
    some = np.where(tracks % 2 == 0, tracks, -1)
    found = find_suspects(table, vectors, tracks=some)
    order = np.random.default_rng(0).permutation(len(table))
    shuffled = find_suspects(table.take(order), vectors[order], tracks=some[order])
    for name in ("kinds", "suggested", "clues"):
        np.testing.assert_array_equal(getattr(found, name)[order], getattr(shuffled, name))
    for name in ("of", "alike"):
        np.testing.assert_array_equal(
            getattr(found.tracks, name)[order], getattr(shuffled.tracks, name)
        )


def test_a_single_track_and_labels_without_a_class():
    table, vectors, _, _, _ = tracked(3)
    one = np.zeros(len(table), dtype=np.int64)
    codes = np.where(np.arange(len(table)) < 2, -1, 0).astype(np.int32)
    codes[5] = 1
    found = find_suspects(replace(table, codes=codes), vectors, tracks=one)
    assert np.isnan(found.mislabeled[:2]).all()
    assert found.likeliest[5] == WRONG_CLASS and found.suggested[5, 0] == 0
    assert "There are too few tracks to compare." in found.notes


def test_a_track_that_is_surely_wrong_leaves_no_other_class_for_what_differs():
    codes = np.array([0, 0, 1], dtype=np.int32)
    numbers, none = np.zeros((1, 3), "f4"), np.full((1, 3), -1, np.int32)
    none[0, 0], numbers[0, 0] = 1, 1
    fit = ClassFit(np.ones(1, "f4"), np.zeros(1, "f4"), none, numbers, certain=True)
    found = find_tracks(codes, np.zeros(3, dtype=np.int64)).spread(fit, codes)
    assert found.wrong.tolist() == [1, 1, 0]
    assert np.isfinite(found.chances).all()


def _videos(make_dataset, labels_of):
    """Two videos of 30 frames, each with the labels that a function makes."""
    dataset = make_dataset()
    for video in range(2):
        sample = fo.Sample(f"/{video}.mp4")
        for number in range(1, 31):
            detections = labels_of(video, number)
            sample.frames[number] = fo.Frame(
                filepath=f"/{video}-{number}.jpg", det=fo.Detections(detections=detections)
            )
        dataset.add_sample(sample, dynamic=True)
    return dataset


def _read(dataset, field):
    table = read_stored(locate(dataset, field), field)
    return table, read_tracks(dataset, table)


@pytest.mark.slow
def test_tracks_are_read_of_indices_by_video_and_of_instances_anywhere(make_dataset):
    instances = [fo.Instance(), fo.Instance()]

    def labels_of(video, number):
        def label(name, **more):
            return fo.Detection(label=name, bounding_box=[0.1, 0.1, 0.2, 0.2], **more)

        return [
            label("car" if number > 1 else "truck", index=0),
            label("car", index=1),  # as trackers of each class number them
            label("person", index=1),
            label("car"),
            label("car", instance=instances[number % 2], index=7),
        ]

    dataset = _videos(make_dataset, labels_of)
    table, tracks = _read(dataset, "frames.det")
    video = np.array([int(path[1]) for path in table.filepaths[table.media]])
    tracks = tracks.reshape(-1, 5)
    video = video.reshape(-1, 5)[:, 0]
    assert (tracks[:, 3] == -1).all() and (tracks[:, [0, 1, 2, 4]] >= 0).all()
    for column in (0, 1, 2):
        for number in (0, 1):
            assert len(set(tracks[video == number, column])) == 1
        assert set(tracks[video == 0, column]).isdisjoint(tracks[video == 1, column])
    assert len(set(tracks[:, :3].ravel())) == 6
    assert len(set(tracks[:, 4])) == 2  # two instances, in both videos
    # a dataset of the frames has them, and one of images has none
    copied = dataset.to_frames().clone()
    try:
        _, again = _read(copied, "det")
        assert len(set(again)) == len(set(tracks.ravel()))
    finally:
        copied.delete()
    images = make_dataset()
    label = fo.Detection(label="car", index=1, bounding_box=[0.1, 0.1, 0.2, 0.2])
    images.add_sample(fo.Sample("/a.jpg", det=fo.Detections(detections=[label])))
    assert _read(images, "det")[1] is None


def test_what_has_no_track_is_followed_from_frame_to_frame():
    box, near, far = [0.1, 0.1, 0.2, 0.2], [0.12, 0.1, 0.2, 0.2], [0.2, 0.1, 0.2, 0.2]
    one, other = [1.0, 0.0], [0.0, 1.0]

    def linked(*labels):
        moments, boxes, vectors, numbers = zip(*labels, strict=True)
        found = link_frames(
            np.array(moments), np.array(boxes), np.array(vectors, "f4"), np.array(numbers)
        )
        # the first label of each one's track
        return [found.tolist().index(number) for number in found.tolist()]

    assert linked((2, box, one, -1), (3, near, one, -1), (4, box, one, -1)) == [0, 0, 0]
    assert linked((2, box, one, -1), (4, box, one, -1)) == [0, 1]  # in another video
    assert linked((2, box, one, -1), (3, far, one, -1)) == [0, 1]  # a third overlaps
    assert linked((2, box, one, -1), (3, near, other, -1)) == [0, 1]
    # each follows the one that it overlaps the most, in one frame none
    assert linked((2, box, one, -1), (3, near, one, -1), (3, box, one, -1)) == [0, 1, 0]
    assert linked((2, box, one, -1), (2, box, one, -1)) == [0, 1]
    # what has a track keeps it
    assert linked((2, box, one, 0), (3, near, one, -1), (9, far, other, 0)) == [0, 1, 0]


@pytest.mark.slow
@pytest.mark.parametrize("indexed", [True, False])
def test_label_issues_of_frames_say_what_their_tracks_are_called(make_dataset, indexed):
    vectors = 3 * np.eye(8, 16)
    rng = np.random.default_rng(0)
    names = ["car", "car", "car", "person", "person", "person"]

    def labels_of(video, number):
        return [
            fo.Detection(
                label="person" if (video, index) == (0, 0) and number == 9 else name,
                bounding_box=[0.15 * index, 0.1, 0.1, 0.2],
                **({"index": index} if indexed else {}),
                vector=vectors[int(name == "car")] + 0.1 * rng.normal(size=16),
            )
            for index, name in enumerate(names)
        ]

    dataset = _videos(make_dataset, labels_of)
    frames = dataset.to_frames()
    labelvet.compute_visualization(
        frames, "det", "map", embeddings="vector", method="pca", progress=False
    )
    issues = find_label_issues(dataset, "map")
    assert issues.counts["mislabeled"] == 1
    found = dataset.first().frames[9]["det"].detections[0]
    assert found.issue == "mislabeled" and found.suggested_label == "car"
    assert found.issue_reason == "Its track is called car in 29 of 30 frames, and person here."
    # the neighbors are other tracks, each once
    assert 0 < len(found.issue_evidence) <= 11


def test_what_is_followed_by_nobody_is_judged_as_ever(make_dataset):
    def tracks(dataset, field):
        table = read_stored(locate(dataset, field), field)
        return follow_labels(dataset, table, np.ones((len(table), 3), "f4"))

    images = make_dataset()
    for number in range(2):
        label = fo.Detection(label="car", instance=fo.Instance(), bounding_box=[0, 0, 0.5, 0.5])
        field = fo.Detections(detections=[label])
        images.add_sample(fo.Sample(f"/{number}.jpg", det=field, sample_id="mine"))
    assert tracks(images, "det") is None
    videos = make_dataset()
    sample = fo.Sample("/a.mp4")
    for number in range(1, 5):
        night = fo.Classification(label="night" if number > 3 else "day")
        sample.frames[number] = fo.Frame(light=night)
    videos.add_sample(sample)
    assert tracks(videos, "frames.light") is None


@pytest.mark.slow
def test_patches_of_one_frame_are_of_one_moment(make_dataset):
    def labels_of(video, number):
        return [fo.Detection(label="car", bounding_box=[0, 0, 0.5, 0.5]) for _ in range(2)]

    patches = _videos(make_dataset, labels_of).to_frames().to_patches("det").clone()
    try:
        table, _ = _read(patches, "det")
        moments = read_moments(patches, table)
        assert len(moments) == 120 and len(set(moments.tolist())) == 60
    finally:
        patches.delete()
