"""Writes the types of the panels' web halves from their messages.

``python -m labelvet.panels.typescript`` writes each panel's ``web/messages.ts``, and
``contracts.py``, by which a page and a server of different versions know each other. With
``--check`` it writes nothing, and fails where a file is not what it would write.

Only what the messages use is known here: models, lists, tuples, dicts, unions, some words.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
import types
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from ..core.packed import FORMAT_VERSION
from .message import Message, OneOf, Request, TypeScript
from .web_panel import WebPanel

_FOLDER = Path(__file__).resolve().parent
_HEAD = "// Written by `make types` from messages.py: change that, not this.\n"
_CONTRACT = """
/** The version of these messages, which a page and the server must share. */
export const CONTRACT = """
_DOCSTRING = '"""Written by ``make types``: the version of each panel\'s messages, by component."""'
_PLAIN = {
    str: "string",
    int: "number",
    float: "number",
    bool: "boolean",
    type(None): "null",
    Any: "unknown",
}


class _Panel:
    """The messages of one panel."""

    def __init__(self, panel: type[WebPanel]) -> None:
        self.panel = panel
        self.module = sys.modules[panel.__module__.rpartition(".")[0] + ".messages"]
        self.words = {
            value: name
            for name, value in vars(self.module).items()
            if any(isinstance(mark, OneOf) for mark in _marks(value))
        }
        self.models: dict[str, type[Message]] = {}
        self.imports: dict[str, set[str]] = {}

    def text(self) -> str:
        """Returns what the panel's ``messages.ts`` holds below its head and its contract."""
        methods = "".join(self._methods())
        interfaces: list[str] = []
        while len(interfaces) < len(self.models):  # which grows meanwhile
            interfaces.append(self._interface(list(self.models.values())[len(interfaces)]))
        imports = [
            f'import type {{ {", ".join(sorted(names))} }} from "{module}";\n'
            for module, names in sorted(self.imports.items())
        ]
        words = "".join(self._words(alias, name) for alias, name in self.words.items())
        return f"{''.join(imports)}\n{words}{''.join(interfaces)}{methods}"

    def _methods(self) -> Iterator[str]:
        yield "/** What Python can be asked, and what it answers. */\nexport interface Methods {\n"
        for name, (request, answer) in self.panel.methods().items():
            asked = "object" if request is None else self._type(request)
            yield f"{_comment(_summary(getattr(self.panel, name)), '  ')}"
            yield f"  {name}: {{ request: {asked}; answer: {self._type(answer)} }};\n"
        yield "}\n"

    def _interface(self, model: type[Message]) -> str:
        fields, lines = _documented(model), []
        for name, hint in get_type_hints(model, include_extras=True).items():
            if name not in model.model_fields:
                continue
            field = model.model_fields[name]
            optional = "?" if issubclass(model, Request) and not field.is_required() else ""
            lines.append(_comment(fields.get(name), "  "))
            lines.append(f"  {field.alias}{optional}: {self._type(hint)};\n")
        head, name = _comment(_summary(model)), model.__name__
        if not lines:
            return f"{head}export type {name} = Record<string, never>;\n\n"
        return f"{head}export interface {name} {{\n{''.join(lines)}}}\n\n"

    def _type(self, hint: Any) -> str:
        if hint in self.words:
            return self.words[hint]
        if hint in _PLAIN:
            return _PLAIN[hint]
        origin, args = get_origin(hint), get_args(hint)
        if origin is Annotated:
            for mark in _marks(hint):
                if isinstance(mark, TypeScript):
                    self.imports.setdefault(mark.module, set()).add(mark.name.split("<")[0])
                    return mark.name
            return self._type(args[0])
        if origin in (Union, types.UnionType):
            return " | ".join(map(self._type, args))
        if origin is list:
            inner = self._type(args[0])
            return f"({inner})[]" if " " in inner else f"{inner}[]"
        if origin is tuple:
            return f"[{', '.join(map(self._type, args))}]"
        if origin is dict:
            return f"Record<{self._type(args[0])}, {self._type(args[1])}>"
        if isinstance(hint, type) and issubclass(hint, Message):
            self.models[hint.__name__] = hint
            return hint.__name__
        raise TypeError(f"{hint} has no type in TypeScript yet: add it to {__name__}")

    def _words(self, alias: Any, name: str) -> str:
        (words,) = (mark.words for mark in _marks(alias) if isinstance(mark, OneOf))
        constant = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).upper() + "S"
        return (
            f"export const {constant} = {json.dumps(list(words))} as const;\n"
            f"export type {name} = (typeof {constant})[number];\n\n"
        )


def _marks(hint: Any) -> tuple[Any, ...]:
    return get_args(hint)[1:] if get_origin(hint) is Annotated else ()


def _summary(thing: Any) -> str:
    return inspect.cleandoc(thing.__doc__ or "").partition("\n\n")[0]


def _documented(model: type[Message]) -> dict[str, str]:
    """Returns what the docstrings of a model and its bases say of fields."""
    said: dict[str, str] = {}
    for one in reversed(model.__mro__[: model.__mro__.index(Message)]):
        _, _, section = inspect.cleandoc(one.__doc__ or "").partition("Attributes:\n")
        for names, text in re.findall(r"^    ([\w, ]+): (.*(?:\n {8}.*)*)", section, re.M):
            said |= dict.fromkeys(names.split(", "), text)
    return said


def _comment(text: str | None, indent: str = "") -> str:
    return f"{indent}/** {' '.join(text.split())} */\n" if text else ""


def render(panels: tuple[type[WebPanel], ...]) -> dict[Path, str]:
    """Returns ``{path: text}`` of all that is written."""
    files, contracts = {}, {}
    for panel in panels:
        text = _Panel(panel).text()
        digest = sha256(f"{text}{FORMAT_VERSION}".encode()).hexdigest()[:16]
        contracts[panel.component] = digest
        folder = Path(inspect.getfile(panel)).resolve().parent
        files[folder / "web" / "messages.ts"] = f'{_HEAD}{text}{_CONTRACT}"{digest}";\n'
    versions = json.dumps(contracts, indent=4).replace('"\n}', '",\n}')
    files[_FOLDER / "contracts.py"] = f"{_DOCSTRING}\n\nCONTRACTS = {versions}\n"
    return files


def main(arguments: list[str]) -> int:
    """Writes the files, or checks them; returns the exit status."""
    from . import PANELS

    differing = [
        (path, text)
        for path, text in render(PANELS).items()
        if not path.exists() or path.read_text() != text
    ]
    for path, text in differing:
        if "--check" in arguments:
            print(f"{path} is not what the messages say: run 'make types'", file=sys.stderr)
        else:
            path.write_text(text)
    return int(bool(differing) and "--check" in arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
