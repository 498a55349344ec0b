"""What the App shows, as a FiftyOne view.

FiftyOne's internals are used in this module alone: how the App's view, sidebar filters and extended
stages travel in a request, and how its server makes a view of them. Tried with fiftyone 1.22.
"""

from __future__ import annotations

from typing import Any

import fiftyone as fo
import fiftyone.server.view as fosv

# of the stages that the App adds by itself, the one that is not a selection
_SIMILARITY = "fiftyone.core.stages.SortBySimilarity"


def base_view(dataset: fo.Dataset, request: dict[str, Any]) -> Any:
    """Returns the App's view, to which the sidebar's filters come on top.

    Args:
        dataset: the dataset that the App shows
        request: the ``request_params`` of an operator's or panel's context

    Returns:
        a view, or the dataset where the App shows all of it
    """
    name, stages = request.get("view_name"), request.get("view")
    if name is not None:
        return dataset.load_saved_view(name)
    return view_of(dataset, stages) if stages else dataset


def view_of(dataset: fo.Dataset, stages: list[dict[str, Any]]) -> fo.DatasetView:
    """Returns the view of some stages, as the App sends them."""
    return fosv.get_view(dataset, stages=stages)


def view_without_selection(dataset: fo.Dataset, request: dict[str, Any]) -> Any:
    """Returns the App's view under the sidebar's filters, whatever is selected in a map.

    FiftyOne's own ``ctx.view`` leaves the filters out of a saved view. Arguments and result are
    those of :func:`base_view`.
    """
    view = base_view(dataset, request)
    extended = {
        cls: stage for cls, stage in (request.get("extended") or {}).items() if cls == _SIMILARITY
    }
    filters = request.get("filters")
    if not filters and not extended:
        return view
    return fosv.get_extended_view(view.view(), filters, extended_stages=extended)
