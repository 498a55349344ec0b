"""The queue: what is claimed, lost, refused and repeated, in a real database."""

from __future__ import annotations

import errno
import subprocess
import sys
import textwrap
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from threading import Event
from types import SimpleNamespace

import fiftyone.core.odm as foo
import fiftyone.operators as operators
import pytest
from bson import BSON, ObjectId
from fiftyone.factory.repos.delegated_operation import MongoDelegatedOperationRepo
from fiftyone.operators.delegated import DelegatedOperationService
from labelvet.autolabel.runs import RUN_IN_REVIEW, AutoLabelRun, save_run
from labelvet.core.errors import InvalidParameter
from labelvet.workers import claims, database, operations, serving
from labelvet.workers.claims import (
    Claim,
    RunCancelled,
    RunLost,
    claim_next,
    find_obstacle,
    settle_lost,
)
from labelvet.workers.operations import cancel, count_states, get_operation, list_operations
from pymongo.errors import ConnectionFailure
from running import PATIENCE, URI, schedule

CLAIM_ALL = """
    from labelvet.workers.claims import claim_next
    while (claim := claim_next("shelf", "racer")) is not None:
        print(claim.operation)
"""


@pytest.fixture
def claimed(coco128):
    """A claim on an operation that was just scheduled, and the operation's id."""
    id_ = schedule(coco128.limit(2), "never", "shelf")
    claim = claim_next("shelf", "a worker")
    assert str(claim.operation) == id_
    return claim, id_


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(claims, "_SUSPECTED_AFTER_SECONDS", -1.0)
    monkeypatch.setattr(claims, "_LOST_AFTER_SECONDS", -1.0)


@pytest.mark.processes
def test_of_a_thousand_operations_three_workers_get_each_once(coco128):
    context = {"request_params": {"dataset_name": coco128.name, "params": {}}}
    first = DelegatedOperationService().queue_operation(
        URI, delegation_target="shelf", context=context
    )
    document = operations.queue().find_one({"_id": first.id})
    copies = [{**document, "_id": ObjectId()} for _ in range(999)]
    operations.queue().insert_many(copies)
    queued = [str(first.id), *(str(copy["_id"]) for copy in copies)]
    counts = count_states(coco128._doc.id)
    assert counts == {"queued": 1000}
    page = list_operations(coco128._doc.id, ("queued",), limit=50, skip=100)
    assert [operation.id for operation in page] == queued[::-1][100:150]
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(CLAIM_ALL)], stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    claimed = [racer.communicate(timeout=PATIENCE)[0].split() for racer in racers]
    assert sorted(id_ for ids in claimed for id_ in ids) == sorted(queued)
    assert count_states(coco128._doc.id) == {"running": 1000}


def test_the_chosen_target_is_honoured(coco128):
    id_ = schedule(coco128.limit(2), "never", "another")
    anywhere = schedule(coco128.limit(2), "never")
    assert str(claim_next("shelf", "w").operation) == anywhere
    assert claim_next("shelf", "w") is None
    assert str(claim_next("another", "w").operation) == id_


def test_the_oldest_is_taken_first(coco128):
    ids = [schedule(coco128.limit(2), "never", target) for target in ("shelf", None, "shelf")]
    assert [str(claim_next("shelf", "w").operation) for _ in ids] == ids


def test_a_run_that_is_put_back_goes_to_the_next_of_its_name(claimed):
    claim, id_ = claimed
    assert claim.release()
    assert claim_next("another", "w") is None
    assert str(claim_next("shelf", "w").operation) == id_
    with pytest.raises(RunLost):
        claim.report(0.5, "still here")


@pytest.mark.parametrize("away", [59, 61])
def test_a_worker_waits_a_minute_for_the_database(monkeypatch, away):
    seconds = [0.0]

    def sleep(more):
        seconds[0] += more

    clock = SimpleNamespace(monotonic=lambda: seconds[0], sleep=sleep)
    monkeypatch.setattr(database, "time", clock)

    @database.patient
    def ask():
        if seconds[0] < away:
            raise ConnectionFailure("away")
        return "there"

    if away < 60:
        assert ask() == "there"
    else:
        with pytest.raises(ConnectionFailure, match="away"):
            ask()


def test_no_worker_sends_dates_of_its_own(claimed):
    """The clocks of the machines need not agree: the database's counts."""
    claim, id_ = claimed
    store = foo.get_db_conn()
    store.command("profile", 2)
    try:
        claim.report(0.5, "half")
        claim.beat("log")
        settle_lost()
        assert get_operation(id_).stalled is None
        claim.release()
        claim_next("shelf", "another worker").fail("It broke.")
    finally:
        store.command("profile", 0)
        of_queue = {"ns": {"$regex": r"\.delegated_ops$"}}
        sent = [one["command"] for one in store["system.profile"].find(of_queue)]
        store.drop_collection("system.profile")
    assert len(sent) >= 7
    assert [command for command in sent if has_date(command)] == []
    assert has_date({"u": [{"$set": {"x": datetime.now(timezone.utc)}}]})


def has_date(value):
    if isinstance(value, dict):
        return any(map(has_date, value.values()))
    return any(map(has_date, value)) if isinstance(value, list) else isinstance(value, datetime)


def test_operations_of_other_plugins_are_not_taken(coco128):
    context = {"request_params": {"dataset_name": coco128.name, "params": {}}}
    for uri in ("@others/plugin/do", "@labelvet/labelvet_too/do"):
        DelegatedOperationService().queue_operation(uri, delegation_target="shelf", context=context)
    assert claim_next("shelf", "w") is None
    assert count_states(coco128._doc.id) == {"queued": 2}


def test_a_lost_run_fails_with_a_sentence(claimed, impatient):
    claim, id_ = claimed
    settle_lost()
    settle_lost()
    operation = get_operation(id_)
    assert operation.state == "failed"
    assert operation.error.startswith("Its worker (a worker) was killed or lost its connection.")
    # should it live after all, it cannot change the outcome
    with pytest.raises(RunLost):
        claim.beat("")
    assert not claim.fail("too late")
    assert get_operation(id_).error == operation.error


def test_a_worker_that_was_only_slow_keeps_its_run(claimed, monkeypatch):
    claim, id_ = claimed
    monkeypatch.setattr(claims, "_SUSPECTED_AFTER_SECONDS", -1.0)
    settle_lost()  # suspected
    claim.beat("")
    monkeypatch.setattr(claims, "_SUSPECTED_AFTER_SECONDS", 60.0)
    monkeypatch.setattr(claims, "_LOST_AFTER_SECONDS", -1.0)
    settle_lost()
    assert get_operation(id_).state == "running"


@pytest.mark.parametrize("suspected", [False, True])
def test_a_worker_that_dies_while_the_clock_is_set_back_is_noticed(claimed, monkeypatch, suspected):
    """The dates that were written before lie ahead then."""
    _, id_ = claimed
    ahead = datetime.now(timezone.utc) + timedelta(hours=1)
    dates = {"labelvet.heartbeat": ahead, **({"labelvet.suspected": ahead} if suspected else {})}
    foo.get_db_conn().delegated_ops.update_one(
        {"labelvet.claim": {"$exists": True}}, {"$set": dates}
    )
    settle_lost()
    assert get_operation(id_).state == "running"
    monkeypatch.setattr(claims, "_LOST_AFTER_SECONDS", -1.0)
    settle_lost()
    assert get_operation(id_).state == "failed"


def test_a_worker_that_died_before_the_clock_was_set_back_is_not_offered():
    from labelvet.workers.targets import COLLECTION, Registration, Worker, list_targets

    registration = Registration(Worker("shelf", "machine", "a machine"))
    try:
        assert [target.name for target in list_targets()] == ["shelf"]
        ahead = datetime.now(timezone.utc) + timedelta(hours=1)
        foo.get_db_conn()[COLLECTION].update_many({"name": "shelf"}, {"$set": {"heartbeat": ahead}})
        assert list_targets() == []
    finally:
        registration.leave()


def test_lists_carry_no_logs(coco128, claimed):
    claim, _ = claimed
    claim.beat("x" * 20_000)
    claim.fail("It broke.", "Traceback (most recent call last):\n" + "  a line\n" * 2000)
    query = operations._query(coco128._doc.id, ())
    (document,) = operations.queue().find(query, operations._LISTED)
    assert len(BSON.encode(document)) < 2000
    (listed,) = list_operations(coco128._doc.id)
    assert listed.error == "It broke." and listed.inputs["brain_key"] == "never"


def test_a_lost_run_is_taken_over_but_not_for_ever(coco128, impatient):
    id_ = schedule(coco128.limit(2), "never", "shelf")
    taken = []
    for attempt in (1, 2, 3):
        taken.append(claim_next("shelf", f"worker {attempt}", take_over=True))
        assert get_operation(id_).attempts == attempt
        settle_lost()
        settle_lost()
    assert get_operation(id_).state == "failed"
    assert claim_next("shelf", "worker 4") is None
    with pytest.raises(RunLost):
        taken[0].report(0.5, "still here")


def test_cancelling(coco128, claimed):
    claim, id_ = claimed
    assert "Stopping" in cancel(id_)
    for notice in (lambda: claim.beat("log"), lambda: claim.report(0.5, "half")):
        with pytest.raises(RunCancelled):
            notice()
    assert not get_operation(id_).canceled and claim.fail_canceled("Canceled.")
    assert get_operation(id_).canceled
    with pytest.raises(InvalidParameter, match="already failed"):
        cancel(id_)
    waiting = schedule(coco128.limit(2), "never", "shelf")
    cancel(waiting)
    ended = get_operation(waiting)
    assert ended.error == "Canceled before it started." and ended.canceled
    assert claim_next("shelf", "w") is None


def test_a_run_that_is_canceled_while_it_writes_attributes_comes_to_its_end(
    flipped_labels, monkeypatch
):
    dataset, _ = flipped_labels
    operators.get_operator("@labelvet/labelvet/find_label_issues")(dataset, "map", delegate=True)
    claim, said, report = claim_next("shelf", "a worker"), [], Claim.report

    def cancel_and_report(self, fraction, line):
        if line.startswith("Writing attributes") and not said:
            said.append(cancel(str(self.operation)))
        report(self, fraction, line)

    monkeypatch.setattr(Claim, "report", cancel_and_report)
    assert claim.complete(claim.execute()) and said
    done = get_operation(str(claim.operation))
    assert done.state == "completed"
    assert done.line.endswith(" It finished before it could be canceled.")
    dataset.reload()
    assert None not in dataset.values("labels.detections.suspicion", unwind=True)


def test_marked_failed_and_deleted_runs_stop(claimed):
    claim, id_ = claimed
    operations.mark_failed(id_)
    with pytest.raises(RunLost):
        claim.report(0.5, "half")
    operations.delete(id_)
    with pytest.raises(InvalidParameter, match="no run"):
        get_operation(id_)
    with pytest.raises(RunLost):
        claim.beat("")


def test_a_repeated_run_asks_for_the_same(coco128, claimed):
    claim, id_ = claimed
    claim.fail("It broke.", "Traceback (most recent call last):\n  ...\nKeyError: 1")
    failed = get_operation(id_)
    assert failed.error == "It broke." and "KeyError: 1" in failed.trace
    again = get_operation(operations.rerun(id_))
    assert again.state == "queued" and again.error is None and again.attempts == 0
    assert again.inputs == failed.inputs and again.target == "shelf"
    assert str(claim_next("shelf", "w").operation) == again.id


def test_a_repeated_run_is_whole_when_it_is_queued(claimed, monkeypatch):
    """A worker may take it at once."""
    claim, id_ = claimed
    inputs = {"brain_key": "map"}
    foo.get_db_conn().delegated_ops.update_one(
        {"_id": claim.operation},
        {"$set": {"run_state": "completed", "context.request_params.params": inputs}},
    )
    queued, queue = [], MongoDelegatedOperationRepo.queue_operation

    def queue_and_look(self, **document):
        operation = queue(self, **document)
        queued.append(get_operation(str(operation.id)))
        return operation

    monkeypatch.setattr(MongoDelegatedOperationRepo, "queue_operation", queue_and_look)
    with pytest.raises(InvalidParameter, match="'map' was made by this run and will be replaced"):
        operations.rerun(id_)
    assert not queued
    again = operations.rerun(id_, replace=True)
    consents = {"overwrite_brain_key": True, "overwrite_similarity_key": True}
    (at_first,) = queued
    assert at_first.inputs == inputs | consents and at_first == get_operation(again)
    assert get_operation(again).version == get_operation(id_).version
    assert get_operation(id_).inputs == inputs


@pytest.mark.parametrize("existing", [None, "replace", "only_new"])
def test_a_repeated_run_replaces_no_labels_unasked(coco128, claimed, existing):
    claim, id_ = claimed
    inputs = {"run_name": "first", **({"existing": existing} if existing else {})}
    foo.get_db_conn().delegated_ops.update_one(
        {"_id": claim.operation},
        {
            "$set": {
                "operator": "@labelvet/labelvet/auto_label",
                "run_state": "completed",
                "context.request_params.params": inputs,
            }
        },
    )
    if existing == "only_new":
        assert get_operation(operations.rerun(id_)).inputs["existing"] == "only_new"
    else:
        with pytest.raises(InvalidParameter, match="'first' has finished"):
            operations.rerun(id_)


@pytest.mark.parametrize(("began", "ended"), [(-60, -30), (-60, 60), (30, 60)])
def test_a_repeated_run_replaces_no_labels_that_another_made_since(coco128, claimed, began, ended):
    claim, id_ = claimed
    foo.get_db_conn().delegated_ops.update_one(
        {"_id": claim.operation},
        {
            "$set": {
                "operator": "@labelvet/labelvet/auto_label",
                "context.request_params.params": {"run_name": "first", "existing": "replace"},
            }
        },
    )
    claim.fail("It broke.", None)
    created, seen = (get_operation(id_).queued + timedelta(seconds=s) for s in (began, ended))
    finished = AutoLabelRun(
        "first", "found", "m.pt", None, 0.2, RUN_IN_REVIEW, created=created, seen=seen
    )
    save_run(coco128, finished)
    try:
        if ended < 0:  # it was there when somebody agreed to replace it
            assert get_operation(operations.rerun(id_)).inputs["existing"] == "replace"
        else:
            with pytest.raises(InvalidParameter, match="'first' has finished"):
                operations.rerun(id_)
    finally:
        coco128.delete_run("first")


@pytest.mark.slow
def test_a_run_whose_process_cannot_start_is_queued_again(claimed, monkeypatch, capsys):
    claim, id_ = claimed

    def refuse(*_):
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    monkeypatch.setattr(serving, "RunProcess", refuse)
    serving._run(claim, None, lambda _: False, Event(), print)
    assert get_operation(id_).state == "queued"
    assert "no process can be started here: [Errno 12]" in capsys.readouterr().out


def test_what_was_canceled_in_its_last_step_is_said_once(claimed):
    claim, id_ = claimed
    asked = {"run_state": "completed", "labelvet.cancel": True, "status.label": "canceled_map"}
    operations.queue().update_one({"_id": claim.operation}, {"$set": asked})
    assert get_operation(id_).line == "canceled_map It finished before it could be canceled."
    operations.mark_partly_canceled(SimpleNamespace(_delegated_operation_id=claim.operation))
    assert get_operation(id_).line == "canceled_map" and get_operation(id_).canceled


def test_another_version_is_refused_with_a_sentence(claimed):
    claim, _ = claimed
    assert find_obstacle(claim, "shelf") is None
    foo.get_db_conn().delegated_ops.update_one(
        {"_id": claim.operation}, {"$set": {"context.request_params.labelvet.version": "0.0.9"}}
    )
    assert "scheduled by labelvet 0.0.9, but 'shelf' runs" in find_obstacle(claim, "shelf")


def test_a_dataset_that_was_deleted_before_the_start_is_named(make_dataset):
    dataset = make_dataset()
    DelegatedOperationService().queue_operation(
        URI, delegation_target="shelf", context={"request_params": {"dataset_name": dataset.name}}
    )
    claim = claim_next("shelf", "w")
    # FiftyOne would delete the operation as well
    foo.get_db_conn().datasets.delete_one({"_id": dataset._doc.id})
    assert find_obstacle(claim, "shelf") == (
        f"The dataset '{dataset.name}' was deleted before the run started: nothing was done."
    )
    dataset.delete()
    assert find_obstacle(claim, "shelf") == (
        "The run was deleted before it started: nothing was done."
    )


def test_the_end_of_a_trace_is_its_sentence():
    trace = 'Traceback (most recent call last):\n  File "x", line 1\nValueError: bad\n'
    assert operations._sentence(trace) == "ValueError: bad"
    assert operations._sentence("A sentence.\n\nTraceback ...") == "A sentence."
    assert operations._sentence(None) is None


def test_ids_from_elsewhere_are_checked():
    for id_ in ("", "nonsense", "0" * 24):
        with pytest.raises(InvalidParameter, match="no run"):
            get_operation(id_)


def test_the_form_warns_of_workers_of_another_version(coco128):
    from fiftyone.operators.executor import ExecutionContext
    from labelvet.operators.compute_visualization import ComputeVisualization
    from labelvet.workers.targets import Registration, Worker

    def form(**params):
        request = {"dataset_name": coco128.name, "params": {"brain_key": "k", **params}}
        operator, ctx = ComputeVisualization(), ExecutionContext(request_params=request)
        inputs = operator.resolve_input(ctx).type.properties
        options = operator.resolve_execution_options(ctx).to_dict()["available_orchestrators"]
        return inputs, [option["instance_id"] for option in options]

    inputs, offered = form()
    assert "labelvet worker --name NAME" in inputs["no_workers"].view.label and offered == []
    this = Worker("shelf", "machine", "a machine")
    workers = [Registration(replace(this, version="9.9", name="old"))]
    try:
        inputs, offered = form()
        assert "'old' runs labelvet 9.9" in inputs["version_of_old"].view.label and offered == []
        workers += [Registration(this), Registration(replace(this, name="attic"))]
        inputs, offered = form()
        choices = [choice.value for choice in inputs["schedule_on"].view.choices]
        assert choices == ["attic", "shelf"] and offered == ["attic"]
        assert form(schedule_on="shelf")[1] == ["shelf"]
    finally:
        for worker in workers:
            worker.leave()


def test_the_orchestrators_of_fiftyone_enterprise_are_left_alone(coco128, monkeypatch):
    from fiftyone.internal import util
    from fiftyone.operators.executor import ExecutionContext
    from labelvet.operators.compute_visualization import ComputeVisualization
    from labelvet.workers.targets import Registration, Worker

    request = {"dataset_name": coco128.name, "params": {"brain_key": "k"}}
    operator, ctx = ComputeVisualization(), ExecutionContext(request_params=request)
    monkeypatch.setattr(util, "has_encryption_key", lambda: True)
    monkeypatch.setattr(util, "has_api_key", lambda: True)
    workers = [Registration(Worker(name, "machine", "a machine")) for name in ("attic", "shelf")]
    try:
        options = operator.resolve_execution_options(ctx)
        assert options.available_orchestrators == []
        inputs = operator.resolve_input(ctx).type.properties
        assert not {"schedule_on", "no_workers"} & set(inputs)
    finally:
        for worker in workers:
            worker.leave()


def test_claims_need_their_own_id(claimed):
    claim, _ = claimed
    with pytest.raises(RunLost):
        Claim(claim.operation, ObjectId()).beat("")
