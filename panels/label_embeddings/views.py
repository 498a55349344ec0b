"""What the App shows, as a FiftyOne view.

FiftyOne's internals are used in this module alone: how the App's view, sidebar filters and extended
stages travel in a request, and how its server makes a view of them. Tried with fiftyone 1.22.
"""

from __future__ import annotations

from typing import Any

import fiftyone.server.view as fosv

# of the stages that the App adds by itself, the one that is not a selection
_SIMILARITY = "fiftyone.core.stages.SortBySimilarity"


def view_without_selection(ctx: Any) -> Any:
    """Returns the App's view under the sidebar's filters, whatever is selected in a map."""
    request = ctx.request_params
    extended = {
        name: stage
        for name, stage in (request.get("extended") or {}).items()
        if name == _SIMILARITY
    }
    view = base_view(ctx)
    filters = request.get("filters")
    if not filters and not extended:
        return view
    return fosv.get_extended_view(view.view(), filters, extended_stages=extended)


def base_view(ctx: Any) -> Any:
    """Returns the App's view without the sidebar's filters."""
    name = ctx.request_params.get("view_name")
    if name is not None:  # ctx.view leaves the filters out then
        return ctx.dataset.load_saved_view(name)
    stages = ctx.request_params.get("view")
    return fosv.get_view(ctx.dataset, stages=stages) if stages else ctx.dataset
