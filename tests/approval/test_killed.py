"""A process that is killed while it writes loses nothing, and what it began can be taken back."""

import subprocess
import sys

import fiftyone as fo
import pytest
from invariants import check_opens
from labelvet.approval.approve import approve
from labelvet.approval.basket import add_labels
from labelvet.approval.candidates import Selection, find_candidates
from labelvet.approval.finalize import finalize, finish
from labelvet.dataset.changes import list_changes
from labelvet.dataset.documents import samples_of
from labelvet.dataset.tags import tag_view
from labelvet.panels.undoing import undo
from running import wait_until

FIELD, TRUTH, IMAGES = "predictions", "truth", 60

# one image at a time, so that there is time to kill it between two
STEPS = """
import sys
import fiftyone as fo
from labelvet.approval import label_updates
from labelvet.approval.approve import approve
from labelvet.approval.candidates import find_candidates
from labelvet.approval.finalize import finalize, finish, remove_turned_down
from labelvet.dataset import tags
from labelvet.dataset.changes import list_changes
from labelvet.panels.undoing import undo
from labelvet.review import answers
from labelvet.review.verdicts import Answer

label_updates._BATCH = tags._BATCH = answers._BATCH = 1
name, step = sys.argv[1:]
dataset = fo.load_dataset(name)
candidates = find_candidates(dataset, "predictions")
if step == "approve":
    approve(candidates, "truth", "replace")
elif step == "undo":
    undo(dataset, list_changes(dataset, ("approval",))[0].token)
elif step == "tag":
    tags.tag_view(dataset, "predictions", "seen")
elif step == "answer":
    labels = [(one.id, label) for one in dataset for label in one["predictions"].detections]
    given = [Answer(sample, label.id, label.label, "right") for sample, label in labels]
    answers.give_answers(dataset, "predictions", given, "ada")
elif step == "delete":
    remove_turned_down(candidates)
else:
    {"finalize": finalize, "finish": finish}[step](candidates)
"""

# step → what an image has, or has no more, once it was written
WRITTEN = {
    "approve": {f"{FIELD}.detections.tags": "approved"},
    "undo": {f"{FIELD}.detections.tags": "for-approval"},
    "finalize": {f"{FIELD}_removed.detections.0": {"$exists": True}},
    "finish": {f"{FIELD}_removed.detections.0": {"$exists": False}},
}
OF_LABELS = {
    "tag": {f"{FIELD}.detections.tags": "seen"},
    "answer": {f"{FIELD}.detections.review": "right"},
    "delete": WRITTEN["finalize"],
}


@pytest.fixture
def reviewed(make_dataset):
    """Images of two predictions, one in the basket and over an object of ground truth."""
    dataset = make_dataset()
    dataset.persistent = True  # it outlives the process that is killed
    places = ([0.1, 0.1, 0.2, 0.2], [0.6, 0.6, 0.2, 0.2])
    dataset.add_samples(
        fo.Sample(
            f"/{image}.jpg",
            **{
                FIELD: fo.Detections(
                    detections=[
                        fo.Detection(label="cat", bounding_box=box, confidence=1 - place)
                        for place, box in enumerate(places)
                    ]
                ),
                TRUTH: fo.Detections(
                    detections=[fo.Detection(label="dog", bounding_box=places[0])]
                ),
            },
        )
        for image in range(IMAGES)
    )
    add_labels(find_candidates(dataset, FIELD), Selection((0.5, None)))
    return dataset


def labels(dataset, field):
    """The labels of a field, by id, without when they were approved."""
    found = (document.get(field) or {} for document in samples_of(dataset).find())
    return {
        str(label["_id"]): (label["label"], label["bounding_box"], label["tags"])
        for one in found
        for label in one.get("detections", [])
    }


def all_labels(dataset):
    return [labels(dataset, field) for field in (FIELD, TRUTH)]


def check_approved_if_and_only_if_it_is_there(dataset):
    for document in samples_of(dataset).find():
        approved = {
            str(one["_id"]) for one in document[FIELD]["detections"] if "approved" in one["tags"]
        }
        copies = {one.get("approved_from") for one in document[TRUTH]["detections"]} - {None}
        assert approved == copies and len(document[TRUTH]["detections"]) == 1


@pytest.mark.processes
@pytest.mark.parametrize("step", WRITTEN)
def test_a_process_that_is_killed_while_it_writes_loses_nothing(reviewed, step):
    candidates, before = find_candidates(reviewed, FIELD), all_labels(reviewed)
    if step != "approve":
        approve(candidates, TRUTH, "replace")
    if step == "finish":
        finalize(candidates)
    kill_while_it_writes(reviewed, step)
    check_opens(reviewed)
    check_approved_if_and_only_if_it_is_there(reviewed)
    kept = [labels(reviewed, f"{field}_removed") for field in (FIELD, TRUTH)]
    if step == "finish":  # what can be undone yet is whole, and a second click finishes the rest
        assert kept[1]
        for change in list_changes(reviewed, ("approval", "removal")):
            assert f"{IMAGES} labels" in undo(reviewed, change.token)[1]
        assert f"{len(kept[0]) + len(kept[1])} removed labels" in finish(candidates)
        assert not {f"{FIELD}_removed", f"{TRUTH}_removed"} & set(reviewed.get_field_schema())
        assert [len(of) for of in all_labels(reviewed)] == [IMAGES, IMAGES]
    else:
        for field, held, had in zip((FIELD, TRUTH), kept, before, strict=True):
            assert had.keys() <= labels(reviewed, field).keys() | held.keys()
        if step == "approve":
            assert 0 < approve(candidates, TRUTH, "replace").approved < IMAGES
        elif step == "finalize":
            assert 0 < finalize(candidates).removed < IMAGES
        check_approved_if_and_only_if_it_is_there(reviewed)
        for change in list_changes(reviewed, ("approval", "removal")):
            undo(reviewed, change.token)
        assert all_labels(reviewed) == before
    check_opens(reviewed)


# two processes do this at once; what one refuses the other is doing
TURNS = """
import random, sys, time
import fiftyone as fo
from labelvet.approval import label_updates
from labelvet.approval.approve import approve
from labelvet.approval.basket import add_labels
from labelvet.approval.candidates import Selection, find_candidates
from labelvet.approval.finalize import finalize
from labelvet.core.errors import LabelvetError
from labelvet.dataset.changes import list_changes
from labelvet.panels.undoing import undo

label_updates._BATCH = 5
dataset, turns = fo.load_dataset(sys.argv[1]), random.Random(sys.argv[2])
candidates, until, did = find_candidates(dataset, "predictions"), time.monotonic() + 6, set()
while time.monotonic() < until:
    turn = turns.choice(["add", "approve", "approve", "undo", "undo", "finalize"])
    try:
        if turn == "add":
            add_labels(candidates, Selection((turns.random(), None)))
        elif turn == "approve":
            approve(candidates, "truth", "replace")
        elif turn == "finalize":
            finalize(candidates)
        elif changes := list_changes(dataset, ("approval", "removal")):
            undo(dataset, turns.choice(changes).token)
        did.add(turn)
    except LabelvetError:
        pass
print(*sorted(did))
"""


@pytest.mark.processes
def test_two_processes_that_approve_undo_and_remove_at_once_lose_nothing(reviewed):
    before = all_labels(reviewed)
    command = [sys.executable, "-c", TURNS, reviewed.name]
    both = [subprocess.Popen([*command, seed], stdout=subprocess.PIPE, text=True) for seed in "12"]
    did = [one.communicate(timeout=200)[0].split() for one in both]
    assert all(did) and {"approve", "finalize", "undo"} <= {*did[0], *did[1]}
    reviewed.reload()
    check_opens(reviewed)
    check_approved_if_and_only_if_it_is_there(reviewed)
    for change in list_changes(reviewed, ("approval", "removal")):
        undo(reviewed, change.token)
    for had, has in zip(before, all_labels(reviewed), strict=True):
        assert {id_: one[:2] for id_, one in had.items()} == {i: one[:2] for i, one in has.items()}
    assert not {f"{FIELD}_removed", f"{TRUTH}_removed"} & set(reviewed.get_field_schema())


@pytest.mark.processes
@pytest.mark.parametrize("step", OF_LABELS)
def test_many_tags_answers_and_removals_that_were_killed_are_undone(reviewed, step):
    tag_view(reviewed, FIELD, "needs-review") if step == "delete" else None
    before = all_labels(reviewed)
    kill_while_it_writes(reviewed, step)
    check_opens(reviewed)
    undo(reviewed, list_changes(reviewed)[0].token)
    assert all_labels(reviewed) == before
    assert reviewed.count(f"{FIELD}.detections.review") == 0
    check_opens(reviewed)


def kill_while_it_writes(dataset, step):
    """Kills a process that does a step as soon as it has written a few images."""
    child = subprocess.Popen([sys.executable, "-c", STEPS, dataset.name, step])
    try:
        wait_until(lambda: child.poll() is not None or written(dataset, step) > 2, pause=0.0005)
        assert child.poll() is None
    finally:
        child.kill()
        child.wait()
    assert step == "finish" or 2 < written(dataset, step) < IMAGES
    dataset.reload()


def written(dataset, step):
    return samples_of(dataset).count_documents((WRITTEN | OF_LABELS)[step])


# the database dies as soon as the last batch of an undo was written, before its record is closed
DATABASE = """
import os, sys
from contextlib import ExitStack
from pathlib import Path

import psutil
from labelvet.core.mongod import private_mongod
from labelvet.core.ports import free_port

folder, port, servers = Path(sys.argv[1]), free_port(), ExitStack()
os.environ["FIFTYONE_DATABASE_URI"] = servers.enter_context(private_mongod(folder, port))

import fiftyone as fo
import fiftyone.core.odm as foo
from labelvet.approval import finalize
from labelvet.approval.candidates import find_candidates
from labelvet.dataset.changes import list_changes
from labelvet.panels.undoing import undo
from pymongo.write_concern import WriteConcern

dataset = fo.Dataset("killed", persistent=True)
cats = fo.Detections(detections=[fo.Detection(label="cat", bounding_box=[0.1, 0.1, 0.2, 0.2])])
dataset.add_samples([fo.Sample(f"/{n}.jpg", predictions=cats.copy()) for n in range(20)])
done = finalize.finalize(find_candidates(dataset, "predictions"))
(server,) = [one for one in psutil.Process().children() if "mongod" in one.name()]
# the journal is written now, and by itself half a second later
database = foo.get_db_conn()
database.client.admin.command({"setParameter": 1, "journalCommitInterval": 500})
database.with_options(write_concern=WriteConcern(j=True)).other.insert_one({})

def restart(_):
    server.kill()
    server.wait()
    servers.enter_context(private_mongod(folder, port))
    list_changes(dataset)  # a question is asked again, and so finds the new one

finalize.settle_run = restart
undo(dataset, done.token)
assert list_changes(dataset) == []
print(len(dataset.values("predictions.detections.id", unwind=True)), flush=True)
os._exit(0)  # and the database with it: FiftyOne would wait for it
"""


@pytest.mark.processes
def test_a_database_that_is_killed_takes_no_batch_back_that_was_written(tmp_path):
    command = [sys.executable, "-c", DATABASE, str(tmp_path / "database")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert ended.stdout.split("\n")[0] == "20", ended.stderr
