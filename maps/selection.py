"""Between rows of a map and views: which rows a view shows, and the view of some rows."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from itertools import chain
from typing import Any

import bson
import fiftyone as fo
import fiftyone.core.media as fom
import numpy as np
from numpy.typing import NDArray

from ..core.errors import InvalidParameter, LabelvetError
from ..core.packed import pack, unpack_rows
from ..dataset.documents import Ids, hex_ids, read_labels, revision, samples_of, slices_of
from ..dataset.memory import Memory
from ..dataset.patches import is_patches_view, sample_id_path, whole_groups
from ..dataset.storage import storage_of
from .label_filters import filtered_rows
from .map import Map, load_map

Rows = NDArray[np.int64]

# A command of MongoDB holds 16 MB, and the pipeline of a selection names each of its ids.
MAX_SELECTED = 250_000

# Few ids are looked up in the database's index. Many are found as fast by looking at everything,
# and the App sends a view's stages with everything that it asks: they hold the rows as bits then.
_LISTED_UP_TO = 1_000

_ID_LENGTH = 24


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
    view = whole_groups(view)
    if len(shown.parts) > 1:
        return _rows_of_fields(shown, view)
    patches_field = shown.info.patches_field
    if shown.info.frames and not storage_of(view).frames:
        return _visible_frames(shown, view)
    if patches_field is not None and view.get_field(patches_field) is not None:
        return _rows_of_labels(shown, view, patches_field)
    seen = set(view.values(sample_id_path(view)))
    of_sample = np.fromiter((id_ in seen for id_ in hex_ids(shown.samples)), bool)
    return np.asarray(of_sample[shown.sample_index])


def _rows_of_fields(shown: Map, view: Any) -> NDArray[np.bool_]:
    """Finds the rows of each field that a view shows: none of one that it leaves out, as patches of
    another do, unless it leaves out all of them."""
    known = _known_fields(shown, view)
    masks: list[NDArray[np.bool_]] = []
    for part in shown.parts:
        if known and part.info.patches_field not in known:
            masks.append(np.zeros(len(part), dtype=bool))
            continue
        mask = visible_rows(part, view)
        masks.append(np.ones(len(part), dtype=bool) if mask is None else mask)
    return np.concatenate(masks)


def _known_fields(shown: Map, view: Any) -> list[str]:
    """Returns the fields of a map that a view has; videos have them in their frames."""
    if shown.info.frames and not storage_of(view).frames:
        return list(shown.info.fields)
    return [field for field in shown.info.fields if view.get_field(field) is not None]


def _visible_frames(shown: Map, view: Any) -> NDArray[np.bool_]:
    """Finds the rows of frames, or of their labels, that a view of videos shows: none where it
    shows another slice of a group."""
    field, frames = shown.info.field, hex_ids(shown.sample_ids)
    if not view._has_frame_fields() or (field is not None and view.get_field(field) is None):
        return np.zeros(len(shown), dtype=bool)
    if field is None:
        seen = set(view.values("frames.id", unwind=True))
        return np.fromiter((id_ in seen for id_ in frames), bool, len(shown))
    root, is_list = view._get_label_field_root(field)
    columns = (
        chain.from_iterable(of_sample or () for of_sample in column)
        for column in view.values(["frames.id", f"{root}.id"])
    )
    labels = {
        (frame, id_)
        for frame, ids in zip(*columns, strict=True)
        for id_ in ((ids or ()) if is_list else (ids,))
    }
    of_row = zip(frames, hex_ids(shown.ids), strict=True)
    return np.fromiter((pair in labels for pair in of_row), bool, len(shown))


def _rows_of_labels(shown: Map, view: Any, patches_field: str) -> NDArray[np.bool_]:
    if (rows := filtered_rows(shown, view)) is not None:
        return rows
    root, is_list = view._get_label_field_root(patches_field)
    collection, pipeline = samples_of(view._dataset), view._pipeline()
    # read before the labels: an edit meanwhile then makes this mask old, never the next one
    seen = revision(collection)
    asked = hashlib.sha1(bson.encode({"": [pipeline, root, list(seen)]})).digest()

    def find() -> NDArray[np.bool_]:
        sample_id = f"_{sample_id_path(view)}"
        samples, ids, _ = read_labels(collection, pipeline, root, not is_list, sample_id=sample_id)
        mask = np.zeros(len(shown), dtype=bool)
        rows = shown.rows_of(ids, samples)
        mask[rows[rows >= 0]] = True
        mask.setflags(write=False)
        return mask

    if any("$lookup" in stage for stage in pipeline):
        return find()  # it looks into another collection, whose revision is not known here
    return _masks.get((shown.collection, shown.info.run, asked), find)


# many who look at one view under the same filters ask the database once
_masks: Memory[NDArray[np.bool_]] = Memory(32 * 2**20, lambda mask: mask.nbytes)


def select_stages(shown: Map, rows: Rows, view: Any) -> dict[str, dict[str, Any]]:
    """Makes the view stages that show exactly some rows on top of a view.

    Labels are picked with ``$setIsSubset``, whose constant side MongoDB hashes once: 40,000 of
    200,000 labels take 0.2 s of database time, where ``$in`` as FiftyOne's own stages write it
    takes 62 s. The rows travel as bits where that is shorter than their ids, see :func:`selected`.

    Args:
        shown: the map
        rows: (k,) the rows
        view: the dataset or view that the stages are added to

    Returns:
        ``{class path: keyword arguments}``, in order, plain enough for JSON

    Raises:
        InvalidParameter: if there are more rows than a view can name, or the view cannot show them
    """
    if len(rows) > MAX_SELECTED:
        raise InvalidParameter(
            f"{len(rows):,} labels are more than the grid can show ({MAX_SELECTED:,}): select "
            "fewer, or filter in the sidebar."
        )
    check_frames(shown, view)
    _check_slices(shown, rows, view)
    if len(shown.parts) > 1:
        return _stages_of_fields(shown, rows, view)
    return _stages(shown, rows, view)


def _stages_of_fields(shown: Map, rows: Rows, view: Any) -> dict[str, dict[str, Any]]:
    known = _known_fields(shown, view)
    if not known:
        return _stages(shown, rows, view)
    own = {number: (rows[mine], within) for number, mine, within in shown.split(rows)}
    if len(known) == 1:
        number = shown.info.fields.index(known[0])
        return _stages(shown.parts[number], own.get(number, (rows, rows[:0]))[1], view, number)
    roots = [
        view._get_label_field_root(field) if field in known else None for field in shown.info.fields
    ]
    there = [some for number, (some, _) in own.items() if roots[number] is not None]
    rows = np.concatenate([rows[:0], *there])
    labels = _made_there(selected_of_fields, shown, rows, view, roots=roots)
    samples = hex_ids(shown.samples[np.unique(shown.sample_index[rows])])
    # a pipeline does not say that it leaves labels out: what edits the view would write over them
    told = fo.ExcludeLabels(fields=known, omit_empty=False)
    return {**_few_samples(samples, view), **labels, **_as_stages(told)}


def _stages(
    shown: Map, rows: Rows, view: Any, part: int | None = None
) -> dict[str, dict[str, Any]]:
    """Makes the stages of rows of one field, or of whole images; ``part`` says which of the map's
    parts is shown, where it has several."""
    patches_field = shown.info.patches_field

    def made(of: str, path: str, field: str | None) -> dict[str, dict[str, Any]]:
        of_part = {} if part is None else {"part": part}
        return _made_there(selected, shown, rows, view, of=of, path=path, field=field, **of_part)

    samples = hex_ids(shown.samples[np.unique(shown.sample_index[rows])])
    few = _few_samples(samples, view)
    sample_id = sample_id_path(view)
    if patches_field is None or view.get_field(patches_field) is None:
        return few or made("samples", f"$_{sample_id}", None)
    if is_patches_view(view) and view._get_label_field_root(patches_field)[1] is False:
        # a patch has the id of its label
        if few:
            return _select(hex_ids(shown.ids[rows]))
        return made("labels", "$_id", None)
    single = not view._get_label_field_root(patches_field)[1]
    path = f"${patches_field}._id" if single else "$$this._id"
    return {**few, **made("labels", path, patches_field)}


def _few_samples(ids: list[str], view: Any) -> dict[str, dict[str, Any]]:
    """Makes the stage that looks samples up by their ids, none where they are many."""
    if len(ids) > _LISTED_UP_TO:
        return {}
    sample_id = sample_id_path(view)  # a patch names its sample
    return _select(ids) if sample_id == "id" else _select_by(sample_id, ids)


def check_frames(shown: Map, view: Any) -> None:
    """Checks that the grid of a view shows frames where a map does, and nowhere else.

    Raises:
        InvalidParameter: if it shows something else
    """
    if storage_of(view).frames and not shown.info.frames:
        raise InvalidParameter(
            "This map shows no frames, and the grid shows them: open the dataset, or the view that "
            "the map was made of."
        )
    if shown.info.frames and not storage_of(view).frames:
        raise InvalidParameter(
            "This map shows frames, and the grid shows videos: open the view of frames that it was "
            "made of, or save that view to open it here."
        )


def _check_slices(shown: Map, rows: Rows, view: Any) -> None:
    """Checks that rows are in the slice that the grid of a view of groups shows."""
    if shown.info.frames or view.media_type != fom.GROUP or view._is_dynamic_groups:
        return
    samples = shown.samples[np.unique(shown.sample_index[rows])]
    slices = slices_of(view._root_dataset, samples)
    if slices and slices != [view.group_slice]:
        raise InvalidParameter(
            f"The grid shows the slice '{view.group_slice}' alone: open the view "
            f"select_group_slices({slices}) to see what is selected."
        )


def _is_generated(view: Any) -> bool:
    return not isinstance(view, fo.Dataset) and view._dataset is not view._root_dataset


def selected(
    dataset: str,
    key: str,
    run: str,
    rows: str,
    *,
    of: str,
    path: str,
    field: str | None = None,
    part: int | None = None,
) -> fo.ViewStage:
    """Makes the view stage that shows some rows of a map.

    The App's server calls it wherever it would make a stage of FiftyOne's own: it makes any that is
    named by a path. What it gets is one of FiftyOne's, so that a saved view needs no plugin.

    Args:
        dataset, key, run: the map, see :func:`labelvet.maps.map.load_map`
        rows: the rows, packed
        of: whether the ids of "labels" are looked for, or of "samples"
        path: where in a document
        field: the label field that is filtered, None to match documents
        part: the number of the map's part that the rows are of, None for the map

    Returns:
        the stage; it shows nothing where the map is not there any more
    """
    try:
        shown = load_map(fo.load_dataset(dataset), key, run)
        if part is not None:
            shown = shown.parts[part]
        chosen = unpack_rows(rows, len(shown))
    # FiftyOne's error of an unknown dataset is a ValueError
    except (LabelvetError, ValueError, IndexError):
        return fo.Select([])
    if of == "labels":
        ids = shown.ids[chosen]
    else:
        ids = shown.samples[np.unique(shown.sample_index[chosen])]
    query = _is_one_of(path, ids)
    if field is None:
        return fo.Match({"$expr": query})
    return fo.FilterLabels(field, query, only_matches=True, trajectories=False)


def selected_of_fields(
    dataset: str, key: str, run: str, rows: str, roots: list[list[Any] | None]
) -> fo.ViewStage:
    """Makes the view stage that shows some rows of a map of several fields, see :func:`selected`.

    Args:
        dataset, key, run: the map
        rows: the rows, packed
        roots: of each field of the map the path of its labels in a document, and whether they are
            in a list there; None for a field that the view does not have

    Returns:
        the stage; it shows nothing where the map is not there any more
    """
    try:
        shown = load_map(fo.load_dataset(dataset), key, run)
        chosen = unpack_rows(rows, len(shown))
    except (LabelvetError, ValueError):
        return fo.Select([])
    return fo.Mongo(_keeping(shown, chosen, roots))


def _keeping(shown: Map, rows: Rows, roots: list[list[Any] | None]) -> list[dict[str, Any]]:
    """Returns the pipeline that keeps the labels of some rows, and the documents that have any."""
    own = {number: within for number, _, within in shown.split(rows)}
    kept: dict[str, Any] = {}
    any_left: list[dict[str, Any]] = []
    for number, (part, found) in enumerate(zip(shown.parts, roots, strict=True)):
        if found is None:
            continue
        root, is_list = found
        ids, there = part.ids[own.get(number, rows[:0])], f"${root}"
        if is_list:
            field, _, items = root.rpartition(".")
            some = {"$filter": {"input": there, "cond": _is_one_of("$$this._id", ids)}}
            # what has no labels stays null, and is not made a field without a type
            kept[field] = {
                "$cond": [
                    {"$isArray": there},
                    {"$mergeObjects": [f"${field}", {items: some}]},
                    f"${field}",
                ]
            }
            any_left.append({"$gt": [{"$size": {"$ifNull": [there, []]}}, 0]})
        else:
            kept[root] = {"$cond": [_is_one_of(f"{there}._id", ids), there, None]}
            any_left.append({"$ne": [{"$ifNull": [there, None]}, None]})
    return [{"$set": kept}, {"$match": {"$expr": {"$or": any_left}}}]


def _is_one_of(path: str, ids: Ids) -> dict[str, Any]:
    """Whether the id at a path is one of some, as an expression of MongoDB, which splits one text
    faster than it takes many ids in."""
    texts = {"$split": [np.ascontiguousarray(ids).tobytes().hex(",", -12), ","]}
    return {"$setIsSubset": [[{"$toString": path}], texts]}


def _select(ids: list[str]) -> dict[str, dict[str, Any]]:
    return {"fiftyone.core.stages.Select": {"sample_ids": ids, "ordered": False}}


def _select_by(field: str, values: list[str]) -> dict[str, dict[str, Any]]:
    return {"fiftyone.core.stages.SelectBy": {"field": field, "values": values, "ordered": False}}


def _made_there(
    make: Callable[..., fo.ViewStage], shown: Map, rows: Rows, view: Any, **options: Any
) -> dict[str, dict[str, Any]]:
    """Names rows of a map and what makes their stage, for the App's server to make it there; makes
    it here where the rows take more room than ids."""
    mask = np.zeros(len(shown), dtype=bool)
    mask[rows] = True
    named = {
        "dataset": view._root_dataset.name,
        "key": shown.info.key,
        "run": shown.info.run,
        "rows": pack(mask, "rows"),
        **options,
    }
    if len(named["rows"]) < _ID_LENGTH * len(rows):
        return {f"{__name__}.{make.__name__}": named}
    return _as_stages(make(**named))


def _as_stages(stage: fo.ViewStage) -> dict[str, dict[str, Any]]:
    return {f"fiftyone.core.stages.{type(stage).__name__}": dict(stage._kwargs())}
