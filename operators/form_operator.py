"""What all operators with a form have in common."""

from __future__ import annotations

from typing import Any, ClassVar

import fiftyone.operators as foo
import fiftyone.operators.types as types

from .summary import summary_output


class FormOperator(foo.Operator):
    """An operator whose form follows what is typed, and that says in a text what it did.

    A subclass says its ``name``, ``label``, ``description`` and ``icon``, fills the form in
    :meth:`fill`, and returns a ``summary`` from ``execute``.
    """

    name: ClassVar[str]
    label: ClassVar[str]
    description: ClassVar[str]
    icon: ClassVar[str]
    options: ClassVar[dict[str, Any]] = {}  # what else FiftyOne is to know of the operator

    @property
    def config(self) -> foo.OperatorConfig:
        return foo.OperatorConfig(
            name=self.name,
            label=self.label,
            description=self.description,
            icon=self.icon,
            dynamic=True,
            **self.options,
        )

    def fill(self, ctx: Any, inputs: types.Object) -> None:
        """Adds the inputs of the form."""
        raise NotImplementedError

    def resolve_input(self, ctx: Any) -> types.Property:
        inputs = types.Object()
        self.fill(ctx, inputs)
        return types.Property(inputs, view=types.View(label=self.label))

    def resolve_output(self, ctx: Any) -> types.Property:
        return summary_output(self.label)
