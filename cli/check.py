"""``labelvet check``, ``open`` and ``export``: labels in files, without a line of Python."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labelvet.folders.source import LabelSource

LIMIT_PASSED, BAD_INPUT = 1, 2


def add(commands: Any) -> None:
    """Adds the commands."""
    check = commands.add_parser(
        "check",
        help="find the labels of a dataset in files that are probably wrong",
        description="Reads a dataset, finds the labels that are probably wrong, and prints them. "
        "What it computes is kept in a database of its own, so that a second run is quick. The "
        "exit code is 0; 1 if a --fail-if rule is met; 2 if the dataset cannot be checked.",
    )
    _add_source(check)
    check.add_argument(
        "--fail-if",
        action="append",
        default=[],
        metavar="RULE",
        help="exit with 1 if so: 'wrong > 2%%', 'mislabeled >= 5', ...; wrong counts labels with "
        "any issue, missed the objects without a label; may be repeated",
    )
    check.add_argument("--json", type=Path, metavar="FILE", help="write all issues as JSON")
    check.add_argument(
        "--report", type=Path, metavar="FILE.html", help="write an HTML page with pictures"
    )
    check.add_argument(
        "--worst",
        type=int,
        default=20,
        metavar="N",
        help="how many labels to print, and how many objects without one; 20 by default",
    )
    check.set_defaults(run=_check)
    opening = commands.add_parser(
        "open",
        help="check a dataset in files, and open it in the App at the review",
        description="Does what check does, and opens the dataset in the App at the review.",
    )
    _add_source(opening)
    opening.add_argument("--port", type=int, help="the App's port, 5151 where it is free")
    opening.set_defaults(run=_open)
    export = commands.add_parser(
        "export",
        help="write what was corrected in the App back into files of labels",
        description="Shows what was corrected since labelvet open, and writes it in the format "
        "that came in. Nothing but what was corrected changes.",
    )
    _add_path(export)
    where = export.add_mutually_exclusive_group()
    where.add_argument(
        "--to", type=Path, metavar="FOLDER", help="all label files, into a new folder"
    )
    where.add_argument("--in-place", action="store_true", help="change the files that were read")
    export.add_argument(
        "--diff", type=Path, metavar="FILE", help="write what changes to a file too"
    )
    export.set_defaults(run=_export)
    for parser in (check, opening, export):
        parser.set_defaults(bad_input=BAD_INPUT)


def _add_path(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "path",
        metavar="PATH",
        help="a YOLO yaml, a COCO json, a VOC folder, or fiftyone:NAME",
    )
    parser.add_argument(
        "--images", type=Path, metavar="FOLDER", help="where a COCO json's images are"
    )
    parser.add_argument("--split", help="train, val or test of a YOLO yaml; all by default")
    parser.add_argument("--field", help="the labels of fiftyone:NAME")
    parser.add_argument(
        "--lenient",
        action="store_true",
        help="leave out what is broken, instead of refusing the dataset: an image without a label "
        "file has no objects then",
    )


def _add_source(parser: argparse.ArgumentParser) -> None:
    _add_path(parser)
    parser.add_argument(
        "--second",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="what a detector says of the same images, as COCO results or "
        "{file: [{label, confidence, box}]}; may be repeated",
    )
    parser.add_argument(
        "--start-over",
        action="store_true",
        help="forget what was computed, and answers given in the App",
    )


def _check(arguments: argparse.Namespace) -> None:
    from labelvet.core.checks import check_whole

    check_whole("--worst", arguments.worst, 0)
    _check_writable(arguments.json)
    _check_writable(arguments.report)
    if arguments.report and arguments.report.suffix != ".html":
        from labelvet.core.errors import InvalidParameter

        raise InvalidParameter("Name a file for the report that ends in .html.")
    settings = _settings(arguments)
    _check_apart(settings.source, arguments.second, arguments.json, arguments.report)
    # limits come with the issues' names, which load FiftyOne; they are checked before anything is
    # computed, but not before the database is entered
    from labelvet.checking.check import run_check
    from labelvet.checking.limits import parse_limit, refuse_missed
    from labelvet.core.progress import terminal_report

    limits = [parse_limit(rule) for rule in arguments.fail_if]
    if not settings.tells_missed():
        refuse_missed(limits)
    with terminal_report() as report:
        dataset, result = run_check(settings, report)
    for line in result.table(arguments.worst):
        print(line)
    if arguments.json:
        result.write_json(arguments.json)
        print(f"Written to '{arguments.json}'.")
    if arguments.report:
        from labelvet.checking.page import write_page

        write_page(dataset, result, arguments.report, str(settings.source.path))
        print(f"Written to '{arguments.report}'.")
    passed = result.passed(limits)
    if passed:
        sys.stdout.flush()
        print(f"Failed: {', '.join(map(result.describe, passed))}.", file=sys.stderr)
        sys.exit(LIMIT_PASSED)


def _open(arguments: argparse.Namespace) -> None:
    from labelvet.core.app_server import app_server
    from labelvet.core.ports import check_port

    if arguments.port is not None:
        check_port(arguments.port)
    settings = _settings(arguments, mapped=True)
    from labelvet.checking.check import run_check
    from labelvet.core.progress import terminal_report
    from labelvet.core.signals import interrupt_on_signals, wait_for_interrupt
    from labelvet.dataset.app import app

    interrupt_on_signals()
    with terminal_report() as report:
        dataset, result = run_check(settings, report)
    for line in result.table(0):
        print(line)
    with app_server(arguments.port) as server, app(dataset, server, review=True) as address:
        print(
            f"\nThe review is open: {address}\n"
            f"Press Ctrl-C to close it. {_what_becomes(arguments)}",
            flush=True,
        )
        try:
            wait_for_interrupt()
        except KeyboardInterrupt:
            print("\nClosed.")


def _what_becomes(arguments: argparse.Namespace) -> str:
    """Says where the answers are kept, and how they come into the files."""
    from labelvet.checking.fiftyone_source import PREFIX

    if arguments.path.startswith(PREFIX):
        return (
            "Your answers are kept in this check only and cannot be exported: to correct the "
            "dataset itself, review it in your own App."
        )
    given = {
        "--images": arguments.images,
        "--split": arguments.split,
        "--field": arguments.field,
    }
    options = [part for name, value in given.items() if value for part in (name, str(value))]
    lenient = ["--lenient"] if arguments.lenient else []
    command = shlex.join(["labelvet", "export", arguments.path, *options, *lenient])
    return (
        f"Your answers are kept: `{command}` lists them, and adding --in-place or --to FOLDER "
        "writes them to files."
    )


def _export(arguments: argparse.Namespace) -> None:
    _check_writable(arguments.diff)
    source = _source(arguments)
    if source.format == "FiftyOne":
        from labelvet.core.errors import InvalidParameter

        raise InvalidParameter(
            "A dataset of FiftyOne is corrected there: find its label issues and review them in "
            "the App, then export it with FiftyOne's own exporters."
        )
    _check_apart(source, [], arguments.diff)
    _enter(arguments, source)
    from labelvet.checking.check import checked_dataset, mark_exported, unwritten, write_back
    from labelvet.checking.export import find_corrections, lines, write_folder
    from labelvet.core.sentences import count

    dataset, source = checked_dataset(source)
    changes = find_corrections(dataset, source)
    for line in lines(changes):
        print(line)
    if arguments.diff:
        arguments.diff.write_text("".join(f"{line}\n" for line in lines(changes)))
    corrections = count(len(changes), "correction")
    done = (
        f"{corrections}, already written to the files."
        if changes
        else "The files are as they were."
    )
    if not changes and not source.before:
        print("Nothing was corrected: the files are as they were.")
    elif arguments.to:
        files = write_folder(source, changes, arguments.to)
        print(f"{corrections} in {count(len(files), 'file')}.")
    elif arguments.in_place:
        files = write_back(dataset, source, changes)
        print(f"{corrections} in {count(len(files), 'file')}." if files else done)
        mark_exported(dataset, _source(arguments), changes)
    elif source.before and not unwritten(source, changes):
        print(done)
    else:
        print(
            f"{corrections}. Nothing was written: --in-place changes the files, --to FOLDER "
            "writes new ones."
        )


def _settings(arguments: argparse.Namespace, mapped: bool = False) -> Any:
    """Reads all that is given, and enters the database of the check."""
    source = _source(arguments)
    from labelvet.folders.predictions import read_predictions

    seconds = [read_predictions(path, source) for path in arguments.second]
    for second in seconds:
        second.check(arguments.lenient)
    print(source.summary(), flush=True)
    _enter(arguments, source)
    from labelvet.checking.check import CheckSettings

    return CheckSettings(source, seconds, arguments.lenient, mapped, arguments.start_over)


def _source(arguments: argparse.Namespace) -> LabelSource:
    from labelvet.checking.fiftyone_source import PREFIX, read_fiftyone
    from labelvet.folders.formats import read_source

    if arguments.path.startswith(PREFIX):
        source = read_fiftyone(arguments.path.removeprefix(PREFIX), arguments.field)
    else:
        source = read_source(Path(arguments.path), arguments.images, arguments.split)
    source.check(arguments.lenient)
    if arguments.lenient and source.faults:
        for sentence in source.faults.sentences():
            print(f"Left out: {sentence}", file=sys.stderr)
    return source


def _enter(arguments: argparse.Namespace, source: LabelSource) -> None:
    from labelvet.checking.place import enter

    os.environ.setdefault("FIFTYONE_SHOW_PROGRESS_BARS", "false")
    what = (source.format, source.path, arguments.images, arguments.split, arguments.field)
    enter(source.path.stem, repr([str(each) for each in what]))


def _check_apart(source: LabelSource, seconds: list[Path], *outputs: Path | None) -> None:
    """Checks that nothing is written over what is read."""
    from labelvet.core.errors import InvalidParameter

    read = {os.path.realpath(file) for file in (source.path, *source.files, *seconds)}
    for file in outputs:
        if file is not None and os.path.realpath(file) in read:
            raise InvalidParameter(
                f"'{file}' is one of the files that are read: name another file to write."
            )


def _check_writable(file: Path | None) -> None:
    from labelvet.core.errors import InvalidParameter

    if file is not None and (file.is_dir() or not os.access(file.absolute().parent, os.W_OK)):
        raise InvalidParameter(f"'{file}' cannot be written: name a file in a folder that can be.")
