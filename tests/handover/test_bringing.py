"""What is merged and written of what came back, without a server: what a tool has is made of
FiftyOne's own conversions to Label Studio's regions and back."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from threading import Thread

import fiftyone.utils.labelstudio as foul
import numpy as np
import pytest
from labelvet.approval.candidates import find_candidates
from labelvet.approval.finalize import finish
from labelvet.core.errors import FieldGone, InvalidParameter, UnknownRun, UnknownUndo
from labelvet.dataset.changes import Change, list_changes
from labelvet.dataset.documents import now
from labelvet.handover import bringing
from labelvet.handover.bringing import bring_back, write_back
from labelvet.handover.merging import Options
from labelvet.handover.records import Handover, SentLabel, State, list_handovers, write_handover
from labelvet.handover.tools import Returned, Said
from labelvet.panels.undoing import undo, undoable

FIELD = "predictions"
AT = datetime(2030, 1, 2, 3, 4, 5)
WHOLE = {"from_name": FIELD, "to_name": "image", "original_width": 120, "original_height": 80}


class Tool:
    """What a tool has of all labels of a dataset, which were sent as they are."""

    def __init__(self, dataset, says=True):
        self.dataset, self.says = dataset, says
        self.regions, labels = {}, []
        for sample in dataset:
            sent = sample[FIELD]
            found = foul.export_label_to_label_studio(sent, "detections", dict(WHOLE))
            self.regions[sample.id] = {region["id"]: region for region in found}
            for label in sent.detections:
                state = State(label.label, tuple(label.bounding_box))
                labels.append(SentLabel(sample.id, label.id, state, state, "flagged"))
        self.handover = Handover(
            "round_1", ("round_1",), FIELD, "labelstudio", "me", now() - timedelta(seconds=1),
            False, len(labels), len(self.regions),
        )  # fmt: skip
        write_handover(dataset, self.handover, labels)

    def region(self, sample, place):
        """A label there."""
        return self.regions[sample.id][sample[FIELD].detections[place].id]["value"]

    def delete(self, sample, place):
        del self.regions[sample.id][sample[FIELD].detections[place].id]

    def draw(self, sample, label, box):
        value = dict(zip(("x", "y", "width", "height"), (100 * side for side in box), strict=True))
        region = {**WHOLE, "type": "rectanglelabels", "id": f"drawn{len(self.regions[sample.id])}"}
        self.regions[sample.id][region["id"]] = {
            **region, "value": {**value, "rectanglelabels": [label]}
        }  # fmt: skip

    def bring_back(self, conflicts="list", remove=False, finished=False, said=None):
        labels = {}
        for sample, regions in self.regions.items():
            found = map(foul.import_label_studio_annotation, regions.values())
            labels[sample] = {label.id: label for _, label in found}
        submitted = {sample: Said("them", AT) for sample in said or self.regions}
        returned = Returned(labels, submitted if self.says else None)
        options = Options(conflicts, remove, finished, self.handover.at)
        done = write_back(self.dataset, self.handover, returned, options)
        self.dataset.reload()
        return done


def of(dataset, number):
    return list(dataset)[number]


def stored(dataset):
    return [[label.to_dict() for label in sample[FIELD].detections] for sample in dataset]


@pytest.mark.slow
def test_what_one_side_changed_is_taken_and_undone(boxes):
    before, tool = stored(boxes), Tool(boxes)
    sample, other = of(boxes, 0), of(boxes, 1)
    patches = boxes.to_patches(FIELD)
    assert len(patches) == 8
    tool.region(sample, 0).update(rectanglelabels=["dog"], x=20.0)
    tool.delete(sample, 1)
    tool.draw(other, "cow", [0.0, 0.0, 0.2, 0.2])
    tool.region(other, 0)["x"] += 0.01  # as tools count
    done = tool.bring_back(remove=True)
    assert (done.corrected, done.confirmed, done.added, done.removed) == (1, 6, 1, 1)
    (label,) = sample[FIELD].detections
    assert (label.label, label.label_before, label.review) == ("dog", "cat", "wrong class")
    assert label.bounding_box == pytest.approx([0.2, 0.2, 0.3, 0.4])
    assert label.box_before == [0.1, 0.2, 0.3, 0.4]
    assert (label.tags, label.reviewed_by, label.reviewed_at) == (["reviewed"], "them", AT)
    assert [one.label for one in other[FIELD].detections] == ["cat", "dog", "cow"]
    assert other[FIELD].detections[0].bounding_box == before[1][0]["bounding_box"]
    assert len(patches) == 7 and patches.values(f"{FIELD}.label")[0] == "dog"
    assert tool.bring_back(remove=True).token is None

    # what was drawn and changed since stays
    other[FIELD].detections[2].label = "horse"
    other.save()
    ((change,), _) = undoable(boxes)
    _, sentence = undo(boxes, change.token)
    assert sentence == (
        "7 corrections undone, 1 removed label came back. 1 label changed since stay as they are."
    )
    boxes.reload()
    assert other[FIELD].detections.pop().label == "horse"
    other.save()
    assert stored(boxes) == before
    assert tool.bring_back().corrected == 1  # and again


@pytest.mark.parametrize("conflicts", ["list", "ours", "theirs"])
def test_what_both_sides_changed_is_not_overwritten_unless_asked(boxes, conflicts):
    tool = Tool(boxes)
    changed, gone = of(boxes, 0), of(boxes, 1)
    tool.region(changed, 0)["x"] = 20.0
    tool.delete(changed, 1)
    tool.region(gone, 0)["rectanglelabels"] = ["dog"]
    for label in changed[FIELD].detections:
        label.label = "cow"
    changed.save()
    del gone[FIELD].detections[0]
    gone.save()
    done = tool.bring_back(conflicts, remove=True)
    labels = [label.label for label in changed[FIELD].detections]
    tags = [label.tags for label in changed[FIELD].detections]
    if conflicts == "theirs":
        assert not done.conflicts and labels == ["cat"] and tags == [["reviewed"]]
        assert [label.label for label in gone[FIELD].detections] == ["dog", "dog"]
        return
    assert labels == ["cow", "cow"] and len(gone[FIELD].detections) == 1
    if conflicts == "list":
        assert len(done.conflicts) == 3 and tags == 2 * [["needs-review"]]
        assert [str(one).partition(": ")[2] for one in done.conflicts] == [
            "'cow' at 0.100, 0.200, 0.300, 0.400 here, 'cat' at 0.200, 0.200, 0.300, 0.400 there",
            "'cow' at 0.500, 0.200, 0.300, 0.400 here, deleted there",
            "deleted here, 'dog' at 0.100, 0.200, 0.300, 0.400 there",
        ]
    else:
        assert tags == 2 * [["reviewed"]]
        # what was decided is not asked again
        assert len(tool.bring_back("list", remove=True).conflicts) == 1


def test_what_nobody_submitted_or_was_settled_here_stays(boxes):
    tool = Tool(boxes)
    waiting, approved, rejected, changed = boxes
    for sample in (waiting, approved, rejected):
        tool.region(sample, 0)["rectanglelabels"] = ["dog"]
    for sample, tag in ((approved, "approved"), (rejected, "rejected")):
        sample[FIELD].detections[0].tags = [tag]
        sample.save()
    changed[FIELD].detections[0].label = "cow"
    changed.save()
    done = tool.bring_back(said=[approved.id, rejected.id, changed.id])
    assert done.stay == {
        "not submitted yet": 2, "approved here": 1, "changed here only": 1
    }  # fmt: skip
    assert (done.corrected, done.confirmed, len(done.conflicts)) == (0, 3, 1)
    assert [sample[FIELD].detections[0].label for sample in boxes] == ["cat", "cat", "cat", "cow"]


def test_a_tool_that_does_not_say_what_was_submitted(boxes):
    tool = Tool(boxes, says=False)
    tool.region(of(boxes, 0), 0)["rectanglelabels"] = ["dog"]
    done = tool.bring_back()
    assert (done.corrected, done.confirmed, done.stay) == (1, 0, {"not submitted yet": 7})
    done = tool.bring_back(finished=True)
    assert (done.corrected, done.confirmed, done.stay) == (0, 7, {})
    assert of(boxes, 3)[FIELD].detections[0].tags == ["reviewed"]


def test_what_cannot_be_a_label_here_is_counted(boxes):
    sample = of(boxes, 0)
    sample[FIELD].detections[0].mask = np.ones((2, 2), bool)
    sample.save()
    tool = Tool(boxes)
    tool.region(sample, 0).update(x=20.0, rectanglelabels=["dog"])
    tool.region(sample, 1)["rotation"] = 30
    tool.draw(sample, "cow", [0.5, 0.5, 0.0, 0.2])
    done = tool.bring_back()
    assert done.stay == {
        "moved there but have a mask": 1, "rotated, without a class or without area": 2
    }  # fmt: skip
    label = of(boxes, 0)[FIELD].detections[0]
    assert label.label == "dog" and label.bounding_box == [0.1, 0.2, 0.3, 0.4]


def test_what_was_drawn_stays_one_label_however_often_it_changes(boxes):
    tool, sample = Tool(boxes), of(boxes, 0)
    tool.draw(sample, "cow", [0.0, 0.0, 0.2, 0.2])
    drawn = tool.regions[sample.id]["drawn2"]["value"]
    assert tool.bring_back().added == 1
    for x, label in ((2.0, "cow"), (2.0, "horse"), (4.0, "horse"), (4.0, "sheep")):
        drawn.update(x=x, rectanglelabels=[label])
        done = tool.bring_back()
        assert (done.corrected, done.added, done.conflicts) == (1, 0, ())
        *_, last = labels = of(boxes, 0)[FIELD].detections
        assert len(labels) == 3
        assert (last.label, last.bounding_box[0]) == (label, pytest.approx(x / 100))


def test_what_changes_there_time_and_again_is_no_conflict(boxes):
    tool, sample = Tool(boxes), of(boxes, 0)
    for change in ({"x": 20.0}, {"rectanglelabels": ["dog"]}, {"rectanglelabels": ["cow"]}):
        tool.region(sample, 0).update(change)
        done = tool.bring_back()
        assert (done.corrected, done.conflicts) == (1, ())


def test_what_is_taken_in_place_of_a_label_that_is_gone_is_taken_once(boxes):
    tool, sample = Tool(boxes), of(boxes, 0)
    tool.region(sample, 0)["rectanglelabels"] = ["dog"]
    region = tool.region(sample, 0)
    del sample[FIELD].detections[0]
    sample.save()
    assert tool.bring_back("theirs").added == 1
    done = tool.bring_back("theirs", remove=True)
    assert (done.added, done.removed, done.token) == (0, 0, None)
    region["rectanglelabels"] = ["cow"]
    done = tool.bring_back("theirs", remove=True)
    assert (done.corrected, done.added, done.removed) == (1, 0, 0)
    assert [label.label for label in of(boxes, 0)[FIELD].detections] == ["dog", "cow"]


def test_what_is_sent_again_under_the_same_key_is_merged_anew(boxes):
    tool, sample = Tool(boxes), of(boxes, 0)
    tool.region(sample, 0)["rectanglelabels"] = ["dog"]
    tool.draw(sample, "cow", [0.0, 0.0, 0.2, 0.2])
    tool.bring_back()
    sample = of(boxes, 0)
    sample[FIELD].detections[0].label = "horse"
    sample.save()
    tool = Tool(boxes)
    tool.region(sample, 0)["rectanglelabels"] = ["dog"]
    done = tool.bring_back(remove=True)
    assert (done.corrected, done.removed) == (1, 0)
    assert [label.label for label in of(boxes, 0)[FIELD].detections] == ["dog", "dog", "cow"]


@pytest.mark.parametrize("step", ["write_entries", "_add"])
def test_what_a_process_that_died_did_not_write_comes_back_the_next_time(boxes, step, monkeypatch):
    tool, sample = Tool(boxes), of(boxes, 0)
    tool.region(sample, 0)["rectanglelabels"] = ["dog"]
    tool.draw(sample, "cow", [0.0, 0.0, 0.2, 0.2])

    def die(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(bringing, step, die)
        tool.bring_back()
    done = tool.bring_back()
    assert (done.corrected, done.added) == (int(step == "write_entries"), 1)
    labels = of(boxes, 0)[FIELD].detections
    assert [label.label for label in labels] == ["dog", "dog", "cow"]
    assert tool.bring_back().token is None


# SIGKILL before and after each step; what the next time brings back is undone with what was killed
KILLED = """
import os, signal, sys
import fiftyone as fo
from labelvet.dataset.changes import list_changes
from labelvet.handover import bringing
from labelvet.panels.undoing import undo
from test_bringing import Tool, of, stored

dataset = fo.load_dataset(sys.argv[1])
fields = len(dataset.get_field_schema())

def killed(step, after):
    do = getattr(bringing, step)

    def die(*args):
        do(*args) if after else None
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(bringing, step, die)
    bring_back()

def bring_back():
    # the first image stays as it is: where it was just changed, a field that was just made may as
    # well have been deleted, and it is to be tried again in a minute
    tool.bring_back(remove=True, said=[of(dataset, 2).id, of(dataset, 3).id])

for step in sys.argv[2:]:
    for after in (False, True):
        before, tool = stored(dataset), Tool(dataset)
        tool.region(of(dataset, 2), 0)["rectanglelabels"] = ["dog"]
        tool.draw(of(dataset, 2), "cow", [0.0, 0.0, 0.2, 0.2])
        tool.delete(of(dataset, 3), 1)
        if not (process := os.fork()):
            killed(step, after)
            os._exit(0)
        ended = os.waitpid(process, 0)[1]
        dataset.reload()
        bring_back()
        done = [sorted(label["label"] for label in sample) for sample in stored(dataset)]
        for change in list_changes(dataset):
            undo(dataset, change.token)
        dataset.reload()
        print(ended, done[2:], stored(dataset) == before, len(dataset.get_field_schema()) == fields)
"""


@pytest.mark.processes
def test_what_a_killed_process_did_not_write_comes_back_and_all_of_it_is_undone(boxes):
    steps = ("write_entries", "_add", "_remove")
    here = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", KILLED, boxes.name, *steps],
        env={**os.environ, "PYTHONPATH": here},
        capture_output=True,
        text=True,
        timeout=240,
    )
    line = "9 [['cow', 'dog', 'dog'], ['cat']] True True"
    assert ended.stdout.splitlines() == 2 * len(steps) * [line], ended.stderr


def test_an_undo_that_was_cut_off_is_ended_by_the_next_one(boxes, monkeypatch):
    before, tool, sample = stored(boxes), Tool(boxes), of(boxes, 0)
    tool.region(sample, 0)["rectanglelabels"] = ["dog"]
    tool.draw(sample, "cow", [0.0, 0.0, 0.2, 0.2])
    token = tool.bring_back().token

    def die(_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Change, "close", die)
        undo(boxes, token)
    assert undo(boxes, token)[1] == "0 corrections undone."
    boxes.reload()
    assert stored(boxes) == before


def test_what_was_written_before_the_field_went_is_told(boxes, monkeypatch):
    tool, update = Tool(boxes), bringing.update_labels
    tool.delete(of(boxes, 0), 1)

    def update_late(*args, **kwargs):
        boxes.delete_sample_field(FIELD)
        update(*args, **kwargs)

    monkeypatch.setattr(bringing, "update_labels", update_late)
    with pytest.raises(FieldGone, match="7 corrections had been written before"):
        tool.bring_back(remove=True)


@pytest.mark.slow
def test_of_two_who_bring_it_back_at_once_one_adds_what_was_drawn(boxes, monkeypatch):
    tool, merging, done = Tool(boxes), bringing.merge, []
    tool.draw(of(boxes, 0), "cow", [0.0, 0.0, 0.2, 0.2])

    def merge_slowly(*args):
        time.sleep(0.5)
        return merging(*args)

    monkeypatch.setattr(bringing, "merge", merge_slowly)
    both = [Thread(target=lambda: done.append(tool.bring_back())) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert sorted(one.added for one in done) == [0, 1]
    boxes.reload()
    assert boxes.count(f"{FIELD}.detections") == 9


def test_finish_closes_what_came_back(boxes):
    tool = Tool(boxes)
    tool.delete(of(boxes, 0), 0)
    done = tool.bring_back(remove=True)
    assert finish(find_candidates(boxes, FIELD)) == "Finished: 1 removed label deleted for good."
    assert not list_changes(boxes) and not boxes.has_sample_field(f"{FIELD}_removed")
    with pytest.raises(UnknownUndo):
        undo(boxes, done.token)


def test_what_was_not_sent_cannot_be_brought_back(boxes):
    with pytest.raises(UnknownRun, match="send labels for correction first"):
        bring_back(boxes, "round_1")
    tool = Tool(boxes)
    assert [one.anno_key for one in list_handovers(boxes)] == ["round_1"]
    with pytest.raises(UnknownRun, match="choose one of round_1"):
        bring_back(boxes, "round_2")
    with pytest.raises(UnknownRun, match="deleted or renamed in FiftyOne"):
        bring_back(boxes, "round_1")
    with pytest.raises(InvalidParameter, match="list, ours, theirs"):
        bring_back(boxes, "round_1", conflicts="both")
    write_handover(boxes, replace(tool.handover, runs=()))  # as while it is being sent
    with pytest.raises(UnknownRun, match="not sent to its end: wait, or send it again under"):
        bring_back(boxes, "round_1", remove=True)
    assert boxes.count(f"{FIELD}.detections") == 8
