"""``labelvet send`` and ``bring-back``: to an annotation tool, and back."""

from __future__ import annotations

import argparse
from typing import Any

from .datasets import UNDO, add_command, chosen_samples


def add(commands: Any) -> None:
    """Adds the commands."""
    send = add_command(
        commands,
        "send",
        _send,
        "send flagged boxes to Label Studio or CVAT",
        "What 'Send for correction' does.",
    )
    send.add_argument("anno_key", metavar="KEY", help="names what is sent, to bring it back by")
    send.add_argument("--field", required=True, help="the boxes")
    send.add_argument(
        "--backend",
        metavar="NAME",
        help="labelstudio or cvat; by default that of FiftyOne's annotation config, which says "
        "where the server is",
    )
    send.add_argument(
        "--all", action="store_true", help="send all boxes, not only those tagged needs-review"
    )
    send.add_argument(
        "--whole-images", action="store_true", help="send the other boxes of their images, too"
    )
    send.add_argument(
        "--as-is",
        action="store_true",
        help="send boxes as they are, even where another class or box is suggested",
    )
    back = add_command(
        commands,
        "bring-back",
        _bring_back,
        "bring back what was sent for correction",
        "What 'Bring back' does.",
    )
    back.add_argument("anno_key", metavar="KEY", help="names what was sent")
    back.add_argument("--remove", action="store_true", help="remove what was deleted there")
    back.add_argument(
        "--conflicts",
        default="list",
        choices=("list", "ours", "theirs"),
        help="what to do with labels that were changed here, too; list by default",
    )
    back.add_argument(
        "--finished",
        action="store_true",
        help="everything was looked at, where the tool does not say so; Label Studio does",
    )


def _send(arguments: argparse.Namespace) -> None:
    from labelvet.core.progress import terminal_report
    from labelvet.handover.sending import send_for_correction

    with terminal_report() as report:
        sent = send_for_correction(
            chosen_samples(arguments),
            arguments.field,
            arguments.anno_key,
            arguments.backend,
            flagged=not arguments.all,
            whole_images=arguments.whole_images,
            suggestions=not arguments.as_is,
            progress=report,
        )
    print(sent.summary())


def _bring_back(arguments: argparse.Namespace) -> None:
    from labelvet.core.progress import terminal_report
    from labelvet.handover.bringing import bring_back

    with terminal_report() as report:
        done = bring_back(
            chosen_samples(arguments),
            arguments.anno_key,
            remove=arguments.remove,
            conflicts=arguments.conflicts,
            finished=arguments.finished,
            progress=report,
        )
    print(done.summary())
    for conflict in done.conflicts:
        print(conflict)
    if done.token is not None:
        print(UNDO)
