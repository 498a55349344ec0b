"""What every panel with a web half does the same way: its methods, and what it answers."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any, ClassVar, get_type_hints

import fiftyone.operators as foo
import fiftyone.operators.types as types
from fiftyone.operators.executor import Executor

from ..core.errors import LabelvetError, OtherDataset, OtherVersion, StaleRun
from ..dataset.memory import forget_deleted
from .contracts import CONTRACTS
from .message import Reply, Request

logger = logging.getLogger(__name__)


class WebPanel(foo.Panel):
    """A panel that a React component draws, and whose public methods the browser calls.

    Such a method is marked with :func:`exposed`. A subclass also says its ``name``, ``label``,
    ``icon`` and ``help``, and which ``component`` of the bundle draws it. Its folder is named like
    it, and holds its ``messages``.
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
        methods = {name: getattr(self, name) for name in self.methods()}
        contract = CONTRACTS[self.component]
        view = types.View(
            component=self.component, composite_view=True, contract=contract, **methods
        )
        return types.Property(types.Object(), view=view)

    @classmethod
    def methods(cls) -> dict[str, tuple[type[Request] | None, type[Reply]]]:
        """Returns what the browser can call, by name: what it asks, None for nothing, and what it
        is answered."""
        found = {name: getattr(getattr(cls, name), "messages", None) for name in dir(cls)}
        return {name: messages for name, messages in found.items() if messages is not None}


def exposed(method: Callable[..., Reply]) -> Callable[[Any, Any], dict[str, Any]]:
    """Makes a method callable from the browser.

    The method takes an execution context and, where it has one, a ``request``, whose type says what
    the browser may send; its return type says what it answers. A bundle of another version is told
    so, as is a page that meant another dataset, and what the engine refuses becomes the sentence
    that a person reads. There is an answer whatever happens: without one the page would wait for
    ever.

    What the App has to do afterwards, such as to show a view, travels in the answer: by itself it
    would do so in whatever dataset it shows by then.
    """
    hints = get_type_hints(method)
    request_type, answer_type = hints.get("request"), hints["return"]

    @wraps(method)
    def answer(self: Any, ctx: Any) -> dict[str, Any]:
        # what the method asks of the App by ``ctx.ops`` is not asked by FiftyOne then
        ctx.executor = Executor()
        try:
            try:
                dataset = ctx.dataset
            except ValueError:  # of a name it is DatasetNotFoundError, of an id its base
                dataset = None
            forget_deleted()
            if dataset is None:
                return {"error": "The dataset was deleted: open another.", "stale": True}
            # a page says its version; a script, which has none, is of this one
            contract = CONTRACTS[self.component]
            if ctx.params.get("contract", contract) != contract:
                raise OtherVersion
            if ctx.params.get("dataset", dataset.name) != dataset.name:
                raise OtherDataset
            request = () if request_type is None else (request_type.parse(ctx.params),)
            answered = method(self, ctx, *request).model_dump(mode="json", by_alias=True)
            return {**answered, "then": ctx.executor.to_json()["requests"]}
        except LabelvetError as error:
            return {"error": str(error), "stale": isinstance(error, StaleRun)}
        except Exception as error:
            logger.exception("'%s' of the panel %s failed", method.__name__, self.label)
            what = type(error).__name__
            return {
                "error": f"Something went wrong ({what}). The App server's log has the details.",
                "stale": False,
            }

    answer.messages = (request_type, answer_type)  # type: ignore[attr-defined]
    return answer
