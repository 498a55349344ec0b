"""Frames of videos: every step from a map to ground truth writes into them and their views."""

import fiftyone as fo
import fiftyone.server.view as fosv
import labelvet
import numpy as np
import pytest
from fiftyone import ViewField as F
from fiftyone.operators.executor import ExecutionContext, Executor
from labelvet.approval.approve import approve
from labelvet.approval.basket import add_labels
from labelvet.approval.candidates import Selection, find_candidates, list_candidate_fields
from labelvet.approval.candidates_view import candidates_view
from labelvet.approval.counts import count_candidates
from labelvet.approval.finalize import finalize
from labelvet.approval.undo import undo
from labelvet.autolabel.runs import check_label_field
from labelvet.core.errors import InvalidParameter, UnknownField
from labelvet.dataset import saving_runs, storage, tags
from labelvet.dataset.changes import find_change
from labelvet.dataset.label_views import exclude_tagged, save_tagged_view
from labelvet.dataset.storage import home_of
from labelvet.dataset.stored_embeddings import load_embeddings
from labelvet.dataset.tags import tag_fields, tag_view
from labelvet.issues.find import find_label_issues
from labelvet.issues.writing import remove_label_issues
from labelvet.maps.columns import list_attributes, load_column
from labelvet.maps.map import list_maps, load_map
from labelvet.maps.selection import select_stages, visible_rows
from labelvet.maps.thumbnails import ThumbnailSettings, make_thumbnails
from labelvet.operators import SaveTaggedView, TagLabels
from labelvet.panels.label_embeddings import LabelEmbeddings
from labelvet.panels.label_embeddings.open_map import labels_of
from labelvet.review.answers import give_answers
from labelvet.review.merging import merge_classes, undo_merge
from labelvet.review.queue import next_issues
from labelvet.review.verdicts import Answer
from labelvet.visualization.update import find_changes, update_visualization
from panel_app import PanelApp
from PIL import Image
from taking_back import take_back

FIELD = "frames.det.detections"


@pytest.fixture
def videos(make_dataset, tmp_path):
    """2 videos of 4 frames with 3 labels each, one of which has the class of another."""
    dataset, rng = make_dataset(), np.random.default_rng(0)
    for video in range(2):
        sample = fo.Sample(str(tmp_path / f"{video}.mp4"))
        for number in range(1, 5):
            path = tmp_path / f"{video}-{number}.jpg"
            Image.new("RGB", (60, 40), (60 * number, 100 * video, 50)).save(path)
            labels = [
                fo.Detection(
                    label="dog"
                    if (video, number, place) == (0, 1, 0)
                    else "cat"
                    if place
                    else "car",
                    bounding_box=[0.3 * place, 0.1, 0.25, 0.5],
                    confidence=(place + 1) / 4,
                    vector=np.eye(4)[place] + 0.05 * rng.normal(size=4),
                )
                for place in range(3)
            ]
            sample.frames[number] = fo.Frame(
                filepath=str(path), det=fo.Detections(detections=labels)
            )
        dataset.add_sample(sample, dynamic=True)
    return dataset


@pytest.fixture
def frames(videos):
    """The view of the frames, of which a map is made."""
    view = videos.to_frames()
    labelvet.compute_visualization(
        view, "det", "k", embeddings="vector", method="pca", progress=False
    )
    return view


def test_a_map_of_very_many_frames_stays_one_of_frames(videos, monkeypatch):
    """Its view takes more room than a run's document has."""
    monkeypatch.setattr(saving_runs, "_MAX_VIEW_BYTES", 8_000)
    absent = [f"{number:024x}" for number in range(500)]
    view = videos.to_frames()
    view = view.select(view.limit(3).values("id") + absent)
    labelvet.compute_visualization(
        view, "det", "k", embeddings="vector", method="pca", progress=False
    )
    (info,) = list_maps(videos)
    assert info.frames and len(load_map(videos, "k")) == 9
    assert not find_changes(videos, "k")
    assert find_label_issues(videos, "k").checked == 9


@pytest.mark.slow
def test_a_map_of_frames_is_colored_cropped_and_selected(videos, frames):
    (info,) = list_maps(videos)
    assert info.frames and info.field == "frames.det" and info.patches_field == "det"
    shown = load_map(videos, "k")
    assert [str(id_) for id_ in frames.values("det.detections.id", unwind=True)] == [
        bytes(id_).hex() for id_ in shown.ids
    ]
    paths = [attribute.path for attribute in list_attributes(videos, info)]
    assert "det.detections.label" in paths and "frame_number" in paths
    column = load_column(videos, shown, "det.detections.label")
    crops = make_thumbnails(videos, shown, list(range(24)), ThumbnailSettings(32, 0))
    assert [column.categories[c - 1] for c in column.codes] == [crop.label for crop in crops]
    assert all(crop.image for crop in crops)
    views = (
        frames.limit(2),
        frames.match(F("det.detections").length() > 0).limit(2),
        frames.to_patches("det").limit(6),
    )
    for view in views:
        assert np.flatnonzero(visible_rows(shown, view)).tolist() == list(range(6))
    assert visible_rows(shown, videos.limit(1)).sum() == 12
    assert visible_rows(shown, videos) is None
    for view in (frames, frames.to_patches("det")):
        stages = select_stages(shown, np.array([0, 5, 23]), view)
        picked = fosv.get_extended_view(view.view(), extended_stages=stages)
        assert visible_rows(shown, picked).nonzero()[0].tolist() == [0, 5, 23]
    with pytest.raises(InvalidParameter, match="view of frames"):
        select_stages(shown, np.array([0]), videos.view())
    labelvet.compute_visualization(
        frames, None, "whole", embeddings=np.eye(8), method="pca", progress=False
    )
    whole = load_map(videos, "whole")
    assert visible_rows(whole, frames.limit(2)).tolist() == [True] * 2 + [False] * 6
    assert all(
        crop.image for crop in make_thumbnails(videos, whole, [0, 7], ThumbnailSettings(32, 0))
    )
    assert len(videos.load_brain_results("k").points) == 24
    assert videos.load_brain_view("k").count("det.detections") == 24


@pytest.mark.slow
def test_two_fields_of_frames_on_one_map(videos):
    videos.clone_frame_field("det", "truth")
    frames, rows = videos.to_frames(), np.array([0, 5, 23, 24, 47])
    how = {"embeddings": "vector", "method": "pca", "progress": False}
    labelvet.compute_visualization(frames, ["det", "truth"], "two", **how)
    shown = load_map(videos, "two")
    assert len(shown) == 48 and shown.info.stored_fields == ["frames.det", "frames.truth"]
    assert load_embeddings(videos, "two", every_field=True).rows.tolist() == list(range(48))
    assert not find_changes(videos, "two")
    assert visible_rows(shown, videos.limit(1)).reshape(2, 24).sum(axis=1).tolist() == [12, 12]
    stages = select_stages(shown, rows, frames)
    picked = fosv.get_extended_view(frames.view(), extended_stages=stages)
    assert visible_rows(shown, picked).nonzero()[0].tolist() == rows.tolist()
    crops = make_thumbnails(videos, shown, [47, 0], ThumbnailSettings(32, 0))
    assert [crop.field for crop in crops] == ["truth", "det"] and all(crop.image for crop in crops)
    done = tag_fields(videos, labels_of(shown, rows), "seen")
    counted = [videos.count_label_tags(f"frames.{field}") for field in ("det", "truth")]
    assert done.changed == 5 and counted == [{"seen": 3}, {"seen": 2}]
    assert frames.count_label_tags("truth") == {"seen": 2}
    save_tagged_view(videos, "seen", shown.info.stored_fields)
    saved = videos.load_saved_view("seen")
    assert [saved.count(f"{field}.detections") for field in ("det", "truth")] == [3, 2]
    assert tags.undo(videos, done.token).changed == 5
    assert videos.count_label_tags("frames.truth") == {}


@pytest.mark.slow
def test_a_map_of_frames_is_updated(videos, frames):
    assert not find_changes(videos, "k")
    frame = videos.first().frames[2]
    frame.det.detections.append(
        fo.Detection(label="new", bounding_box=[0, 0, 0.5, 0.5], vector=[1, 0, 0, 0])
    )
    frame.save()
    videos.delete_labels(ids=videos.last().frames[4].det.detections[0].id)
    changes = find_changes(videos, "k")
    assert (changes.new, changes.deleted) == (1, 1)
    update_visualization(videos, "k", progress=False)
    assert len(load_map(videos, "k")) == 24 and not find_changes(videos, "k")


def both(videos, frames, name):
    """Values of an attribute in the frames, which a view of them has, too."""
    stored = videos.values(f"{FIELD}.{name}", unwind=True)
    assert frames.values(f"det.detections.{name}", unwind=True) == stored
    return stored


def both_boxes(videos, frames):
    numbers = both(videos, frames, "bounding_box")
    return [numbers[start : start + 4] for start in range(0, len(numbers), 4)]


@pytest.mark.slow
def test_issues_and_answers_are_written_into_frames_and_their_view(videos, frames):
    found = find_label_issues(videos, "k")
    assert found.patches_field == "frames.det" and found.checked == 24
    assert None not in both(videos, frames, "suspicion")
    with pytest.raises(InvalidParameter, match="differ from"):
        find_label_issues(videos, "k", second_fields="det")
    queue = next_issues(videos, "k", 5)
    item = queue.items[0]
    patches = frames.to_patches("det")
    done = give_answers(
        videos,
        "frames.det",
        [Answer(item.sample_id, item.id, item.label, "wrong class", "bus")],
        "me",
    )
    assert done.changed == 1 and both(videos, frames, "label").count("bus") == 1
    assert patches.count_values("det.label")["bus"] == 1
    assert next_issues(videos, "k", 5).reviewed == 1
    assert take_back(videos, done.token).changed == 1
    assert "bus" not in both(videos, frames, "label") + patches.values("det.label")
    moved = Answer(
        item.sample_id, item.id, item.label, "badly placed", box=[0, 0, 0.5, 0.5], seen_box=item.box
    )
    done = give_answers(videos, "frames.det", [moved], "me")
    assert done.changed == 1 and [0, 0, 0.5, 0.5] in both_boxes(videos, frames)
    assert find_changes(videos, "k").changed == 1
    assert [0, 0, 0.5, 0.5] in patches.values("det.bounding_box")
    take_back(videos, done.token)
    assert not find_changes(videos, "k")
    assert [0, 0, 0.5, 0.5] not in both_boxes(videos, frames)
    assert "frames.det.detections.issue" in remove_label_issues(videos)
    assert videos.get_field(f"{FIELD}.suspicion") is None
    assert frames._dataset.get_field("det.detections.suspicion") is None


@pytest.mark.parametrize("without", [[], ["det"]])
def test_classes_and_tags_of_frames_are_changed_where_a_view_of_them_is_open(videos, without):
    frames = videos.to_frames()
    frames._dataset.delete_sample_fields(without)
    cats = videos.count_values(f"{FIELD}.label")["cat"]
    merged = merge_classes(videos, "frames.det", "cat", "dog")
    tagged = tag_view(videos.to_frames(), "det", "seen")
    assert (merged.changed, tagged.changed) == (cats, 24)
    of_views = [] if without else [(frames, "det.detections")]
    for seen, path in [(videos, FIELD), *of_views]:
        assert seen.count_values(f"{path}.label") == {"car": 7, "dog": 17}
        assert seen.count_values(f"{path}.tags") == {"seen": 24}
    tags.undo(videos, tagged.token)
    undo_merge(find_change(videos, merged.token))
    for seen, path in [(videos, FIELD), *of_views]:
        assert seen.count_values(f"{path}.label") == {"car": 7, "cat": 16, "dog": 1}
        assert seen.count_values(f"{path}.tags") == {}


@pytest.mark.slow
@pytest.mark.parametrize("patches", [False, True])
def test_an_edit_in_the_view_of_frames_keeps_what_was_written(videos, frames, patches):
    view = frames.to_patches("det") if patches else frames
    tag_view(frames, "det", "needs-review")
    find_label_issues(videos, "k")
    shown = view.first()
    (shown["det"] if patches else shown["det"].detections[0]).label = "corrected"
    shown.save()
    videos.reload()
    label = videos.first().frames[1].det.detections[0]
    assert (label.label, label.tags) == ("corrected", ["needs-review"])
    assert label["suspicion"] is not None


@pytest.mark.slow
def test_a_frame_that_lacks_labels_in_a_view_gets_no_issues_there_until_it_is_reloaded(
    videos, frames
):
    first = videos.first().frames[1].det.detections[-1].id
    view = videos.exclude_labels(ids=first, fields="frames.det").to_frames()
    find_label_issues(videos, "k")
    there = view.values("det.detections.suspicion")
    assert there[0] == [None] * 2 and all(None not in of_frame for of_frame in there[1:])
    view.reload()
    assert None not in view.values("det.detections.suspicion", unwind=True)


@pytest.mark.slow
def test_tags_of_frames_labels_are_in_the_frames_and_every_view_of_them(videos, frames):
    patches = frames.to_patches("det")
    backup = videos.clone(videos.name + "-backup")
    theirs = backup.to_frames()
    done = tag_view(frames.limit(2), "det", "needs-review")
    assert done.changed == 6 and videos.count_label_tags() == {"needs-review": 6}
    assert frames.count_label_tags() == patches.count_label_tags() == {"needs-review": 6}
    assert theirs.count_label_tags() == backup.count_label_tags() == {}
    backup.delete()
    saved = save_tagged_view(videos, "needs-review", "frames.det")
    assert videos.load_saved_view(saved.name).count("det.detections") == 6
    assert not save_tagged_view(videos, "needs-review", "frames.det").created
    rest, sentence = exclude_tagged(frames, "needs-review", "det", "labels")
    assert rest.count("det.detections") == 18 and "6 of 24" in sentence
    assert undo(videos, done.token)
    assert (
        frames.count_label_tags() == patches.count_label_tags() == videos.count_label_tags() == {}
    )
    assert tag_view(patches.limit(2), "det", "seen").changed == 2
    assert videos.count_label_tags() == {"seen": 2}
    with pytest.raises(InvalidParameter, match="Frames have no tags"):
        tag_view(frames, None, "seen")


@pytest.mark.slow
def test_what_clips_and_trajectories_show_is_of_their_videos(videos):
    for video in videos:
        for frame in video.frames.values():
            for place, label in enumerate(frame.det.detections):
                label.index = place
        video.save()
    clips = videos.to_clips([[(1, 2), (3, 4)], [(1, 1)]])
    request = {"dataset_name": videos.name, "params": {}, "view": clips._serialize()}
    context = ExecutionContext(request, executor=Executor())
    assert "of frames" in TagLabels().resolve_input(context).type.properties["no_fields"].view.label
    context = ExecutionContext({**request, "params": {"target": "samples"}}, executor=Executor())
    said = TagLabels().resolve_input(context).type.properties["preview"].view.label
    assert said == "2 samples will get the tag"
    for view in (clips, videos.to_trajectories("frames.det")):
        done = tag_view(view, None, "seen")
        assert done.changed == 2 and videos.count_sample_tags() == {"seen": 2}
        assert undo(videos, done.token) and videos.count_sample_tags() == {}
        with pytest.raises(UnknownField, match="is a field of frames: make a view"):
            tag_view(view, "frames.det", "seen")
        with pytest.raises(UnknownField, match="open that of the frames"):
            count_candidates(find_candidates(videos, "det"), view)


@pytest.mark.parametrize("what", ["samples", "frames"])
def test_views_follow_whose_first_frames_were_deleted(videos, what, monkeypatch):
    monkeypatch.setattr(storage, "_SOME", 1)
    frames = videos.to_frames()
    first = videos.first()
    of = [first.id] if what == "samples" else [frame.id for frame in first.frames.values()]
    assert len(frames) == 8
    getattr(videos, f"delete_{what}")(of)
    tag_view(videos.to_frames(), "det", "needs-review")
    assert videos.count_label_tags() == frames.count_label_tags() == {"needs-review": 12}


@pytest.mark.parametrize("what", ["points_field", "similarity_key"])
def test_an_index_of_frames_is_refused_before_any_work(videos, what):
    index = "spatial" if what == "points_field" else "similarity"
    with pytest.raises(InvalidParameter, match=f"FiftyOne has no {index} index of a view of fram"):
        labelvet.compute_visualization(
            videos.to_frames(), "det", "k", progress=False, **{what: "x"}
        )
    assert videos.list_brain_runs() == []


def test_a_field_that_videos_and_frames_have_is_two_fields(videos):
    labels = [
        fo.Detections(detections=[fo.Detection(label="a", bounding_box=[0, 0, 1, 1])])
        for _ in videos
    ]
    videos.set_values("det", labels)
    assert sorted(list_candidate_fields(videos)) == ["det", "frames.det"]
    for name, number in (("det", 2), ("frames.det", 24)):
        assert add_labels(find_candidates(videos, name), Selection()).changed == number
    with pytest.raises(InvalidParameter, match="'det' is a field of the videos themselves"):
        check_label_field(home_of(videos.to_frames()), "det")
    check_label_field(home_of(videos.to_frames()), "found")


def test_the_form_of_a_tagged_view_has_the_fields_of_frames(videos):
    tag_view(videos.to_frames().limit(2), "det", "needs-review")
    request = {"dataset_name": videos.name, "params": {"field": "frames.det"}, "view": []}
    context = ExecutionContext(request, executor=Executor())
    inputs = SaveTaggedView().resolve_input(context).type.properties
    assert inputs["field"].type.values == ["frames.det"] and "problem" not in inputs
    assert inputs["preview"].view.label == "6 labels have the tag now"
    assert "needs-review" in [choice.value for choice in inputs["tag"].view.choices]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["det", "frames.det"])
def test_labels_of_frames_become_ground_truth(videos, frames, name):
    assert list_candidate_fields(videos) == ["det"]
    candidates = find_candidates(videos, name)
    patches = frames.to_patches("det")
    add_labels(candidates, Selection((0.5, None)), frames.limit(4))
    assert count_candidates(candidates, frames.limit(4)).counts.sum() == 12
    for view in (frames, videos):
        assert len(candidates_view(view, candidates, Selection(), "basket")) == 8
    done = approve(candidates, "truth")
    assert done.approved == 8 and videos.count("frames.truth.detections") == 8
    assert frames._dataset.view().count("truth.detections") == 8
    removed = finalize(candidates)
    assert removed.removed == 16 and len(patches) == 8
    assert videos.count(FIELD) == frames.count("det.detections") == 8
    for sample in [*videos, *videos.to_frames(), *frames]:
        assert sample.id  # every document is one that the schema knows
    undo(videos, removed.token)
    assert videos.count(FIELD) == frames.count("det.detections") == 24
    undo(videos, done.token)
    videos.reload()
    assert videos.get_field("frames.truth") is None
    assert both(videos, frames, "tags") == ["for-approval"] * 8


@pytest.mark.slow
def test_a_view_of_frames_without_a_field_gets_none(videos):
    """FiftyOne added ground truth after the view was made, which has no such field."""
    view = videos.to_frames()
    videos.add_frame_field("truth", fo.EmbeddedDocumentField, embedded_doc_type=fo.Detections)
    assert len(view) == 8 and view._dataset.get_field("truth") is None
    candidates = find_candidates(videos, "frames.det")
    add_labels(candidates, Selection((0.5, None)))
    approved, removed = approve(candidates, "truth", "replace"), finalize(candidates)
    assert videos.count("frames.truth.detections") == 16 and view.count("det.detections") == 16
    for done in (removed, approved):
        assert [sample.id for sample in view._dataset] == view.values("id")
        undo(videos, done.token)
    assert videos.count("frames.truth.detections") == 0 and view.count("det.detections") == 24


def test_videos_are_refused_before_any_work(videos):
    for call in (
        lambda: labelvet.compute_visualization(videos, "frames.det", "v", model="none"),
        lambda: labelvet.compute_visualization(
            videos.to_frames(sample_frames="dynamic", sparse=True), "det", "v", model="none"
        ),
        lambda: labelvet.auto_label(videos, "none.pt", "found", "run"),
        lambda: labelvet.auto_label(videos.to_clips([[(1, 2)], []]), "none.pt", "found", "run"),
    ):
        with pytest.raises(InvalidParameter, match=r"to_frames\(sample_frames=True\)"):
            call()


def test_labels_of_frames_without_images_are_saved_as_views_of_videos(make_dataset, tmp_path):
    dataset = make_dataset()
    label = fo.Detection(label="car", bounding_box=[0.1, 0.1, 0.2, 0.2], tags=["mine"])
    sample = fo.Sample(str(tmp_path / "a.mp4"))
    sample.frames[1] = fo.Frame(det=fo.Detections(detections=[label]))
    sample.frames[2] = fo.Frame(det=fo.Detections(detections=[label.copy()]))
    dataset.add_sample(sample)
    saved = save_tagged_view(dataset, "mine", "frames.det")
    assert dataset.load_saved_view(saved.name).count(FIELD) == 2
    assert not save_tagged_view(dataset, "mine", "frames.det").created
    with pytest.raises(InvalidParameter, match="these frames have none: make them with to_frames"):
        candidates_view(dataset, find_candidates(dataset, "det"), Selection(), "open")


class App(PanelApp):
    panel = LabelEmbeddings


def test_a_row_of_frames_is_opened_where_the_grid_shows_frames(videos, frames):
    about = {"key": "k", "run": load_map(videos, "k").info.run, "row": 0}
    grid = App(videos, view=[])
    assert "the grid shows videos" in grid("open_sample", **about)["error"]
    grid = App(videos, view=frames._serialize())
    grid("open_sample", **about)
    assert grid.triggered["open_sample"]["id"] == frames.first().id
