import json

import fiftyone as fo
import pytest
from fiftyone import ViewField as F
from labelvet.approval.candidates import Selection, find_candidates
from labelvet.approval.candidates_view import candidates_view
from labelvet.core.errors import InvalidParameter, UnknownField
from labelvet.dataset.label_views import (
    exclude_tagged,
    filter_labels,
    save_tagged_view,
    tagged_view,
)
from labelvet.dataset.tags import tag_view

ROOT = "predictions.detections"


@pytest.fixture
def tagged(judged):
    """The 4 cats above 0.7 are tagged."""
    cats = judged.filter_labels("predictions", (F("confidence") > 0.7) & (F("label") == "cat"))
    tag_view(cats, "predictions", "needs-review")
    assert judged.count_label_tags() == {"needs-review": cats.count(ROOT)}
    return judged


def test_labels_are_kept_by_confidence_class_and_tag(tagged):
    def confidences(*args, **kwargs):
        return filter_labels(tagged, "predictions", *args, **kwargs).values(
            f"{ROOT}.confidence", unwind=True
        )

    assert len(confidences((0.0, None))) == 23  # one label has no confidence
    assert len(confidences((None, 1.0))) == 23
    assert max(confidences((None, 0.25))) == 0.25 and min(confidences((0.25, None))) == 0.25
    both = filter_labels(tagged, "predictions", (0.5, 1), classes=["cat"], tags=["needs-review"])
    assert set(both.values(f"{ROOT}.label", unwind=True)) == {"cat"}
    assert both.count(ROOT) == tagged.count_label_tags()["needs-review"]
    patches = filter_labels(tagged.to_patches("predictions"), "predictions", (0.5, None))
    assert patches.count() == 12


def test_keypoints_are_kept_by_the_mean_of_what_is_known_in_views_that_travel(make_dataset):
    dataset, nan = make_dataset(), float("nan")
    known = [[0.2, nan, 0.6], [nan, nan], None, [0.9]]
    points = [
        fo.Keypoint(label="a", points=[(0.1, 0.1)], confidence=confidences) for confidences in known
    ]
    dataset.add_sample(fo.Sample("/0.jpg", poses=fo.Keypoints(keypoints=points)))
    for bounds, found in (((None, 0.5), 1), ((0.5, None), 1), ((None, 1), 2), ((0.39, 0.41), 1)):
        view = filter_labels(dataset, "poses", bounds)
        assert view.count("poses.keypoints") == found
        # JSON has neither infinity nor NaN
        again = json.loads(json.dumps(view._serialize(include_uuids=False), allow_nan=False))
        assert fo.DatasetView._build(dataset, again).count("poses.keypoints") == found
    reviewed = candidates_view(dataset, find_candidates(dataset, "poses"), Selection(), "open")
    assert json.dumps(reviewed._serialize(), allow_nan=False)


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"confidence": (0.8, 0.2)},
        {"confidence": (float("nan"), None)},
        {"confidence": ("0.5", None)},
        {"confidence": (True, None)},
        {"confidence": (None, 10**400)},
    ],
)
def test_ranges_that_are_none_are_refused(judged, arguments):
    with pytest.raises(InvalidParameter):
        filter_labels(judged, "predictions", **arguments)


@pytest.mark.parametrize("field", [None, "", "checked", "$predictions", "predictions.detections"])
def test_fields_without_labels_are_refused(judged, field):
    with pytest.raises(UnknownField):
        filter_labels(judged, field, (0.5, None))


def test_a_saved_view_follows_the_tag(tagged):
    saved = save_tagged_view(tagged, "needs-review", "predictions")
    assert saved.created and saved.name == "needs-review"
    before = tagged.load_saved_view("needs-review").count(ROOT)
    tag_view(tagged, "predictions", "needs-review")
    assert tagged.load_saved_view("needs-review").count(ROOT) == 24 > before
    assert not save_tagged_view(tagged, "needs-review", "predictions").created
    with pytest.raises(InvalidParameter, match="A different saved view"):
        save_tagged_view(tagged, "needs-review", None)
    assert save_tagged_view(tagged, "night", None, "dark").name == "dark"
    assert tagged.load_saved_view("dark").count() == 1


def test_a_dollar_is_only_a_letter(judged):
    assert filter_labels(judged, "predictions", classes=["$predictions.label"]).count() == 0
    tag_view(judged.limit(1), "predictions", "$tags")
    assert filter_labels(judged, "predictions", tags=["$tags"]).count(ROOT) == 3
    assert tagged_view(judged, "$tags", "predictions").count(ROOT) == 3
    assert exclude_tagged(judged, "$tags", "predictions", "labels")[0].count(ROOT) == 21
    assert exclude_tagged(judged, "$tags", "predictions", "images")[0].count() == 7


@pytest.mark.parametrize("name", ["a" * 101, " ", "a\nb", 3])
def test_names_that_no_view_can_have_are_refused(judged, name):
    with pytest.raises(InvalidParameter):
        save_tagged_view(judged, "a", None, name)
    assert judged.list_saved_views() == []


def test_labels_leave_and_their_images_stay(tagged):
    base = tagged.skip(1)
    view, sentence = exclude_tagged(base, "needs-review", "predictions", "labels")
    assert view.count() == 7
    assert view.values(f"{ROOT}.id") == base.exclude_labels(
        tags="needs-review", fields="predictions", omit_empty=False
    ).values(f"{ROOT}.id")
    assert "images stay" in sentence and "of 21 labels" in sentence


def test_images_leave_with_a_flagged_label_or_flagged_themselves(tagged):
    flagged = tagged_view(tagged, "needs-review", "predictions").count()
    sample = tagged.first()
    sample.tags.append("needs-review")
    sample.save()
    view, sentence = exclude_tagged(tagged, "needs-review", "predictions", "images")
    assert view.count() == 8 - flagged - 1
    assert sentence.startswith(f"{flagged + 1} of 8 images are hidden: they")


def test_patches_leave_alone_or_with_their_image(tagged):
    patches = tagged.to_patches("predictions").match(F("predictions.label") == "cat")
    flagged = tagged.count_label_tags()["needs-review"]
    view, _ = exclude_tagged(patches, "needs-review", "predictions", "labels")
    assert view.count() == patches.count() - flagged
    view, sentence = exclude_tagged(patches, "needs-review", "predictions", "images")
    images = set(tagged_view(tagged, "needs-review", "predictions").values("id"))
    assert set(view.values("sample_id")) == set(tagged.values("id")) - images
    assert "patches are hidden: their images have the tag" in sentence


@pytest.mark.slow
def test_patches_of_an_evaluation_stay_for_their_other_label(compared):
    compared.evaluate_detections("predictions", "truth", eval_key="eval")
    sample = compared.first()
    for field in ("predictions", "truth"):
        sample[field].detections[0].tags.append("seen")
    sample.truth.detections[1].tags.append("seen")
    sample.save()
    patches = compared.to_evaluation_patches("eval")
    view, sentence = exclude_tagged(patches, "seen", "truth", "labels")
    assert len(patches) == len(view) == 24 and sentence.startswith("2 of 16 labels of 'truth'")
    view, _ = exclude_tagged(view, "seen", "predictions", "labels")
    assert len(view) == 23 and view.count(ROOT) == 23


def test_what_leaves_follows_the_tag(tagged):
    view, _ = exclude_tagged(tagged, "needs-review", "predictions", "labels")
    tag_view(tagged, "predictions", "needs-review")
    assert view.count(ROOT) == 0 and view.count() == 8


@pytest.mark.parametrize(
    "field, level", [("predictions", "x"), ("predictions", 1), (None, "labels")]
)
def test_levels_that_are_none_are_refused(judged, field, level):
    with pytest.raises(InvalidParameter):
        exclude_tagged(judged, "a", field, level)


def test_tags_of_every_script_become_views_of_their_own(judged):
    tags = ["要確認", "要修正", "مراجعة", "проверить", "?!", "to do", "To-do"]
    for tag in tags:
        tag_view(judged.limit(1), "predictions", tag)
    names = [save_tagged_view(judged, tag, "predictions").name for tag in tags]
    assert all(name.startswith(tag) for name, tag in zip(names, tags, strict=True))
    assert len(set(names)) == len(tags) and set(judged.list_saved_views()) == set(names)
    tag_view(judged.skip(1).limit(1), "predictions", tags[1])
    again = save_tagged_view(judged, tags[1], "predictions")
    assert not again.created and again.name == names[1] and f"'{again.name}'" in again.sentence
    assert judged.load_saved_view(again.name).count(ROOT) == 6
    with pytest.raises(InvalidParameter, match="A different saved view"):
        save_tagged_view(judged, tags[1], None, again.name)
