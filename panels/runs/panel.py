"""The Python half of *Runs*: it reads a page of the queue, and does what its buttons say."""

from __future__ import annotations

from typing import Any

from ...core.errors import InvalidParameter
from ...core.versions import command
from ...workers import operations
from ...workers.claims import settle_lost
from ...workers.targets import list_targets
from ..web_panel import WebPanel, exposed
from . import messages


class Runs(WebPanel):
    """The delegated operations of the dataset, newest first."""

    name = "labelvet_runs"
    label = "Runs"
    icon = "playlist_play"
    help = "Scheduled runs of this dataset: progress, results, logs."
    component = "Runs"

    @exposed
    def list_operations(self, ctx: Any, request: messages.ListRequest) -> messages.Listing:
        """The newest operations, how many there are in each state, and the workers."""
        settle_lost()
        dataset_id = ctx.dataset._doc.id
        states = () if request.state is None else (request.state,)
        found = operations.list_operations(dataset_id, states, request.limit, request.skip)
        return messages.Listing(
            operations=[messages.Operation.of(one) for one in found],
            counts=operations.count_states(dataset_id),
            targets=[messages.Target.like(one) for one in list_targets()],
            command=command(),
        )

    @exposed
    def details(self, ctx: Any, request: messages.OperationRequest) -> messages.UnfoldedOperation:
        """All that is known of one operation."""
        details = messages.Details.of_details(_find(ctx, request))
        return messages.UnfoldedOperation(operation=details)

    @exposed
    def cancel(self, ctx: Any, request: messages.OperationRequest) -> messages.Done:
        """Stops an operation, or takes it from the queue."""
        return messages.Done(sentence=operations.cancel(_find(ctx, request).id))

    @exposed
    def mark_failed(self, ctx: Any, request: messages.OperationRequest) -> messages.Done:
        """Fails an operation that nobody runs any more."""
        return messages.Done(sentence=operations.mark_failed(_find(ctx, request).id))

    @exposed
    def rerun(self, ctx: Any, request: messages.RerunRequest) -> messages.Done:
        """Queues an operation once more."""
        operations.rerun(_find(ctx, request).id, request.replace)
        return messages.Done(sentence="Queued again.")

    @exposed
    def delete(self, ctx: Any, request: messages.OperationRequest) -> messages.Done:
        """Takes an operation off the list, and stops it if it runs."""
        operations.delete(_find(ctx, request).id)
        return messages.Done(sentence="Deleted.")


def _find(ctx: Any, request: messages.OperationRequest) -> operations.OperationDetails:
    """Returns the operation that is asked for, if it is of the dataset that is open."""
    operation = operations.get_operation(request.id)
    if operation.dataset_id != ctx.dataset._doc.id:
        raise InvalidParameter(f"There is no run '{request.id}' in this dataset.")
    return operation
