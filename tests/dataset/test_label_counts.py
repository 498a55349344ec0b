"""Counts, classes and tags are those that FiftyOne's own aggregations find."""

import fiftyone as fo
import pytest
from fiftyone import ViewField as F
from labelvet.approval.candidates import Selection, find_candidates, read_candidates
from labelvet.core.errors import InvalidParameter
from labelvet.dataset.label_counts import count_labels, list_classes, list_tags
from labelvet.dataset.label_views import count_filtered, filter_labels
from labelvet.dataset.states import LOOP_STATES, TAGS
from labelvet.operators.forms import count_in_states

TAGGED = ([], ["a"], ["b", "a"], None, [""])


@pytest.fixture
def labeled(make_dataset):
    """Images, some without labels, with lists of boxes, single classes, and keypoints."""
    dataset = make_dataset()
    for number in range(4):
        boxes = [
            fo.Detection(
                label=(None, "cat", "dog")[(number + place) % 3],
                bounding_box=[0, 0, 0.5, 0.5],
                confidence=place / 5,
                tags=TAGGED[(number + place) % len(TAGGED)],
            )
            for place in range(number)
        ]
        points = [fo.Keypoint(points=[[0, 0], [1, 1]], confidence=[number / 4, 1.0], tags=["p"])]
        sample = fo.Sample(f"/{number}.jpg", points=fo.Keypoints(keypoints=points))
        if number != 1:
            sample["boxes"] = fo.Detections(detections=boxes)
            sample["weather"] = fo.Classification(label="sun", tags=["a", "b"])
        dataset.add_sample(sample)
    return dataset


@pytest.fixture
def video(make_dataset):
    dataset, sample = make_dataset(), fo.Sample("/a.mp4")
    for number in range(1, 4):
        boxes = [fo.Detection(label="ab"[place % 2], tags=["x"][:place]) for place in range(number)]
        sample.frames[number] = fo.Frame(boxes=fo.Detections(detections=boxes))
    dataset.add_samples([sample, fo.Sample("/b.mp4")])
    return dataset


def check(samples, field):
    root = samples._get_label_field_root(field)[0]
    assert count_labels(samples, field) == samples.count(root)
    assert list_classes(samples, field) == samples.distinct(f"{root}.label")
    assert list_tags(samples, field) == [tag for tag in samples.distinct(f"{root}.tags") if tag]


def test_they_are_those_of_what_is_shown(labeled, video):
    for samples in (labeled, labeled.view(), labeled.limit(3), labeled.limit(0)):
        for field in ("boxes", "weather", "points"):
            check(samples, field)
    check(labeled.filter_labels("boxes", F("label") == "dog"), "boxes")
    check(labeled.to_patches("boxes").limit(2), "boxes")
    check(labeled.group_by("weather.label"), "boxes")
    check(video, "frames.boxes")
    check(video.to_frames(), "boxes")
    assert count_labels(labeled, "boxes") == 5 and count_labels(video, "frames.boxes") == 6


def test_of_a_grouped_dataset_they_are_those_of_the_active_slice(make_dataset):
    dataset, group = make_dataset(), fo.Group()
    for name in ("left", "right"):
        boxes = fo.Detections(detections=[fo.Detection(label=name, tags=[name])])
        dataset.add_sample(fo.Sample(f"/{name}.jpg", group=group.element(name), boxes=boxes))
    for name in ("left", "right"):
        dataset.group_slice = name
        check(dataset, "boxes")
        assert list_classes(dataset, "boxes") == list_tags(dataset, "boxes") == [name]


@pytest.mark.parametrize(
    "which",
    [
        {"confidence": (0.2, None)},
        {"confidence": (None, 0.2)},
        {"classes": ["cat"]},
        {"tags": ["a", "p"], "confidence": (0.1, 0.9)},
    ],
)
def test_what_a_filter_keeps_is_counted_as_it_is_shown(labeled, which):
    for samples in (labeled, labeled.limit(3), labeled.to_patches("boxes")):
        for field in {"boxes", "points"} & set(samples.get_field_schema()):
            kept = filter_labels(samples, field, **which)
            root = kept._get_label_field_root(field)[0]
            assert count_filtered(samples, field, **which) == kept.count(root)


def test_labels_are_counted_by_state_as_they_are_read(labeled):
    states = [[], ["other"], [*TAGS.values()], *([tag, "other"] for tag in TAGS.values())]
    boxes = [fo.Detection(label="a", bounding_box=[0, 0, 1, 1], tags=tags) for tags in states]
    bare = fo.Detection(label="a", tags=["approved"])
    labeled.add_sample(fo.Sample("/s.jpg", boxes=fo.Detections(detections=[*boxes, bare])))
    candidates, some = find_candidates(labeled, "boxes"), Selection(classes=["a", "cat"])
    numbers = []
    for state in LOOP_STATES:
        for selection in (Selection(), some):
            read = len(read_candidates(candidates, selection, state)[1])
            assert count_in_states(candidates, [state], selection) == read
        numbers.append(read)
    assert count_in_states(candidates, LOOP_STATES) == 5 + len(boxes)
    assert numbers[:4] == [2, 1, 1, 1]  # with all of the tags, the first decides
    single = find_candidates(labeled, "weather")
    assert count_in_states(single, ["open"]) == 3 and count_in_states(single, ["flagged"]) == 0
    with pytest.raises(InvalidParameter, match="swap them"):
        count_in_states(candidates, ["open"], Selection((0.9, 0.1)))
