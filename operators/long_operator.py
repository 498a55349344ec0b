"""Operators that take their time: they report progress, and can be scheduled on a compute target
instead of executed at once."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timezone
from threading import Event
from types import SimpleNamespace
from typing import Any, ClassVar

import fiftyone.operators.types as types
from fiftyone.internal.util import is_remote_service
from fiftyone.operators.executor import ExecutionOptions

from ..core.errors import LabelvetError
from ..core.progress import Report
from ..core.versions import command
from ..workers.claims import RunCancelled
from ..workers.operations import mark_scheduled
from ..workers.targets import VERSION, Target, list_targets
from .form_operator import FormOperator
from .running import run_with_progress
from .summary import failure

logger = logging.getLogger(__name__)

_FIELD = "schedule_on"


class LongOperator(FormOperator):
    """An operator that reports progress and can be scheduled on a compute target.

    A subclass makes one call into the engine in :meth:`call`, and shows the result in :meth:`show`.
    Its form ends with :func:`schedule_on`.
    """

    options: ClassVar[dict[str, Any]] = {
        "execute_as_generator": True,
        "allow_immediate_execution": True,
        "allow_delegated_execution": True,
    }

    def call(self, ctx: Any, progress: Report, cancelled: Event) -> Any:
        """Calls the engine; what it returns has a ``summary()``.

        The engine is imported here: it loads torch, which the form does not need.
        """
        raise NotImplementedError

    def show(self, ctx: Any, result: Any) -> Iterator[Any]:
        """Yields what the App does with the result of a run that was executed at once."""
        raise NotImplementedError

    def resolve_output(self, ctx: Any) -> None:
        """Nothing: :meth:`show` shows what was done."""

    def execute(self, ctx: Any) -> Iterator[Any]:
        try:
            result = yield from run_with_progress(
                ctx, lambda report, cancelled: self.call(ctx, report, cancelled)
            )
            if ctx.delegated:
                with suppress(RunCancelled):  # too late
                    # what the run says of itself once it has completed
                    ctx.set_progress(progress=1.0, label=result.summary())
            else:
                yield ctx.ops.reload_dataset()
                yield from self.show(ctx, result)
        except Exception as error:
            if not ctx.delegated:  # a worker tells of its failures itself
                if not isinstance(error, LabelvetError):
                    logger.exception("%s failed", self.label)
                # without it the dialog would show the last progress for ever
                yield ctx.ops.show_output(*failure(self.label, error))
            raise

    def resolve_execution_options(self, ctx: Any) -> ExecutionOptions:
        options = super().resolve_execution_options(ctx)
        if is_remote_service():
            return options  # FiftyOne Enterprise has orchestrators of its own
        targets = [target.name for target in list_targets() if _same_version(target)]
        chosen = ctx.delegation_target or ctx.params.get(_FIELD)
        if ctx.requesting_delegated_execution:
            # FiftyOne asks this just before it queues the operation. The form always says which of
            # several; what Python queues without saying so is for any.
            only = targets[0] if len(targets) == 1 else None
            mark_scheduled(ctx.request_params, chosen or only)
        elif targets:
            # the App drops which entry was clicked, so there is one: the one that the form chose
            options.update(available_orchestrators=[_orchestrator(chosen or targets[0])])
        return options

    def resolve_run_name(self, ctx: Any) -> str:
        key = ctx.params.get("brain_key")
        return f"{self.config.label}: {key}" if key else str(self.config.label)


def schedule_on(ctx: Any, inputs: types.Object) -> None:
    """Adds what a form says about where the run can be scheduled."""
    if ctx.delegated or is_remote_service():
        return
    targets = list_targets()
    usable = [target for target in targets if _same_version(target)]
    for target in targets:
        if target not in usable:
            inputs.view(
                f"version_of_{target.name}",
                types.Warning(
                    label=f"'{target.name}' runs labelvet {target.workers[0].version}, this App "
                    f"{VERSION}: install the same version for both and restart them"
                ),
            )
    if not targets:
        inputs.view(
            "no_workers",
            types.Notice(label=f"To schedule this instead, run: {command()} worker --name NAME"),
        )
    if len(usable) > 1:
        choices = types.DropdownView()
        for target in usable:
            choices.add_choice(target.name, label=target.name, description=target.description)
        inputs.enum(
            _FIELD,
            choices.values(),
            default=usable[0].name,
            label="Schedule on",
            description="Where it runs if you choose Schedule instead of Execute",
            view=choices,
        )


def _same_version(target: Target) -> bool:
    return all(worker.version == VERSION for worker in target.workers)


def _orchestrator(name: str) -> Any:
    """What FiftyOne reads of an entry of its drop-down; tried with FiftyOne 1.22."""
    now = datetime.now(timezone.utc)
    return SimpleNamespace(
        id=name,
        instance_id=name,
        description=name,
        available_operators=[],
        created_at=now,
        updated_at=now,
        deactivated_at=None,
    )
