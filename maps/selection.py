"""Between rows of a map and views: which rows a view shows, and the view of some rows."""

from __future__ import annotations

from typing import Any

import fiftyone as fo
import numpy as np
from numpy.typing import NDArray

from ..core.errors import InvalidParameter
from ..dataset.documents import hex_ids, read_labels, samples_of
from ..dataset.patches import is_patches_view, sample_id_path
from ..dataset.storage import storage_of
from .map import Map

Rows = NDArray[np.int64]

# A command of MongoDB holds 16 MB, and a view of a selection names each of its ids.
MAX_SELECTED = 250_000

# Few ids are looked up in the database's index. Many are found as fast by looking at everything,
# and the App handles a list of them for seconds, where it passes on one long text at once.
_LISTED_UP_TO = 1_000


def visible_rows(shown: Map, view: Any) -> NDArray[np.bool_] | None:
    """Finds the rows of a map that a view shows.

    Args:
        shown: the map
        view: a dataset or view of the map's dataset, a patches view too

    Returns:
        (n,) bool, or None where the view is the whole dataset
    """
    if isinstance(view, fo.Dataset) or (not view._all_stages and not _is_generated(view)):
        return None
    patches_field = shown.info.patches_field
    if shown.info.frames and not storage_of(view).frames:
        return _visible_frames(shown, view)
    mask = np.zeros(len(shown), dtype=bool)
    if patches_field is not None and view.get_field(patches_field) is not None:
        root, is_list = view._get_label_field_root(patches_field)
        collection = samples_of(view._dataset)
        ids, _ = read_labels(collection, view._pipeline(), root, not is_list, None)
        rows = shown.rows_of(ids)
        mask[rows[rows >= 0]] = True
        return mask
    seen = set(view.values(sample_id_path(view)))
    of_sample = np.fromiter((id_ in seen for id_ in hex_ids(shown.samples)), bool)
    return np.asarray(of_sample[shown.sample_index])


def _visible_frames(shown: Map, view: Any) -> NDArray[np.bool_]:
    """Finds the rows of frames, or of their labels, that a view of videos shows."""
    field = shown.info.field
    if field is None:
        path, of_row = "frames.id", shown.sample_ids
    else:
        path, of_row = f"{view._get_label_field_root(field)[0]}.id", shown.ids
    seen = set(view.values(path, unwind=True))
    return np.fromiter((id_ in seen for id_ in hex_ids(of_row)), bool, len(shown))


def select_stages(shown: Map, rows: Rows, view: Any) -> dict[str, dict[str, Any]]:
    """Makes the view stages that show exactly some rows on top of a view.

    Labels are picked with ``$setIsSubset``, whose constant side MongoDB hashes once: 40,000 of
    200,000 labels take 0.2 s of database time, where ``$in`` as FiftyOne's own stages write it
    takes 62 s.

    Args:
        shown: the map
        rows: (k,) the rows
        view: the dataset or view that the stages are added to

    Returns:
        ``{class path: keyword arguments}``, in order, plain enough for JSON

    Raises:
        InvalidParameter: if there are more rows than a view can name
    """
    if len(rows) > MAX_SELECTED:
        raise InvalidParameter(
            f"{len(rows):,} are more than the grid can show of a selection, which is "
            f"{MAX_SELECTED:,}: lasso fewer, or filter in the sidebar."
        )
    if shown.info.frames and not storage_of(view).frames:
        raise InvalidParameter(
            "This map shows frames, and the grid shows videos: open the view of frames that it was "
            "made of, or save that view to open it here."
        )
    patches_field = shown.info.patches_field
    samples = hex_ids(shown.samples[np.unique(shown.sample_index[rows])])
    path = sample_id_path(view)
    generated = path != "id"  # a patch names its sample
    if patches_field is None or (generated and view.get_field(patches_field) is None):
        return _select_by(path, samples) if generated else _select(samples)
    labels = hex_ids(shown.ids[rows])
    if is_patches_view(view) and view._get_label_field_root(patches_field)[1] is False:
        return _select(labels)  # a patch has the id of its label
    if len(samples) > _LISTED_UP_TO:
        return _pick_labels(view, patches_field, labels)
    first = _select_by(path, samples) if generated else _select(samples)
    return {**first, **_pick_labels(view, patches_field, labels)}


def _is_generated(view: Any) -> bool:
    return not isinstance(view, fo.Dataset) and view._dataset is not view._root_dataset


def _select(ids: list[str]) -> dict[str, dict[str, Any]]:
    if len(ids) > _LISTED_UP_TO:
        return {"fiftyone.core.stages.Match": {"filter": {"$expr": _is_one_of("$_id", ids)}}}
    return {"fiftyone.core.stages.Select": {"sample_ids": ids, "ordered": False}}


def _is_one_of(path: str, ids: list[str]) -> dict[str, Any]:
    # as text, since the App sends stages as JSON; MongoDB splits it once, too
    return {"$setIsSubset": [[{"$toString": path}], {"$split": [",".join(ids), ","]}]}


def _select_by(field: str, values: list[str]) -> dict[str, dict[str, Any]]:
    return {"fiftyone.core.stages.SelectBy": {"field": field, "values": values, "ordered": False}}


def _pick_labels(view: Any, patches_field: str, labels: list[str]) -> dict[str, dict[str, Any]]:
    single = not view._get_label_field_root(patches_field)[1]
    return {
        "fiftyone.core.stages.FilterLabels": {
            "field": patches_field,
            "filter": _is_one_of(f"${patches_field}._id" if single else "$$this._id", labels),
            "only_matches": True,
            "trajectories": False,
        }
    }
