"""Runs that fail in the App's server: the executor that it has, and what it would send."""

from __future__ import annotations

import asyncio
import logging
import sys

import fiftyone as fo
import pytest
from fiftyone.operators.executor import execute_or_delegate_operator
from labelvet.core.errors import Cancelled

URI = "@labelvet/labelvet/compute_visualization"


@pytest.fixture
def dataset(make_dataset):
    dataset = make_dataset()
    dataset.add_sample(fo.Sample("absent.jpg"))
    return dataset


def messages(dataset, failing, monkeypatch):
    """What the App is sent of a run whose engine fails so, and what is raised after it."""
    from labelvet.visualization import compute

    def engine(*_, progress, **__):
        progress(0.75, "Projecting")
        failing()

    monkeypatch.setattr(compute, "compute_visualization", engine)
    request = {"dataset_name": dataset.name, "view": [], "params": {"brain_key": "map"}}
    sent = []
    result = asyncio.run(execute_or_delegate_operator(URI, request))
    with pytest.raises(Exception) as raised:
        for message in result.result:
            sent.append(message.to_json())
    return sent, raised.value


def shown(sent):
    """The title and the text of the output that ends the dialog."""
    assert sent[-1]["body"]["operator_uri"].endswith("show_output")
    ((_, view),) = sent[-1]["body"]["params"]["outputs"]["type"]["properties"].items()
    return view["view"]["label"], view["view"]["description"]


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (KeyError("boxes"), "KeyError: 'boxes'."),
        (RuntimeError("CUDA error\nmore of it"), "RuntimeError: CUDA error."),
        (MemoryError(), "MemoryError: MemoryError."),
        (AttributeError("'NoneType' object has no attribute 'x'"), "AttributeError: 'NoneType'"),
    ],
)
def test_whatever_fails_ends_the_dialog(dataset, monkeypatch, caplog, error, text):
    def fail():
        raise error

    with caplog.at_level(logging.ERROR):
        sent, raised = messages(dataset, fail, monkeypatch)
    title, description = shown(sent)
    assert title == "Compute visualization failed"
    assert description.startswith(text) and "more of it" not in description
    assert "App server's log" in description
    assert raised is error
    assert "Traceback" in caplog.text and type(error).__name__ in caplog.text


def test_a_library_that_exits_ends_its_run_only(dataset, monkeypatch):
    sent, raised = messages(dataset, lambda: sys.exit(3), monkeypatch)
    assert shown(sent)[1].startswith("RuntimeError: SystemExit: 3.")
    assert isinstance(raised, RuntimeError)


def test_an_error_of_ours_is_its_own_sentence(dataset, monkeypatch, caplog):
    def fail():
        raise Cancelled("Canceled: nothing was changed.")

    with caplog.at_level(logging.ERROR):
        sent, _ = messages(dataset, fail, monkeypatch)
    assert shown(sent)[1] == "Canceled: nothing was changed."
    assert "Traceback" not in caplog.text


def test_a_fault_in_what_is_shown_ends_the_dialog_too(dataset, monkeypatch):
    # the engine answers with something that cannot be summed up
    sent, raised = messages(dataset, lambda: None, monkeypatch)
    assert shown(sent)[1].startswith("AttributeError:")
    assert isinstance(raised, AttributeError)
