"""The command ``labelvet``: one module per command, which is loaded to list it and no more.

What a command needs is imported where it runs, so that ``--help`` answers at once.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Sequence

import labelvet
from labelvet.core.versions import command

from . import cache, check, correction, datasets, doctor, install, runs, worker

_COMMANDS = (check, datasets, correction, install, doctor, worker, runs, cache)


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line.

    Args:
        arguments: the arguments, by default those of the process
    """
    parsed = make_parser().parse_args(arguments)
    from labelvet.core.errors import LabelvetError

    # what a command that others call in a script exits with where its input is at fault
    status = getattr(parsed, "bad_input", 1)
    try:
        parsed.run(parsed)
        sys.stdout.flush()
    except LabelvetError as error:
        print(error, file=sys.stderr)
        sys.exit(status)
    except _connection_failures() as error:
        print(f"FiftyOne's database does not answer: {error}", file=sys.stderr)
        sys.exit(status)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "labelvet":
            raise
        print(
            f"'{error.name}' is not installed for '{sys.executable}': is that the Python that has "
            f"FiftyOne? '{command()} doctor' says what is missing.",
            file=sys.stderr,
        )
        sys.exit(status)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # who reads, as head does, has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except Exception:
        if status == 1:
            raise
        traceback.print_exc()
        sys.exit(status)


def _connection_failures() -> tuple[type[Exception], ...]:
    """Returns the class of the database's client, which a Python without FiftyOne lacks."""
    errors = sys.modules.get("pymongo.errors")
    return () if errors is None else (errors.ConnectionFailure,)


def make_parser() -> argparse.ArgumentParser:
    """Returns what reads the arguments, with every command."""
    parser = argparse.ArgumentParser(
        prog="labelvet",
        description="Find wrong labels in FiftyOne: the commands that run outside the App.",
        epilog="'labelvet COMMAND --help' describes each.",
    )
    said = f"labelvet {labelvet.__version__}"
    parser.add_argument("--version", action="version", version=said, help="say which one this is")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for module in _COMMANDS:
        module.add(commands)
    return parser
