"""What every panel with a web half does the same way: its methods, and what it answers."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ClassVar

import fiftyone.operators as foo
import fiftyone.operators.types as types

from ..core.errors import LabelvetError, StaleRun

Answer = dict[str, Any]


class WebPanel(foo.Panel):
    """A panel that a React component draws, and whose public methods the browser calls.

    A method is called with an execution context, the browser's parameters in ``ctx.params``, and
    returns a dict that JSON can hold. It is marked with :func:`answers`. A subclass also says its
    ``name``, ``label``, ``icon`` and ``help``, and which ``component`` of the bundle draws it.
    """

    name: ClassVar[str]
    label: ClassVar[str]
    icon: ClassVar[str]
    help: ClassVar[str]
    component: ClassVar[str]

    @property
    def config(self) -> foo.PanelConfig:
        return foo.PanelConfig(
            name=self.name,
            label=self.label,
            icon=self.icon,
            help_markdown=self.help,
            allow_multiple=False,
            surfaces="grid",
        )

    def render(self, ctx: Any) -> types.Property:
        methods = {
            name: getattr(self, name)
            for name in dir(type(self))
            if getattr(getattr(type(self), name), "answers", False)
        }
        view = types.View(component=self.component, composite_view=True, **methods)
        return types.Property(types.Object(), view=view)


def answers(method: Callable[[Any, Any], Answer]) -> Callable[[Any, Any], Answer]:
    """Makes a method callable from the browser, and turns what the engine refuses into the
    sentence that a person reads."""

    @wraps(method)
    def answer(self: Any, ctx: Any) -> Answer:
        try:
            dataset = ctx.dataset
        except ValueError:  # of a name it is DatasetNotFoundError, of an id its base
            dataset = None
        if dataset is None:
            return {"error": "The dataset was deleted: open another.", "stale": True}
        try:
            return method(self, ctx)
        except LabelvetError as error:
            return {"error": str(error), "stale": isinstance(error, StaleRun)}

    answer.answers = True  # type: ignore[attr-defined]
    return answer
