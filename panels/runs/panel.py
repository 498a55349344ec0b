"""The Python half of *Runs*: it reads a page of the queue, and does what its buttons say."""

from __future__ import annotations

from typing import Any

from ...core.errors import InvalidParameter
from ...workers import operations
from ...workers.claims import settle_lost
from ...workers.targets import list_targets
from ..web_panel import Answer, WebPanel, answers
from . import wire

_MAX_PAGE = 200


class Runs(WebPanel):
    """The delegated operations of the dataset, newest first."""

    name = "labelvet_runs"
    label = "Runs"
    icon = "playlist_play"
    help = "What was scheduled on this dataset: progress, results, logs."
    component = "Runs"

    @answers
    def list_operations(self, ctx: Any) -> Answer:
        """The newest operations, how many there are in each state, and the workers."""
        settle_lost()
        dataset_id, state = ctx.dataset._doc.id, ctx.params.get("state")
        if state is not None and state not in operations.STATES:
            raise InvalidParameter(f"There is no state '{state}'.")
        limit = ctx.params.get("limit")
        if not isinstance(limit, int) or not 1 <= limit <= _MAX_PAGE:
            raise InvalidParameter(f"A page has 1 to {_MAX_PAGE} runs, not {limit}.")
        skip = ctx.params.get("skip", 0)
        if not isinstance(skip, int) or skip < 0:
            raise InvalidParameter(f"A page starts at 0 or later, not at {skip}.")
        found = operations.list_operations(dataset_id, (state,) if state else (), limit, skip)
        return {
            "operations": [wire.operation(one) for one in found],
            "counts": operations.count_states(dataset_id),
            "targets": [wire.target(one) for one in list_targets()],
        }

    @answers
    def details(self, ctx: Any) -> Answer:
        """All that is known of one operation."""
        return {"operation": wire.details(_operation(ctx))}

    @answers
    def cancel(self, ctx: Any) -> Answer:
        """Stops an operation, or takes it from the queue."""
        return {"sentence": operations.cancel(_operation(ctx).id)}

    @answers
    def mark_failed(self, ctx: Any) -> Answer:
        """Fails an operation that nobody runs any more."""
        return {"sentence": operations.mark_failed(_operation(ctx).id)}

    @answers
    def rerun(self, ctx: Any) -> Answer:
        """Queues an operation once more."""
        operations.rerun(_operation(ctx).id)
        return {"sentence": "Queued once more."}

    @answers
    def delete(self, ctx: Any) -> Answer:
        """Takes an operation off the list, and stops it if it runs."""
        operations.delete(_operation(ctx).id)
        return {"sentence": "Deleted."}


def _operation(ctx: Any) -> operations.Operation:
    """Returns the operation that is asked for, if it is of the dataset that is open."""
    id_ = str(ctx.params.get("id"))
    operation = operations.get_operation(id_)
    if operation.dataset_id != ctx.dataset._doc.id:
        raise InvalidParameter(f"There is no run '{id_}' of this dataset.")
    return operation
