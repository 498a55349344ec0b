"""Progress where there is no terminal: lines that a log can hold."""

from __future__ import annotations

from labelvet.core import progress


def test_lines_without_a_terminal(capfd, monkeypatch):
    moments = iter(range(0, 100, 3))  # seconds, of which ten are between lines
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(moments))
    with progress.terminal_report() as report:
        report(0.0, "Reading labels")
        for done in range(1, 9):
            report(done / 10, f"Embedding patches · {done} of 9 patches")
        report(1.0, "Saving")
    said = capfd.readouterr().err
    assert "\r" not in said
    assert said.splitlines() == [
        "  0%  Reading labels",
        " 10%  Embedding patches · 1 of 9 patches",
        " 50%  Embedding patches · 5 of 9 patches",
        "100%  Saving",
    ]
