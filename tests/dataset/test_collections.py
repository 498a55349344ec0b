"""Runs on slices of groups, dynamic groups and chosen patches: whose labels they are, and stay."""

import fiftyone as fo
import fiftyone.server.view as fosv
import labelvet
import numpy as np
import pytest
from bson import ObjectId
from fiftyone import ViewField as F
from fiftyone.operators.executor import ExecutionContext, Executor
from labelvet.approval.approve import approve
from labelvet.approval.basket import add_labels
from labelvet.approval.candidates import Selection, find_candidates
from labelvet.approval.candidates_view import candidates_view, without_patches
from labelvet.approval.counts import count_candidates
from labelvet.approval.finalize import finalize
from labelvet.autolabel.replacing import count_elsewhere
from labelvet.autolabel.runs import RUN_ATTRIBUTE, AutoLabelRun
from labelvet.core.errors import InvalidParameter, LabelvetError, UnknownField
from labelvet.dataset import saving_runs
from labelvet.dataset.changes import find_change
from labelvet.dataset.label_views import save_tagged_view
from labelvet.dataset.patches import count_images, read_patches
from labelvet.dataset.records import delete_tensors
from labelvet.dataset.tags import tag_view
from labelvet.issues.find import find_label_issues
from labelvet.maps.columns import load_column
from labelvet.maps.map import load_map
from labelvet.maps.selection import select_stages, visible_rows
from labelvet.maps.thumbnails import ThumbnailSettings, make_thumbnails
from labelvet.operators import SaveTaggedView, TagLabels
from labelvet.proof.report import label_report
from labelvet.review.answers import give_answers
from labelvet.review.merging import check_merge, merge_classes, undo_merge
from labelvet.review.queue import next_issues
from labelvet.review.verdicts import Answer
from labelvet.visualization.update import find_changes, update_visualization
from PIL import Image

ROOT = "det.detections"


def detections(name, n=3):
    return fo.Detections(
        detections=[
            fo.Detection(
                label=name,
                bounding_box=[0.1 + 0.2 * i, 0.1, 0.3, 0.5],
                confidence=(i + 1) / n,
                vector=np.random.default_rng(i).normal(size=4),
            )
            for i in range(n)
        ]
    )


@pytest.fixture
def groups(make_dataset, tmp_path):
    """4 groups of a left and a right image with 3 labels each, and a video without."""
    dataset = make_dataset()
    dataset.add_group_field("group", default="left")
    for number in range(4):
        group = fo.Group()
        for side in ("left", "right"):
            path = tmp_path / f"{number}-{side}.jpg"
            Image.new("RGB", (60, 40), (60 * number, 100 * (side == "left"), 50)).save(path)
            dataset.add_sample(
                fo.Sample(str(path), group=group.element(side), det=detections(side)), dynamic=True
            )
        dataset.add_sample(fo.Sample(str(tmp_path / "no.mp4"), group=group.element("video")))
    return dataset


def compute(samples, key="k", **how):
    how = {"embeddings": "vector", "method": "pca", "progress": False, **how}
    return labelvet.compute_visualization(samples, "det", key, **how)


def sides(dataset, key="k"):
    shown = load_map(dataset, key)
    rows = list(range(len(shown)))
    column = load_column(dataset, shown, f"{ROOT}.label")
    names = [column.categories[code - 1] if code else None for code in column.codes]
    crops = make_thumbnails(dataset, shown, rows, ThumbnailSettings(32, 0))
    assert [crop.label for crop in crops] == names and all(crop.image for crop in crops)
    return {name: names.count(name) for name in sorted(set(names))}


@pytest.mark.slow
@pytest.mark.parametrize("how", ["selected", "active", "several", "patches"])
def test_runs_on_slices_stay_on_them(groups, how):
    if how == "selected":
        samples, shown = groups.select_group_slices("right"), {"right": 12}
    elif how == "active":
        groups.group_slice = "right"
        samples, shown = groups, {"right": 12}
    elif how == "several":
        samples = groups.select_group_slices(["left", "right"])
        shown = {"left": 12, "right": 12}
    else:
        samples = groups.select_group_slices("right").to_patches("det")
        shown = {"right": 12}
    compute(samples)
    groups.group_slice = "left"
    assert sides(groups) == shown and not find_changes(groups, "k")
    issues = find_label_issues(groups, "k")
    assert issues.checked == sum(shown.values())
    with_issues = groups.select_group_slices(["left", "right"]).match_labels(
        filter=F("suspicion") >= 0, fields="det"
    )
    assert set(with_issues.values("group.name")) == set(shown)
    for side in ("left", "right"):
        sample = groups.select_group_slices(side).first()
        sample["det"].detections.append(detections(side, 1).detections[0])
        sample.save()
    changes = find_changes(groups, "k")
    assert (changes.new, changes.deleted) == (len(shown), 0)
    update_visualization(groups, "k", progress=False)
    assert sides(groups) == {side: number + 1 for side, number in shown.items()}
    assert groups.load_brain_view("k").count(ROOT) == sum(shown.values()) + len(shown)
    assert len(groups.load_brain_results("k").points) == sum(shown.values()) + len(shown)


def test_a_slice_that_is_no_image_is_refused_with_those_that_are(groups):
    groups.group_slice = "video"
    with pytest.raises(InvalidParameter, match="to_frames"):
        compute(groups)


@pytest.mark.slow
def test_frames_of_a_slice_of_videos_are_mapped_beside_images(groups, tmp_path):
    """The active slice is one of images."""
    for number, sample in enumerate(groups.select_group_slices("video")):
        for frame in (1, 2):
            path = tmp_path / f"{number}-{frame}.jpg"
            Image.new("RGB", (60, 40), (60 * number, 90, 50 * frame)).save(path)
            sample.frames[frame] = fo.Frame(filepath=str(path), det=detections("car"))
        sample.save()
    groups.group_slice = "left"
    groups.add_frame_field("det.detections.vector", fo.VectorField)
    compute(groups.select_group_slices("video").to_frames())
    shown = load_map(groups, "k")
    assert shown.info.frames and len(shown) == 24
    assert sides(groups) == {"car": 24} and not find_changes(groups, "k")
    issues = find_label_issues(groups, "k")
    assert issues.checked == 24
    # those of the images are as they were
    assert groups.get_field(f"{ROOT}.suspicion") is None


@pytest.mark.slow
def test_labels_of_frames_and_of_images_of_one_name_are_not_taken_for_each_other(groups, tmp_path):
    for sample in groups.select_group_slices("video"):
        path = tmp_path / f"{sample.id}.jpg"
        Image.new("RGB", (60, 40)).save(path)
        sample.frames[3] = fo.Frame(filepath=str(path), det=detections("cat"))
        sample.save()
    groups.add_frame_field("det.detections.vector", fo.VectorField)
    videos, right = groups.select_group_slices("video"), groups.select_group_slices("right")
    compute(videos.to_frames(), "of_frames")
    compute(right, "of_images")
    of_frames, of_images = load_map(groups, "of_frames"), load_map(groups, "of_images")
    for view in (right, groups.limit(2)):
        assert not visible_rows(of_frames, view).any()
    with pytest.raises(InvalidParameter, match="This map shows no frames, and the grid shows them"):
        select_stages(of_images, np.array([0]), videos.to_frames())
    for field, shown, other in (
        ("frames.det", videos, right), ("det", right, videos), ("det", right, videos.to_frames()),
    ):  # fmt: skip
        candidates = find_candidates(groups, field)
        assert len(candidates_view(shown, candidates, Selection(), "open")) == 12
        with pytest.raises(LabelvetError, match=r"grid shows none|no labels"):
            candidates_view(other, candidates, Selection(), "open")
        if other is not videos:
            with pytest.raises(UnknownField, match="The current view has no labels of 'det'"):
                count_candidates(candidates, other)


@pytest.fixture
def images(make_dataset, tmp_path):
    """6 images of 2 scenes with 3 labels each, of which one has a confidence below 0.5."""
    dataset = make_dataset()
    for number in range(6):
        path = tmp_path / f"{number}.jpg"
        Image.new("RGB", (60, 40), (40 * number, 90, 50)).save(path)
        dataset.add_sample(
            fo.Sample(str(path), scene=f"s{number % 2}", det=detections("a")), dynamic=True
        )
    return dataset


def test_dynamic_groups_are_all_that_they_hold(images):
    for view in (images.group_by("scene"), images.group_by("scene").match(F("scene") == "s1")):
        assert len(read_patches(view, "det")) == 3 * view.flatten().count()
    compute(images.group_by("scene"))
    assert sides(images) == {"a": 18} and not find_changes(images, "k")
    assert images.load_brain_view("k").count() == 6


def test_a_selection_shows_the_first_image_of_a_dynamic_group_alone(images):
    compute(images)
    shown, view = load_map(images, "k"), images.group_by("scene")
    # three labels each, of the first two images and of the third, which is in the first's group
    for rows, number in ((range(6), 2), (range(6, 9), 0)):
        stages = select_stages(shown, np.array(rows), view)
        assert fosv.get_extended_view(view, extended_stages=stages).count() == number


def test_what_is_done_to_dynamic_groups_is_done_to_all_that_they_hold(images):
    view = images.group_by("scene").match(F("scene") == "s1")
    compute(images)
    assert visible_rows(load_map(images, "k"), view).sum() == 9
    candidates = find_candidates(images, "det")
    assert count_candidates(candidates, view).counts.sum() == 9
    assert add_labels(candidates, Selection(), view).changed == 9
    assert tag_view(view, "det", "mine").changed == tag_view(view, None, "mine").changed * 3 == 9
    images.reload()
    assert images.count_label_tags("det") == {"for-approval": 9, "mine": 9}


@pytest.mark.slow
def test_the_loop_on_a_slice_that_is_not_active(groups):
    """Issues, an answer, a tag, an approval, and what is not approved removed."""
    right = groups.select_group_slices("right")
    compute(right)
    find_label_issues(groups, "k")
    groups.reload()
    right = groups.select_group_slices("right")
    assert right.count("det.detections.suspicion") == 12
    assert groups.count("det.detections.suspicion") == 0
    (first,) = next_issues(groups, "k", 1).items
    assert first.sample_id in right.values("id")
    rejects = Answer(first.sample_id, first.id, first.label, "not an object")
    give_answers(groups, "det", [rejects], "ada")
    flagged = right.exclude(first.sample_id).limit(1)
    assert tag_view(flagged, "det", "needs-review").changed == 3
    assert groups.count_label_tags("det") == {}

    candidates = find_candidates(groups, "det")
    assert add_labels(candidates, Selection(), right).changed == 12 - 1 - 3
    done = approve(candidates, "truth")
    assert right.count("truth.detections") == done.approved > 0 == groups.count("truth.detections")
    both = groups.select_group_slices(["left", "right"])
    assert finalize(candidates).removed == 24 - done.approved
    assert both.count("det.detections") == done.approved


@pytest.mark.slow
@pytest.mark.parametrize("later", [False, True])
def test_a_map_of_chosen_patches_stays_one_of_those(images, later):
    chosen = F("confidence") > 0.5
    if later:
        view = images.to_patches("det").match(F("det.confidence") > 0.5)
    else:
        view = images.filter_labels("det", chosen).to_patches("det")
    assert count_images(view) == 6 and view.count() == 12
    compute(view)
    assert sides(images) == {"a": 12} and not find_changes(images, "k")
    assert len(images.load_brain_results("k").points) == 12
    images.load_brain_view("k")
    sample = images.first()
    sample["det"].detections += detections("b", 3).detections
    sample.save()
    changes = find_changes(images, "k")
    assert (changes.new, changes.deleted) == (2, 0)
    update_visualization(images, "k", progress=False)
    assert sides(images) == {"a": 12, "b": 2} and not find_changes(images, "k")


@pytest.mark.slow
def test_a_map_of_evaluated_patches_stays_one_of_those(images):
    images.clone_sample_field("det", "truth")
    images.evaluate_detections("det", "truth", eval_key="eval")
    compute(images.to_evaluation_patches("eval").match(F("type") == "tp").limit(5))
    assert sides(images) == {"a": 5} and not find_changes(images, "k")


ABSENT = [f"{number:024x}" for number in range(500)]


@pytest.fixture
def little_room(monkeypatch):
    """The document of a run has room for a few hundred ids; else it would take 300,000."""
    monkeypatch.setattr(saving_runs, "_MAX_VIEW_BYTES", 8_000)
    monkeypatch.setattr(saving_runs, "_MAX_STAGES_BYTES", 1_000)


@pytest.mark.slow
@pytest.mark.parametrize("patches", [False, True])
def test_a_map_of_a_view_of_very_many_ids_stays_one_of_those(images, little_room, patches):
    view = images.select(images.limit(2).values("id") + ABSENT)
    if patches:
        view = view.filter_labels("det", F("confidence") > 0.5).to_patches("det")
    compute(view)
    labels = 4 if patches else 6
    assert sides(images) == {"a": labels} and not find_changes(images, "k")
    # FiftyOne shows the run with what its document has room for: here, all that was not chosen
    assert images.load_brain_view("k").count() == 6
    sample = images.last()
    sample["det"].detections += detections("b", 3).detections
    sample.save()
    assert not find_changes(images, "k")
    sample = images.first()
    sample["det"].detections += detections("b", 3).detections
    sample.save()
    update_visualization(images, "k", progress=False)
    assert sides(images) == {"a": labels, "b": 2 if patches else 3}
    assert not find_changes(images, "k")
    # a clone has the record, too
    assert not find_changes(images.clone(), "k")
    delete_tensors("labelvet_runs", ObjectId(images.get_brain_info("k").config.labelvet["record"]))
    with pytest.raises(InvalidParameter, match="compute it again"):
        find_changes(images, "k")


def preview(operator, samples, **params):
    """What the form of an operator says before it is executed, over a dataset or view."""
    request = {
        "dataset_name": samples._root_dataset.name,
        "params": params,
        "view": samples.view()._serialize(),
    }
    context = ExecutionContext(request, executor=Executor())
    return operator.resolve_input(context).type.properties["preview"].view.label


@pytest.mark.parametrize("of", ["dataset", "match", "slices", "active"])
def test_the_review_shows_the_labels_that_it_counts_of_groups(groups, of):
    right = groups.select_group_slices(["left", "right"])
    if of == "active":
        groups.group_slice = "right"
    view, labels = {
        "dataset": (groups, 24),
        "match": (groups.match(F(ROOT).length() > 0).limit(3), 9),
        "slices": (right.limit(2), 6),
        "active": (groups.limit(4), 12),
    }[of]
    candidates = find_candidates(groups, "det")
    shown = candidates_view(view, candidates, Selection(), "open")
    assert len(shown) == count_candidates(candidates, view).counts.sum() == labels
    assert count_candidates(candidates, shown).counts.sum() == labels
    assert of != "active" or shown.distinct("det.label") == ["right"]
    # the images come back as they were
    before = view.view()._serialize(include_uuids=False)
    assert without_patches(shown._serialize(include_uuids=False)) == before
    assert add_labels(candidates, Selection(), shown).changed == labels


def test_the_review_shows_all_that_dynamic_groups_hold(images):
    view, candidates = images.group_by("scene"), find_candidates(images, "det")
    shown = candidates_view(view, candidates, Selection(), "open")
    assert len(shown) == count_candidates(candidates, view).counts.sum() == 18
    before = view._serialize(include_uuids=False)
    assert without_patches(shown._serialize(include_uuids=False)) == before


def test_the_review_of_a_slice_without_images_says_so(groups):
    groups.group_slice = "video"
    candidates = find_candidates(groups, "det")
    with pytest.raises(InvalidParameter, match="switch to a slice of images"):
        candidates_view(groups.limit(2), candidates, Selection(), None)


@pytest.fixture
def cuboids(make_dataset):
    """3 groups of an image with 3 boxes, one of which has a place in space, and a point cloud with
    4 cuboids in the same field."""
    dataset = make_dataset()
    dataset.add_group_field("group", default="left")
    for number in range(3):
        group, space = fo.Group(), {"location": [1, 2, 3], "dimensions": [1, 1, 1]}
        boxes = fo.Detections(
            detections=[
                fo.Detection(label=name, bounding_box=[0.3 * place, 0.1, 0.2, 0.5], **more)
                for place, (name, more) in enumerate((("car", {}), ("truck", {}), ("van", space)))
            ]
        )
        solids = [fo.Detection(label=name, **space) for name in ("car", "car", "truck", "bus")]
        for side, path, labels in (
            ("left", f"/{number}.jpg", boxes),
            ("pcd", f"/{number}.pcd", fo.Detections(detections=solids)),
        ):
            sample = fo.Sample(path, group=group.element(side), det=labels)
            dataset.add_sample(sample, dynamic=True)
    return dataset


@pytest.mark.slow
def test_cuboids_beside_boxes_are_no_part_of_the_loop(cuboids):
    pcd = cuboids.select_group_slices("pcd")
    before = pcd.values(ROOT)
    candidates = find_candidates(cuboids, "det")
    counted = count_candidates(candidates)
    assert set(counted.classes) == {"car", "truck", "van"} and counted.counts.sum() == 9
    assert len(candidates_view(cuboids, candidates, Selection(), "open")) == 9
    assert add_labels(candidates, Selection(classes=["truck", "van"])).changed == 6
    assert approve(candidates, "truth").approved == 6 and pcd.count("truth.detections") == 0
    assert finalize(candidates).removed == 3
    assert cuboids.count(ROOT) == 6 and pcd.values(ROOT) == before


def test_a_merge_leaves_cuboids_alone_and_renames_as_many_as_it_says(cuboids):
    pcd = cuboids.select_group_slices("pcd")
    before = pcd.values(f"{ROOT}.label")
    assert check_merge(cuboids, "det", "van", "car") == (3, 0)
    assert check_merge(cuboids, "det", "car", "truck") == (3, 0)
    done = merge_classes(cuboids, "det", "car", "truck")
    assert done.changed == 3 and cuboids.count_values(f"{ROOT}.label") == {"truck": 6, "van": 3}
    assert pcd.values(f"{ROOT}.label") == before
    with pytest.raises(InvalidParameter, match="no labels of the class 'bus'"):
        check_merge(cuboids, "det", "bus", "truck")
    undo_merge(find_change(cuboids, done.token))
    assert cuboids.count_values(f"{ROOT}.label") == {"car": 3, "truck": 3, "van": 3}


def test_a_saved_view_of_a_tag_shows_every_slice(groups):
    right = groups.select_group_slices("right")
    tag_view(right, "det", "mine")
    tag_view(right.limit(2), None, "mine")
    line = preview(SaveTaggedView(), groups, field="det", tag="mine")
    assert line == "12 labels have the tag now"
    line = preview(SaveTaggedView(), groups, target="samples", tag="mine")
    assert line == "2 samples have the tag now"
    saved = save_tagged_view(groups, "mine", "det")
    assert groups.load_saved_view(saved.name).count(ROOT) == 12
    assert not save_tagged_view(groups, "mine", "det").created
    saved = save_tagged_view(groups, "mine", None, "images")
    assert groups.load_saved_view(saved.name).count() == 2


def test_a_report_counts_every_slice(groups):
    compute(groups.select_group_slices("right"))
    find_label_issues(groups, "k")
    right = groups.select_group_slices("right")
    right.set_values(f"{ROOT}.issue", [["mislabeled", None, None]] * 4)
    report = label_report(groups, "k")
    assert report["issues"] == {"mislabeled": 4} and report["samples"] == 8


def test_what_forms_say_of_dynamic_groups_is_of_all_that_they_hold(images):
    view = images.group_by("scene")
    for field, line in (("det", "18 labels of 'det' will get"), (None, "6 samples will get")):
        target = "labels" if field else "samples"
        said = preview(TagLabels(), view, field=field, target=target, tag="mine")
        assert said == f"{line} the tag"
    images.set_values(f"{ROOT}.{RUN_ATTRIBUTE}", [["r"] * 3] * 6)
    run = AutoLabelRun("r", "det", "model", None, 0.2)
    assert count_elsewhere(view, run) == (0, 0)
    assert count_elsewhere(view.match(F("scene") == "s1"), run) == (9, 3)


def test_a_spatial_index_of_other_slices_is_refused_before_any_work(groups):
    for slices in (["left", "right"], "right"):
        with pytest.raises(InvalidParameter, match="the active slice 'left' alone"):
            compute(groups.select_group_slices(slices), points_field="p", similarity_key="s")
    assert not groups.list_brain_runs()
    groups.group_slice = "right"
    compute(groups, points_field="p", similarity_key="s")
    assert groups.count(f"{ROOT}.p") == 24
    assert groups.list_brain_runs() == ["k", "s"]
    sample = groups.first()
    sample["det"].detections += detections("right", 1).detections
    sample.save()
    groups.group_slice = "left"
    with pytest.raises(InvalidParameter, match="these images are in right: make 'right'"):
        update_visualization(groups, "k", progress=False)
    assert len(groups.load_brain_results("k").points) == 12
    groups.group_slice = "right"
    update_visualization(groups, "k", progress=False)
    assert groups.count(f"{ROOT}.p") == 26


def test_a_selection_of_a_slice_that_the_grid_does_not_show_is_refused(groups):
    both = groups.select_group_slices(["left", "right"])
    compute(both)
    shown = load_map(groups, "k")
    rows = {
        side: np.flatnonzero(visible_rows(shown, groups.select_group_slices(side)))
        for side in ("left", "right")
    }
    for chosen, named in ((rows["right"], "'right'"), (np.arange(24), "'left', 'right'")):
        with pytest.raises(InvalidParameter, match=rf"select_group_slices\(\[{named}\]\)"):
            select_stages(shown, chosen, groups.view())
        stages = select_stages(shown, chosen, both)
        picked = fosv.get_extended_view(both, extended_stages=stages)
        assert picked.count(ROOT) == len(chosen)
    stages = select_stages(shown, rows["left"], groups.view())
    assert fosv.get_extended_view(groups.view(), extended_stages=stages).count(ROOT) == 12
    groups.group_slice = "right"
    stages = select_stages(shown, rows["right"], groups.view())
    assert fosv.get_extended_view(groups.view(), extended_stages=stages).count(ROOT) == 12
