"""Runs that are scheduled: the form's part of it, and the drop-down beside *Execute*."""

from __future__ import annotations

from datetime import datetime, timezone
from types import SimpleNamespace
from typing import Any

import fiftyone.operators as foo
import fiftyone.operators.types as types
from fiftyone.internal.util import is_remote_service
from fiftyone.operators.executor import ExecutionOptions

from ..workers.operations import mark_scheduled
from ..workers.targets import VERSION, Target, list_targets

_FIELD = "schedule_on"


class LongOperator(foo.Operator):
    """An operator that can be scheduled on a compute target; its form ends with
    :func:`schedule_on`."""

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
            types.Notice(label="To schedule this instead, run: labelvet worker --name NAME"),
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
