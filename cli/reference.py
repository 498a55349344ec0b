"""Writes ``docs/reference.md``: the commands and the operators, as the code says them.

``python -m labelvet.cli.reference`` writes it; a test fails where it is not what the code says.
"""

from __future__ import annotations

import argparse
import inspect
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from labelvet.core.versions import PLUGIN, PLUGIN_NAME

FILE = PLUGIN / "docs" / "reference.md"

_HEAD = """# Reference

Written by `make reference` from the code: change that, not this page.
"""
_EMPTY = inspect.Parameter.empty


def render() -> str:
    """Returns the text of the page."""
    return "\n".join([_HEAD, *_commands(), *_operators(), *_functions()]).rstrip() + "\n"


def _commands() -> Iterator[str]:
    from . import make_parser

    yield "## Commands\n"
    yield "`labelvet COMMAND`, or `python -m labelvet COMMAND`.\n"
    for parser in _leaves(make_parser()):
        yield f"### `{_usage(parser)}`\n"
        if parser.description:
            yield f"{parser.description.replace('%%', '%')}\n"
        rows = list(map(_option, _own_actions(parser)))
        yield from _table(("Argument", ""), rows)


def _leaves(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Yields the parsers that run something."""
    deeper = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    if not deeper:
        yield parser
    for action in deeper:
        helps = {choice.dest: choice.help for choice in action._choices_actions}
        for name, child in action.choices.items():
            if not child.description and helps.get(name):
                child.description = _sentence(str(helps[name]))
            yield from _leaves(child)


def _own_actions(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    return [a for a in parser._actions if not isinstance(a, argparse._HelpAction)]


def _usage(parser: argparse.ArgumentParser) -> str:
    places = [_placeholder(a) for a in _own_actions(parser) if not a.option_strings]
    return " ".join([parser.prog, *places])


def _placeholder(action: argparse.Action) -> str:
    return str(action.metavar or action.dest.upper())


def _option(action: argparse.Action) -> tuple[str, str]:
    said = (action.help or "").replace("%%", "%")
    if action.choices is not None:
        said = ", ".join(filter(None, [said, f"one of {', '.join(map(str, action.choices))}"]))
    if action.required and action.option_strings:
        said = ", ".join(filter(None, [said, "required"]))
    if not action.option_strings:
        return f"`{_placeholder(action)}`", said
    takes = "" if action.nargs == 0 else f" {_placeholder(action)}"
    if action.nargs == "?":
        takes = f" [{_placeholder(action)}]"
    return f"`{action.option_strings[0]}{takes}`", said


def _operators() -> Iterator[str]:
    from labelvet.operators import OPERATORS

    yield "## Operators\n"
    yield (
        "In the App under **Browse operations**; from Python with "
        f'`foo.get_operator("{PLUGIN_NAME}/NAME")`, called with a view and these.\n'
    )
    for operator in (each() for each in OPERATORS):
        yield f"### {operator.config.label}\n"
        yield f"`{PLUGIN_NAME}/{operator.name}`. {_sentence(operator.config.description)}\n"
        yield from _parameters(type(operator).__call__, skip=("sample_collection",))


def _functions() -> Iterator[str]:
    from labelvet.autolabel.auto_label import auto_label
    from labelvet.embeddings import projection
    from labelvet.handover.bringing import bring_back
    from labelvet.handover.sending import send_for_correction
    from labelvet.issues.box_checks import check_boxes
    from labelvet.issues.find import find_label_issues
    from labelvet.review.class_pairs import find_class_pairs
    from labelvet.review.merging import merge_classes
    from labelvet.visualization.compute import compute_visualization
    from labelvet.visualization.update import update_visualization

    yield "## Functions\n"
    yield "What the operators call. The forms have the same parameters under *Advanced*.\n"
    for function in (
        auto_label, compute_visualization, update_visualization, find_label_issues, check_boxes,
        find_class_pairs, merge_classes, send_for_correction, bring_back,
    ):  # fmt: skip
        yield f"### `{function.__module__}.{function.__name__}`\n"
        yield f"{_summary(function)}\n"
        yield from _parameters(function)
        if function is compute_visualization:
            for method in (projection.UMAP, projection.TSNE, projection.PCA):
                yield f'#### `method="{method.__name__.lower()}"`\n'
                yield from _parameters(method, section="Attributes")


def _parameters(
    function: Callable[..., Any], skip: tuple[str, ...] = (), section: str = "Args"
) -> Iterator[str]:
    said = _section(function, section)
    rows = []
    for name, parameter in inspect.signature(function).parameters.items():
        if name in ("self", *skip) or parameter.kind is parameter.VAR_POSITIONAL:
            continue
        shown = f"**{name}" if parameter.kind is parameter.VAR_KEYWORD else name
        if parameter.default is not _EMPTY:
            default = f"`{parameter.default!r}`"
        else:
            default = "" if shown != name else "required"
        rows.append((f"`{shown}`", default, said.get(name, said.get(shown, ""))))
    yield from _table(("Parameter", "Default", ""), rows)


def _section(thing: Any, title: str) -> dict[str, str]:
    """Returns what a docstring, or those of a class's bases, say of parameters."""
    found: dict[str, str] = {}
    for one in reversed(inspect.getmro(thing)) if inspect.isclass(thing) else [thing]:
        text = inspect.cleandoc(one.__doc__ or "")
        match = re.search(rf"^{title}:\n((?: {{4}}.*\n?|\n)+)", text, re.M)
        for names, what in re.findall(
            r"^ {4}([*\w, ]+): (.*(?:\n {8}.*)*)", match[1] if match else "", re.M
        ):
            found |= dict.fromkeys(names.replace(" ", "").split(","), _plain(what))
    return found


def _plain(text: str) -> str:
    """Returns the text of a docstring as Markdown, on one line."""
    text = re.sub(r":\w+:`~?([^`]+)`", r"`\1`", " ".join(text.split()))
    return text.replace("``", "`")


def _summary(thing: Any) -> str:
    return _plain(inspect.cleandoc(thing.__doc__ or "").partition("\n\n")[0])


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    if not rows:
        return
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"
    yield ""


def main(file: Path = FILE) -> None:
    """Writes the page."""
    file.write_text(render(), encoding="utf-8")


if __name__ == "__main__":
    main()
