"""What a user reads after a run: an output form in JSON and its values."""

from __future__ import annotations

from typing import Any

import fiftyone.operators.types as types

from ..core.errors import LabelvetError
from ..core.sentences import first_line

# how many skipped images or patches are listed
_LISTED = 100


def report(label: str, run: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Tells what a run did and what it skipped.

    Args:
        label: the operator's label
        run: a ``Visualization`` or an ``Update``
    """
    lines = [
        run.summary(),
        "",
        f"Open **New panel > Label embeddings** and select the brain key **{run.brain_key}**.",
        "",
    ]
    for title, reasons in (("Images", run.unreadable), ("Patches", run.skipped)):
        lines += list_skipped(title, reasons)
    return show_lines(label, lines)


def list_skipped(title: str, reasons: dict[str, str]) -> list[str]:
    """Returns the lines that list what was skipped, none where nothing was."""
    if not reasons:
        return []
    lines = [f"**{title} that were skipped**", ""]
    lines += [f"- `{what}`: {reason}" for what, reason in list(reasons.items())[:_LISTED]]
    if len(reasons) > _LISTED:
        lines.append(f"- and {len(reasons) - _LISTED:,} more")
    return [*lines, ""]


def show_lines(label: str, lines: list[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns an output form of lines of Markdown."""
    return summary_output(label).to_json(), {"summary": "\n".join(lines)}


def summary_output(label: str) -> types.Property:
    """Returns an output form of one text in Markdown, the value ``summary``."""
    outputs = types.Object()
    outputs.str("summary", label="Summary", view=types.MarkdownView())
    return types.Property(outputs, view=types.View(label=label))


def failure(label: str, error: Exception) -> tuple[dict[str, Any], dict[str, Any]]:
    """Tells why an operator did not come to its end, and where there is more about it."""
    if isinstance(error, LabelvetError):
        reason = str(error)
    else:
        reason = (
            f"{type(error).__name__}: {first_line(error)}. The App server's log has the full error."
        )
    outputs = types.Object()
    outputs.view("error", types.Error(label=f"{label} failed", description=reason))
    view = types.View(label=label)
    return types.Property(outputs, view=view).to_json(), {}
