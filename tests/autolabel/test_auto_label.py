"""Auto labeling from end to end: with a real detector, and with all that gets in its way."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime, timezone
from itertools import chain
from threading import Barrier, Event, Thread

import fiftyone as fo
import pytest
from bson import ObjectId
from invariants import check_opens
from labelvet import auto_label, compute_visualization
from labelvet.approval.approve import approve
from labelvet.approval.basket import add_labels
from labelvet.approval.candidates import Selection, find_candidates
from labelvet.approval.finalize import finish
from labelvet.autolabel import auto_label as auto_labeling
from labelvet.autolabel import replacing
from labelvet.autolabel.replacing import undo_replacement
from labelvet.autolabel.runs import (
    RUN_CANCELED,
    RUN_FAILED,
    RUN_GENERATING,
    RUN_IN_REVIEW,
    get_run,
    list_runs,
    save_run,
)
from labelvet.core.errors import (
    Cancelled,
    DatasetDeleted,
    FieldGone,
    InvalidParameter,
    ModelUnavailable,
    NoPatches,
    UnknownField,
    UnknownUndo,
)
from labelvet.dataset.changes import Change, find_change, list_changes, unique_moment
from labelvet.dataset.documents import samples_of
from labelvet.dataset.label_fields import label_field
from labelvet.dataset.run_keys import this_writer
from labelvet.dataset.storage import collection_named
from labelvet.dataset.stores import open_store
from labelvet.dataset.tags import tag_view
from labelvet.embeddings.loader import using_loader
from labelvet.panels.undoing import undo
from labelvet.review.answers import give_answers
from labelvet.review.verdicts import Answer
from leaving_fields import leaving
from untrained import save_untrained

FIELD, RUN = "yolow_detections", "first_pass"
ROOT = f"{FIELD}.detections"


def label(samples, model, **options):
    return auto_label(samples, model, FIELD, RUN, **{"confidence": 0.1, "batch_size": 4} | options)


def found(dataset):
    """What a run found, without the ids, which differ every time."""
    dataset.reload()
    columns = dataset.values(["filepath", f"{ROOT}.label", f"{ROOT}.confidence"])
    return {path: (labels, scores) for path, labels, scores in zip(*columns, strict=True)}


@pytest.fixture(autouse=True)
def every_step_is_reported(monkeypatch):
    monkeypatch.setattr("labelvet.core.progress._SECONDS_BETWEEN_REPORTS", 0)


def test_labels_are_written_with_their_run(scenes, detector_file):
    lines = []
    done = label(scenes, detector_file, progress=lambda *update: lines.append(update), user="me")
    scenes.reload()
    number = scenes.count(ROOT)
    assert done.images == 12 and done.before == 0 and done.unreadable == {} and number > 12
    assert f"{number:,} labels of 'first_pass' in 'yolow_detections'" in done.summary()
    assert set(scenes.distinct(f"{ROOT}.auto_label_run")) == {RUN}
    assert min(scenes.values(f"{ROOT}.confidence", unwind=True)) >= 0.1
    assert isinstance(scenes.first()[FIELD], fo.Detections)
    run = get_run(scenes, RUN)
    assert run == done.run and run.state == RUN_IN_REVIEW and run.user == "me"
    assert (run.labels, run.images, run.unreadable) == (number, 12, 0)
    assert any("of 12 images" in line for _, line in lines) and lines[-1][0] == pytest.approx(1)
    # what FiftyOne makes of it: a patches view, a clone, a sample that is saved again
    assert len(scenes.to_patches(FIELD)) == number
    sample = scenes.first()
    sample.tags.append("seen")
    sample.save()
    with pytest.raises(InvalidParameter, match="The run 'first_pass' exists already"):
        label(scenes, detector_file)
    assert label(scenes, detector_file, existing="only_new").before == 12
    assert scenes.count(ROOT) == number


def test_labels_of_others_stay(scenes, detector_file):
    theirs = fo.Detections(detections=[fo.Detection(label="theirs", bounding_box=[0, 0, 1, 1])])
    scenes.set_values(FIELD, [theirs.copy() for _ in range(12)])
    first = label(scenes, detector_file)
    second = auto_label(scenes, detector_file, FIELD, "second", confidence=0.3)
    counts = scenes.count_values(f"{ROOT}.auto_label_run")
    assert counts == {None: 12, RUN: first.run.labels, "second": second.run.labels}
    again = label(scenes, detector_file, existing="replace", confidence=0.2)
    assert 0 < again.run.labels < first.run.labels
    counts = scenes.count_values(f"{ROOT}.auto_label_run")
    assert counts == {None: 12, RUN: again.run.labels, "second": second.run.labels}


def test_only_new_images_or_all(scenes, detector_file):
    assert label(scenes.limit(5), detector_file).images == 5
    scenes.limit(5).tag_labels("needs-review", label_fields=FIELD)
    tagged = scenes.count_label_tags(FIELD)["needs-review"]
    rest = label(scenes, detector_file, existing="only_new")
    assert (rest.images, rest.before, rest.run.images) == (7, 5, 12)
    assert scenes.count_label_tags(FIELD)["needs-review"] == tagged
    with pytest.raises(InvalidParameter, match="go on with the same"):
        label(scenes, detector_file, existing="only_new", confidence=0.5)
    with pytest.raises(InvalidParameter, match="is in 'yolow_detections'"):
        auto_label(scenes, detector_file, "another", RUN, existing="replace")
    # what the new run does not cover, it does not keep
    replaced = label(scenes.limit(3), detector_file, existing="replace")
    assert (replaced.images, replaced.run.images) == (3, 3)
    assert scenes.count(ROOT) == scenes.limit(3).count(ROOT) == replaced.run.labels


@pytest.mark.parametrize("existing", [None, "replace"])
def test_a_run_that_is_killed_goes_on(scenes, detector_file, existing):
    if existing:
        label(scenes, detector_file, confidence=0.5)
    script = """
        import os, sys
        import fiftyone as fo
        from labelvet import auto_label

        def killed(fraction, line):
            if "6 of 12" in line:
                os._exit(9)

        auto_label(fo.load_dataset(sys.argv[1]), sys.argv[2], "yolow_detections", "first_pass",
                   confidence=0.1, batch_size=2, existing=sys.argv[3] or None,
                   progress=lambda *update: killed(*update))
        """
    # every update counts, or the one that kills would be left out
    script = textwrap.dedent(script).replace(
        "from labelvet import auto_label",
        "import labelvet.core.progress as p; p._SECONDS_BETWEEN_REPORTS = 0\n"
        "from labelvet import auto_label",
    )
    arguments = [sys.executable, "-c", script, scenes.name, detector_file, existing or ""]
    assert subprocess.run(arguments, timeout=120, env=os.environ).returncode == 9
    assert get_run(scenes, RUN).state == RUN_GENERATING
    rest = label(scenes, detector_file, existing=existing)
    assert rest.before == 6 and rest.images == 6
    assert rest.run.state == RUN_IN_REVIEW and rest.run.images == 12
    cut_off = found(scenes)
    label(scenes, detector_file, existing="replace")
    assert found(scenes) == cut_off


def test_a_cancelled_run_keeps_what_is_done(scenes, detector_file):
    cancelled = Event()

    def cancel(fraction, line):
        if "images" in line and " 0 of" not in line:
            cancelled.set()

    with pytest.raises(Cancelled, match="keep their labels"):
        label(scenes, detector_file, batch_size=1, progress=cancel, cancelled=cancelled)
    run = get_run(scenes, RUN)
    assert run.state == RUN_CANCELED and "Canceled" in run.error and 0 < run.images < 12
    assert scenes.count(ROOT) == run.labels
    done = label(scenes, detector_file)
    assert (done.before, done.run.images, done.run.error) == (run.images, 12, None)


def test_unreadable_images_are_listed_and_tried_again(scenes, detector_file, tmp_path):
    paths = [str(tmp_path / name) for name in ("missing.jpg", "broken.jpg")]
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    scenes.add_samples([fo.Sample(path) for path in paths])
    done = label(scenes, detector_file)
    assert set(done.unreadable) == set(paths) and done.run.unreadable == 2
    assert done.run.images == 12 and "2 images could not be read" in done.summary()
    shutil.copy(scenes.first().filepath, paths[0])
    again = label(scenes, detector_file, existing="only_new")
    assert set(again.unreadable) == {paths[1]} and again.images == 1


def test_a_run_whose_model_is_gone(scenes, detector_file, tmp_path):
    model = str(shutil.copy(detector_file, tmp_path / "model.pt"))
    before = label(scenes.limit(2), model).run
    os.remove(model)
    for existing in ("only_new", "replace"):
        with pytest.raises(InvalidParameter, match="There is no file"):
            label(scenes, model, existing=existing)
    assert get_run(scenes, RUN) == before and scenes.count(ROOT) == before.labels


def test_a_model_that_breaks_leaves_a_failed_run(scenes):
    class Broken(fo.Model):
        media_type = "image"
        ragged_batches = False

        def predict_all(self, images, samples=None):
            raise RuntimeError("out of luck")

    with pytest.raises(RuntimeError, match="out of luck"):
        label(scenes, Broken())
    run = get_run(scenes, RUN)
    assert (run.state, run.error, run.labels) == (RUN_FAILED, "out of luck.", 0)


@pytest.mark.parametrize("model", ["no-such-model", "/nowhere/best.pt"])
def test_a_wrong_model_writes_nothing(scenes, model):
    with pytest.raises((InvalidParameter, ModelUnavailable)):
        label(scenes, model)
    scenes.reload()
    assert list_runs(scenes) == [] and FIELD not in scenes.get_field_schema()


def test_a_class_that_the_model_does_not_have(scenes, detector_file):
    with pytest.raises(InvalidParameter, match="does not know 'unicorn'"):
        label(scenes, detector_file, classes=["unicorn"])
    assert list_runs(scenes) == []


@pytest.mark.parametrize("field", ["filepath", "weather", "id", "a b", "", "frames.x", None])
def test_a_field_that_takes_no_detections(scenes, detector_file, field):
    scenes.add_sample_field(
        "weather", fo.EmbeddedDocumentField, embedded_doc_type=fo.Classification
    )
    with pytest.raises((UnknownField, InvalidParameter), match="field"):
        auto_label(scenes, detector_file, field, RUN)
    assert list_runs(scenes) == []


def test_videos_and_empty_views(make_dataset, scenes, detector_file):
    videos = make_dataset()
    videos.add_sample(fo.Sample("/nowhere/a.mp4"))
    with pytest.raises(InvalidParameter, match="only be found in images, not video"):
        label(videos, detector_file)
    with pytest.raises(NoPatches):
        label(make_dataset(), detector_file)
    with pytest.raises(NoPatches, match="no images in this view"):
        label(scenes.limit(1).skip(1), detector_file)


def test_a_stale_record_is_not_another_runs(scenes, detector_file):
    done = label(scenes.limit(1), detector_file).run
    scenes.delete_sample_field(FIELD)
    # its labels are gone with their field, and so are its marks
    save_run(scenes, done)
    assert label(scenes.limit(1), detector_file, existing="only_new").images == 1


def test_frames_of_videos_are_labeled_as_their_images_would_be(
    scenes, make_dataset, scene_files, detector_file, tmp_path
):
    videos = make_dataset()
    for number in range(2):
        video = fo.Sample(f"/{number}.mp4")
        for place, file in enumerate(scene_files[3 * number : 3 * number + 3], 1):
            video.frames[place] = fo.Frame(filepath=file)
        videos.add_sample(video)
    frames = videos.to_frames()
    done = label(frames, detector_file, track=True)
    path = f"frames.{ROOT}"
    assert (done.images, done.run.labels) == (6, videos.count(path)) and done.run.labels > 6
    found = videos.values(f"{path}.index")
    for of_frame in chain.from_iterable(found):
        followed = [index for index in of_frame if index is not None]
        assert len(followed) == len(set(followed))
    tracks = sum(len(set(chain.from_iterable(some)) - {None}) for some in found)
    assert (done.tracked.tracks, done.tracked.videos) == (tracks, 2)
    assert frames._dataset.count(ROOT) == videos.to_frames().count(ROOT) == done.run.labels
    label(scenes.limit(6), detector_file)
    boxes = videos.values(f"{path}.bounding_box", unwind=True)
    assert boxes == scenes.values(f"{ROOT}.bounding_box", unwind=True)
    again = label(frames, detector_file, existing="only_new", track=True)
    assert (again.images, again.before) == (0, 6)
    assert videos.values(f"{path}.index") == found
    with pytest.raises(InvalidParameter, match="tells classes of whole images"):
        auto_label(frames, save_untrained("yolov8n-cls", tmp_path / "c.pt"), "c", "c", track=True)
    assert not videos.has_frame_field("c")
    candidates = find_candidates(videos, FIELD, RUN)
    add_labels(candidates, Selection((0.5, None)), frames)
    assert approve(candidates, "truth").approved == videos.count("frames.truth.detections") > 0
    assert "truth" not in videos.get_field_schema()


@pytest.mark.parametrize("how", ["a slice that is not active", "two slices", "dynamic groups"])
def test_images_of_groups_are_labeled_and_no_others(make_dataset, scene_files, detector_file, how):
    dataset = make_dataset()
    if how == "dynamic groups":
        dataset.add_samples(
            [fo.Sample(file, scene=str(n % 2)) for n, file in enumerate(scene_files[:4])]
        )
        view, images = dataset.group_by("scene"), dataset
    else:
        dataset.add_group_field("group", default="left")
        for number in range(2):
            group = fo.Group()
            for side, file in zip(("left", "right"), scene_files[2 * number :], strict=False):
                dataset.add_sample(fo.Sample(file, group=group.element(side)))
        chosen = "right" if how.startswith("a slice") else ["left", "right"]
        view = images = dataset.select_group_slices(chosen)
    done = label(view, detector_file)
    assert (done.images, done.run.labels) == (images.count(), images.count(ROOT))
    assert all(images.values(f"{ROOT}.label"))
    if how.startswith("a slice"):
        assert dataset.count(ROOT) == 0 and dataset.group_slice == "left"


def everything(dataset):
    """All that a replacement may touch."""
    dataset.reload()
    fields = ("id", "label", "tags", "auto_label_run")
    return dataset.values(["filepath", *(f"{ROOT}.{name}" for name in fields)])


def test_a_replacement_is_undone_without_a_trace(scenes, detector_file):
    first = label(scenes, detector_file)
    tag_view(scenes.limit(4), FIELD, "needs-review")
    before = everything(scenes)
    label(scenes.limit(6), detector_file, existing="replace", confidence=0.5)
    assert everything(scenes) != before
    assert scenes.count(f"{FIELD}_removed.detections") == first.run.labels
    check_opens(scenes)
    (change,) = list_changes(scenes, ("replacement",))
    assert "replaced by a new run" in change.sentence
    sentence = undo(scenes, change.token)[1]
    assert sentence.startswith(f"{first.run.labels} labels of 'first_pass' came back")
    assert everything(scenes) == before and not scenes.has_sample_field(f"{FIELD}_removed")
    assert get_run(scenes, RUN) == first.run
    assert label(scenes, detector_file, existing="only_new").before == 12
    check_opens(scenes)


def test_a_replacement_that_was_cancelled_says_what_was_kept(scenes, detector_file):
    label(scenes, detector_file)
    before, cancelled = everything(scenes), Event()

    def cancel(fraction, line):
        if "images" in line and " 0 of" not in line:
            cancelled.set()

    with pytest.raises(Cancelled, match="the rest keep their old ones"):
        label(
            scenes, detector_file, batch_size=1, progress=cancel, cancelled=cancelled,
            existing="replace", confidence=0.5,
        )  # fmt: skip
    label(scenes, detector_file, existing="replace", confidence=0.4)
    second, first = list_changes(scenes, ("replacement",))
    with pytest.raises(InvalidParameter, match="undo that first"):
        undo(scenes, first.token)
    undo(scenes, second.token)
    undo(scenes, first.token)
    assert everything(scenes) == before
    check_opens(scenes)


def test_a_replacement_is_undone_once(scenes, detector_file):
    label(scenes, detector_file)
    before = everything(scenes)
    label(scenes, detector_file, existing="replace", confidence=0.5)
    (listed,) = list_changes(scenes, ("replacement",))
    one, other = (find_change(scenes, listed.token) for _ in range(2))
    undo_replacement(one)
    with pytest.raises(UnknownUndo, match="already undone"):
        undo_replacement(other)
    assert everything(scenes) == before


@pytest.mark.slow
@pytest.mark.parametrize("step", ["save_run", "write_checked", "close"])
def test_undo_that_was_cut_off_is_finished_by_the_next(scenes, monkeypatch, step):
    first = label(scenes.limit(8), Corner()).run
    before = everything(scenes)
    label(scenes, Corner(), existing="replace", confidence=0.5)
    (listed,) = list_changes(scenes, ("replacement",))
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Change if step == "close" else replacing, step, interrupted)
        undo(scenes, listed.token)
    undo(scenes, listed.token)
    paths, *columns = everything(scenes)
    # a list that is empty now was not there before
    columns = [[labels or None for labels in column] for column in columns]
    assert [paths, *columns] == list(before)
    assert get_run(scenes, RUN) == first and not scenes.has_sample_field(f"{FIELD}_removed")
    check_opens(scenes)


@pytest.mark.slow
def test_a_replacement_that_was_cut_off_as_it_began_goes_on_as_one(judged, monkeypatch):
    """What was to be replaced is not taken for what has yet to be labeled."""
    label(judged, Corner())
    tag_view(judged, FIELD, "needs-review")
    before = everything(judged)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(auto_labeling, "save_run", interrupted)
        patch.setattr(auto_labeling, "_label_images", interrupted)
        label(judged, Corner(), existing="replace", confidence=0.5)
    with pytest.raises(InvalidParameter, match="still labeling images"):
        label(judged, Corner(), existing="only_new")
    assert everything(judged) == before
    assert label(judged, Corner(), existing="replace", confidence=0.5).images == 8
    undo(judged, list_changes(judged, ("replacement",))[0].token)
    assert everything(judged) == before


@pytest.mark.slow
def test_what_was_to_be_replaced_stays_where_that_was_cut_off(scenes, monkeypatch):
    """It was written down, and no image was marked for it yet."""
    label(scenes, Corner())
    before = everything(scenes)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(replacing, "samples_of", interrupted)
        label(scenes, Corner(), existing="replace", confidence=0.5)
    (first,) = list_changes(scenes, ("replacement",))
    label(scenes, Corner(), existing="replace", confidence=0.4)
    second, _ = list_changes(scenes, ("replacement",))
    undo(scenes, second.token)
    assert everything(scenes) == before
    undo(scenes, first.token)
    assert everything(scenes) == before and get_run(scenes, RUN).confidence == 0.1


def interrupted(*_):
    raise KeyboardInterrupt


@pytest.mark.slow
def test_a_replacement_whose_labels_were_approved_is_not_undone(scenes):
    label(scenes, Corner())
    before = everything(scenes)
    label(scenes, Corner(), existing="replace", confidence=0.5)
    (replacement,) = list_changes(scenes, ("replacement",))
    candidates = find_candidates(scenes, FIELD, RUN)
    add_labels(candidates, Selection(), scenes.limit(1))
    done = approve(candidates, "truth")
    with pytest.raises(InvalidParameter, match="approved since it was replaced, in 1 image: undo"):
        undo(scenes, replacement.token)
    undo(scenes, done.token)
    undo(scenes, replacement.token)
    assert everything(scenes) == before


@pytest.mark.slow
def test_images_that_cannot_be_read_keep_what_they_had(scenes):
    label(scenes, Corner())
    hidden = scenes.first()
    os.rename(hidden.filepath, f"{hidden.filepath}.away")
    try:
        done = label(scenes, Corner(), existing="replace", confidence=0.5)
    finally:
        os.rename(f"{hidden.filepath}.away", hidden.filepath)
    assert list(done.unreadable) == [hidden.filepath] and done.images == 11
    scenes.reload()
    assert scenes.values(ROOT)[0] == hidden[FIELD].detections
    assert scenes.count(f"{FIELD}_removed.detections") == 11
    finish(find_candidates(scenes, FIELD, RUN))
    again = label(scenes, Corner(), existing="only_new", confidence=0.5)
    scenes.reload()
    assert again.images == 0 and scenes.values(ROOT)[0] == hidden[FIELD].detections


@pytest.mark.slow
def test_a_replacement_of_an_earlier_version_is_undone(scenes):
    """Its images have no mark of the new run, and its record does not say that they have."""
    label(scenes, Corner())
    before = everything(scenes)
    label(scenes, Corner(), existing="replace", confidence=0.5)
    (change,) = list_changes(scenes, ("replacement",))
    samples_of(scenes).update_many(
        {}, {"$pull": {f"{FIELD}.auto_label_runs": {"$regex": " since "}}}
    )
    store = collection_named("execution_store")
    store.update_one({"key": change.token}, {"$unset": {"value.what.since": ""}})
    undo(scenes, change.token)
    assert everything(scenes) == before


@pytest.mark.slow
def test_what_another_process_labeled_meanwhile_is_not_labeled_again(scenes):
    tagged = []

    class Slow(Corner):
        def predict_all(self, images, *args, **kwargs):
            found = super().predict_all(images, *args, **kwargs)
            if not tagged:
                tagged.append(label(scenes, Corner()))
                tag_view(scenes, FIELD, "needs-review")
            return found

    Slow.__name__ = "Corner"  # the same model, as the record of the run has it
    label(scenes, Slow())
    scenes.reload()
    assert scenes.count_label_tags(FIELD) == {"needs-review": 12}


def test_nothing_is_undone_or_finished_while_a_run_goes_on(scenes, detector_file):
    label(scenes, detector_file)
    before, refused = everything(scenes), []

    def meanwhile(fraction, line):
        if "6 of 12" not in line or refused:
            return
        (change,) = list_changes(scenes, ("replacement",))
        for end in (
            lambda: undo(scenes, change.token),
            lambda: finish(find_candidates(scenes, FIELD, RUN)),
        ):
            with pytest.raises(InvalidParameter, match="still labeling images") as error:
                end()
            refused.append(error)

    label(
        scenes, detector_file, existing="replace", confidence=0.5, batch_size=2, progress=meanwhile
    )
    assert len(refused) == 2
    undo(scenes, list_changes(scenes, ("replacement",))[0].token)
    assert everything(scenes) == before


def test_a_run_that_had_found_nothing_comes_back(scenes, detector_file):
    first = label(scenes, detector_file, confidence=1.0).run
    assert first.labels == 0
    before = everything(scenes)
    label(scenes, detector_file, existing="replace")
    assert "0 labels of 'first_pass' came back" in undo(scenes, list_changes(scenes)[0].token)[1]
    assert everything(scenes) == before and get_run(scenes, RUN) == first
    check_opens(scenes)


def test_finish_ends_what_was_replaced(scenes, detector_file):
    first = label(scenes, detector_file)
    label(scenes, detector_file, existing="replace", confidence=0.5)
    said = finish(find_candidates(scenes, FIELD, RUN))
    assert f"{first.run.labels} removed labels deleted" in said
    assert list_changes(scenes, ("replacement",)) == []
    assert not scenes.has_sample_field(f"{FIELD}_removed")


@pytest.mark.parametrize("what", ["field", "dataset"])
def test_it_goes_while_images_are_labeled(scenes, detector_file, what):
    def go(fraction, line):
        if "4 of 12" in line:
            if what == "field":
                fo.load_dataset(scenes.name).delete_sample_field(FIELD)
            else:
                # as another process would
                fo.core.odm.get_db_conn().datasets.delete_one({"_id": scenes._doc.id})

    with pytest.raises(
        FieldGone if what == "field" else DatasetDeleted, match=r"renamed or deleted|was deleted"
    ):
        label(scenes, detector_file, batch_size=2, progress=go)
    if what == "field":
        check_opens(scenes)


class Corner(fo.Model):
    """Finds one object in every image."""

    media_type = "image"
    ragged_batches = False

    def predict_all(self, images, samples=None):
        box = {"bounding_box": [0, 0, 0.5, 0.5], "confidence": 0.9}
        return [fo.Detections(detections=[fo.Detection(label="a", **box)]) for _ in images]


@pytest.mark.slow
@pytest.mark.parametrize("how", ["renamed", "deleted"])
@pytest.mark.parametrize("existing", ["only_new", "replace"])
@pytest.mark.parametrize("when", ["before", "between batches"])
def test_images_are_not_labeled_in_a_field_that_only_the_schema_has_yet(
    scenes, how, existing, when
):
    label(scenes[:4], Corner())
    with ExitStack() as stack:

        def go(fraction, line):
            if when == "between batches" and "8 of 12" in line and not stack.entered:
                stack.entered = stack.enter_context(leaving(scenes, FIELD, how)) is None

        stack.entered = False
        if when == "before":
            stack.enter_context(leaving(scenes, FIELD, how))
        with pytest.raises(FieldGone, match="renamed or deleted"):
            label(scenes, Corner(), existing=existing, progress=go)
    check_opens(scenes)
    assert not scenes.has_sample_field(FIELD)


def test_another_process_does_not_replace_a_run_that_goes_on(scenes):
    """Neither from the start, nor where the other one began while the model was loaded."""
    refused = []

    def meanwhile(fraction, line):
        if "6 of 12" in line and not refused:
            for existing in ("replace", None, "only_new"):
                with pytest.raises(InvalidParameter, match="still labeling images") as error:
                    label(scenes, Corner(), confidence=0.5, existing=existing)
                refused.append(error)
            # with the same settings, it helps
            label(scenes, Corner(), batch_size=2, existing="replace")

    label(scenes, Corner(), batch_size=2, progress=meanwhile)
    assert len(refused) == 3 and scenes.count(ROOT) == 12
    assert list_changes(scenes, ("replacement",)) == []


def test_of_two_runs_that_make_a_field_at_once_one_gives_it_its_type(judged, monkeypatch):
    declare = auto_labeling.declare_labels

    def meanwhile(*args):
        declare(judged, FIELD, fo.Classification)
        declare(*args)

    monkeypatch.setattr(auto_labeling, "declare_labels", meanwhile)
    with pytest.raises(UnknownField, match="does not hold Detections"):
        label(judged, Corner())
    assert list_runs(judged) == []


@pytest.mark.slow
@pytest.mark.parametrize("existing", [None, "replace"])
def test_of_two_that_begin_a_run_at_once_one_labels(judged, monkeypatch, existing):
    if existing:
        label(judged, Corner())
    together, loads = Barrier(2), auto_labeling.load_detector
    monkeypatch.setattr(
        auto_labeling, "load_detector", lambda *args: (together.wait(60), loads(*args))[1]
    )
    done, said = [], []

    def begin():
        try:
            done.append(label(judged, Corner(), existing=existing))
        except InvalidParameter as error:
            said.append(str(error))

    threads = [Thread(target=begin) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [one.run.labels for one in done] == [8]
    assert len(said) == 1 and "by another process in the meantime: nothing was written" in said[0]
    assert [run.name for run in list_runs(judged)] == [RUN] and judged.count(ROOT) == 8
    assert len(list_changes(judged, ("replacement",))) == (existing is not None)
    which = {"_dataset_id": judged._doc.id, "key": RUN}
    assert collection_named("runs").count_documents(which) == 1


def test_a_process_that_wakes_after_it_was_replaced_writes_no_more(judged):
    def sleep(fraction, line):
        if "4 of 8" in line:
            now = datetime.now(timezone.utc)
            save_run(judged, replace(get_run(judged, RUN), created=now, confidence=0.7))

    with pytest.raises(InvalidParameter, match="was replaced by another process"):
        label(judged, Corner(), batch_size=2, progress=sleep)
    assert get_run(judged, RUN).confidence == 0.7 and get_run(judged, RUN).error is None
    judged.reload()
    assert judged.count(ROOT) == 4


@pytest.mark.slow
def test_more_unreadable_images_than_a_query_can_name_keep_what_they_had(judged):
    run = label(judged, Corner()).run
    unreadable = dict.fromkeys(
        [judged.first().filepath, *(f"/{n:0130}.jpg" for n in range(150_000))]
    )
    change = replacing.begin_replacement(judged, run, run)
    replacing.mark_replaced(judged, run, change.what["moment"])
    of = label_field(judged, run.label_field)
    task = auto_labeling._Task(judged, of, run, change.what["moment"], unreadable)
    auto_labeling._drop_unmarked(task)
    judged.reload()
    assert judged.values(f"{ROOT}.auto_label_run") == [[RUN], *([[]] * 7)]


@pytest.mark.slow
def test_a_process_that_died_as_it_began_keeps_nobody_waiting(judged):
    command = [sys.executable, "-c", "import os; print(os.getpid())"]
    died = subprocess.run(command, capture_output=True, check=True)
    writer = f"{this_writer().rsplit('_', 1)[0]}_{int(died.stdout)}"
    held = {"writer": writer, "since": ObjectId(), "seen": unique_moment(judged)}
    open_store(judged, "labelvet_alone").set(f"begin {RUN}", {"held": held})
    assert label(judged, Corner()).images == 8
    held = {**held, "writer": f"elsewhere_{os.getpid()}", "seen": unique_moment(judged)}
    open_store(judged, "labelvet_alone").set(f"begin {RUN}", {"held": held})
    with pytest.raises(InvalidParameter, match="by another process in the meantime"):
        label(judged, Corner(), existing="replace")


def test_a_run_that_began_while_the_model_was_loaded_is_not_replaced(scenes, monkeypatch):
    label(scenes, Corner())
    loads = auto_labeling.load_detector

    def load(*args):
        going = replace(get_run(scenes, RUN), state=RUN_GENERATING, seen=datetime.now(timezone.utc))
        save_run(scenes, going)
        return loads(*args)

    monkeypatch.setattr(auto_labeling, "load_detector", load)
    with pytest.raises(InvalidParameter, match="still labeling images"):
        label(scenes, Corner(), confidence=0.5, existing="replace")
    assert scenes.count(ROOT) == 12 and get_run(scenes, RUN).confidence == 0.1


@pytest.mark.slow
def test_a_replacement_that_was_cancelled_goes_on_when_it_is_run_again(scenes):
    label(scenes, Corner())
    before, cancelled = everything(scenes), Event()

    def cancel(fraction, line):
        if "6 of 12" in line:
            cancelled.set()

    again = {"existing": "replace", "confidence": 0.5, "batch_size": 2}
    with pytest.raises(Cancelled):
        label(scenes, Corner(), progress=cancel, cancelled=cancelled, **again)
    kept = get_run(scenes, RUN).images
    assert 0 < kept < 12
    done = label(scenes, Corner(), **again)
    assert (done.before, done.images) == (kept, 12 - kept)
    (change,) = list_changes(scenes, ("replacement",))
    # it is done: from now on, to replace is to replace it all
    assert label(scenes, Corner(), **again).before == 0
    newest, _ = list_changes(scenes, ("replacement",))
    undo(scenes, newest.token)
    undo(scenes, change.token)
    assert everything(scenes) == before
    check_opens(scenes)


@pytest.mark.slow
def test_answers_to_labels_of_a_replaced_run_leave_with_them(judged):
    label(judged, Corner())
    tag_view(judged.limit(2), FIELD, "needs-review")
    before = everything(judged)
    label(judged, Corner(), existing="replace", confidence=0.5)
    judged.reload()
    given = [
        Answer(sample.id, found.id, found.label, verdict, name)
        for sample, (verdict, name) in zip(
            judged, [("right", None), ("not an object", None), ("wrong class", "b")], strict=False
        )
        for found in sample[FIELD].detections
    ]
    assert give_answers(judged, FIELD, given, "ada").changed == 3
    (change,) = list_changes(judged, ("replacement",))
    undo(judged, change.token)
    assert everything(judged) == before
    assert set(judged.values(f"{ROOT}.review", unwind=True)) == {None}


def test_no_cluster_is_asked_for_a_detector(judged):
    """A worker with ``--ray`` has its backbones loaded there."""

    def on_the_cluster(*_, **__):
        raise ConnectionError("the cluster was asked")

    with using_loader(on_the_cluster):
        assert label(judged, Corner()).images == 8
        with pytest.raises(ConnectionError):
            compute_visualization(judged, "predictions", "map", method="pca", progress=False)


@pytest.fixture(params=["obb", "pose", "cls", "cls, several"])
def of_a_task(scenes, tmp_path, request):
    """The file of a model of a task, which was never trained, and the path of its labels."""
    task, *several = request.param.split(", ")
    file = save_untrained(f"yolov8n-{task}", tmp_path / "best.pt")
    roots = {"obb": f"{FIELD}.polylines", "pose": f"{FIELD}.keypoints", "cls": FIELD}
    if several:
        kind = fo.Classifications
        scenes.add_sample_field(FIELD, fo.EmbeddedDocumentField, embedded_doc_type=kind)
        return file, f"{FIELD}.classifications"
    return file, roots[task]


@pytest.mark.slow
def test_models_of_every_task_label_and_are_replaced_and_approved(scenes, of_a_task):
    file, root = of_a_task
    some = scenes.limit(2)
    first = label(some, file, confidence=0.0, batch_size=1)
    scenes.reload()
    assert first.run.images == 2 and 0 < first.run.labels == scenes.count(root)
    assert scenes.count_values(f"{root}.auto_label_run")[RUN] == first.run.labels
    assert label(some, file, confidence=0.0, existing="only_new").before == 2
    before = [document.get(FIELD) for document in samples_of(scenes).find()]
    again = label(some, file, confidence=0.0, existing="replace")
    assert again.run.labels == first.run.labels == scenes.count(root)
    (change,) = list_changes(scenes, ("replacement",))
    undo(scenes, change.token)
    assert [document.get(FIELD) for document in samples_of(scenes).find()] == before
    candidates = find_candidates(scenes, FIELD, RUN)
    add_labels(candidates, Selection())
    done = approve(candidates, "truth")
    assert done.approved == first.run.labels
    assert scenes.first()["truth"].to_dict() != before[0]
    assert "auto_label_runs" not in str(samples_of(scenes).find_one()["truth"])
    check_opens(scenes)


def test_an_image_that_has_a_class_keeps_it(scenes, tmp_path):
    file = save_untrained("yolov8n-cls", tmp_path / "best.pt")
    sample = scenes.first()
    sample[FIELD] = fo.Classification(label="mine")
    sample.save()
    done = label(scenes.limit(4), file, confidence=0.0)
    assert done.run.images == done.run.labels == done.images == 3
    scenes.reload()
    assert scenes.first()[FIELD].label == "mine" and scenes.count(FIELD) == 4
    scenes.add_sample_field("boxes", fo.EmbeddedDocumentField, embedded_doc_type=fo.Detections)
    with pytest.raises(UnknownField, match="does not hold Classification: choose one that does"):
        auto_label(scenes, file, "boxes", "other")
    assert len(list_runs(scenes)) == 1
