"""``labelvet runs``, called as its console script calls it, and once as its user runs it."""

from __future__ import annotations

import subprocess

import pytest
from labelvet.cli import main
from labelvet.embeddings.model_files import TRUSTED_MODELS, is_trusted
from labelvet.workers.claims import claim_next
from running import LABELVET, age, schedule


@pytest.fixture
def runs(capsys):
    """Calls ``labelvet runs`` and returns what it prints, or says as it fails."""

    def call(*arguments, fails=False):
        if not fails:
            main(["runs", *arguments])
            return capsys.readouterr().out
        with pytest.raises(SystemExit) as ended:
            main(["runs", *arguments])
        return said_at_the_end(ended.value, capsys)

    return call


def said_at_the_end(ended, capsys):
    """What a person reads of a command that fails: printed, or by Python as it exits."""
    assert ended.code not in (None, 0)
    return capsys.readouterr().err if ended.code == 1 else ended.code


@pytest.fixture
def scheduled(coco128, empty_queue):
    return schedule(coco128.limit(2), "never", "nowhere")


def test_runs_from_the_shell(coco128, scheduled):
    command = [LABELVET, "runs", "show", scheduled, "0" * 24]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert "brain_key" in shown.stdout and "nowhere" in shown.stdout
    assert shown.returncode == 1 and "Traceback" not in shown.stderr
    assert shown.stderr.splitlines()[-1].startswith("There is no run '00000")


def test_runs_through_their_life(coco128, scheduled, runs):
    listed = runs("list", "--dataset", coco128.name)
    assert scheduled in listed and "queued" in listed and "Compute visualization: never" in listed
    assert "No runs match" in runs("list", "--state", "running")
    assert "had not started" in runs("cancel", scheduled)
    assert "Canceled before it started." in runs("list", "--state", "failed")
    again = runs("rerun", scheduled).removeprefix("Queued as ").strip(" .\n")
    assert "Marked" in runs("mark-failed", again)
    assert "Deleted" in runs("delete", again)
    assert "no run" in runs("show", again, fails=True)
    assert "no dataset" in runs("list", "--dataset", "of nobody", fails=True)
    assert "1 or more" in runs("list", "--limit", "0", fails=True)


def test_a_run_that_stands_still_is_listed_as_such(scheduled, runs):
    claim = claim_next("nowhere", "a worker")
    claim.report(0.5, "Embedding patches · 3 of 40 patches")
    assert "It may be stuck" not in runs("list")
    age(scheduled, moved=12)
    said = (
        "It may be stuck: no progress for 12 min. Cancel it and re-run it; what was done is kept."
    )
    assert said in runs("list") and said in runs("show", scheduled)


@pytest.mark.parametrize(
    "options, sentence",
    [
        (["--name", " "], "A worker needs a name"),
        (["--name", "shelf", "--stall-limit", "0"], "must be more than 0 minutes"),
        (["--name", "shelf", "--stall-limit", "nan"], "must be more than 0 minutes"),
        (["--name", "shelf", "--ray", "127.0.0.1:1", "--cpus-per-worker", "0"], "some CPUs"),
        (["--name", "shelf", "--ray", "127.0.0.1:1", "--max-workers", "0"], "at least one worker"),
    ],
)
def test_a_worker_that_cannot_work_says_so(options, sentence, monkeypatch, capsys):
    monkeypatch.setattr("signal.signal", lambda *_: None)  # those of the tests' own process
    with pytest.raises(SystemExit) as ended:
        main(["worker", *options])
    assert sentence in said_at_the_end(ended.value, capsys)


def test_a_worker_may_trust_several_folders(tmp_path, monkeypatch):
    monkeypatch.setattr("signal.signal", lambda *_: None)
    monkeypatch.setenv(TRUSTED_MODELS, "")
    trusted = [tmp_path / name for name in ("ours", "theirs")]
    options = []
    for folder in trusted:
        folder.mkdir()
        options += ["--trust-models", str(folder)]
    with pytest.raises(SystemExit):
        main(["worker", "--name", " ", *options])
    assert all(is_trusted(folder / "best.pt") for folder in trusted)
    assert not is_trusted(tmp_path / "best.pt")
