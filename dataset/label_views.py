"""Views that judging labels needs: some labels of a field, those with a tag, and the rest.

All are queries, never lists of ids: they follow the tags as these change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import fiftyone as fo
import fiftyone.core.media as fom
from fiftyone import ViewExpression
from fiftyone import ViewField as F
from fiftyone.core.utils import to_slug

from ..core.checks import check_number
from ..core.errors import InvalidParameter
from ..core.sentences import agree, count, listed
from .expressions import LEAST
from .expressions import confidence as confidence_expression
from .label_counts import count_labels
from .patches import is_patches_view, label_root
from .storage import Storage, is_of_frames, shown_name, stages_of
from .tags import check_tag

LEVELS = ("labels", "images")


@dataclass(frozen=True)
class SavedView:
    """A saved view, whether it was made just now, and a sentence about it."""

    name: str
    created: bool
    sentence: str


def filter_labels(
    view: Any,
    field: str,
    confidence: tuple[float | None, float | None] = (None, None),
    *,
    classes: list[str] | None = None,
    tags: list[str] | None = None,
) -> Any:
    """Keeps some labels of a field, and the images or patches that have any.

    Args:
        view: a dataset or view
        field: a label field
        confidence: lowest and highest, inclusive; None for no bound. Labels without a confidence
            are kept only where there is neither
        classes: None for all
        tags: labels that have any of them; None for all

    Raises:
        UnknownField: if the field does not exist or holds no labels
        InvalidParameter: if the range is not valid, or nothing is asked for
    """
    return view.filter_labels(field, _condition(view, field, confidence, classes, tags))


def count_filtered(
    view: Any,
    field: str,
    confidence: tuple[float | None, float | None] = (None, None),
    *,
    classes: list[str] | None = None,
    tags: list[str] | None = None,
) -> int:
    """Counts the labels that :func:`filter_labels` keeps; arguments and errors are the same."""
    return count_labels(view, field, _condition(view, field, confidence, classes, tags))


def _condition(
    view: Any,
    field: str,
    confidence: tuple[float | None, float | None],
    classes: list[str] | None,
    tags: list[str] | None,
) -> ViewExpression:
    root, _ = label_root(view, field)
    low, high = (_bound(value) for value in confidence)
    if low is not None and high is not None and low > high:
        raise InvalidParameter(
            f"The lowest confidence, {low:g}, is above the highest, {high:g}: swap them."
        )
    conditions = []
    confidence_of = ViewExpression({"$let": {"vars": {"l": F()}, "in": confidence_expression()}})
    # null is less than every number, and so is NaN
    if low is not None or high is not None:
        conditions.append(confidence_of >= (LEAST if low is None else low))
    if high is not None:
        conditions.append(confidence_of <= high)
    if classes:
        conditions.append(_any_of([F("label")], classes))
    if tags:
        conditions.append(_any_of(F("tags"), tags))
    if not conditions:
        raise InvalidParameter(
            f"Enter which labels of '{root}' to keep: a confidence range, classes or tags."
        )
    both = conditions[0]
    for condition in conditions[1:]:
        both &= condition
    return both


def tagged_view(view: Any, tag: str, field: str | Sequence[str] | None) -> Any:
    """Keeps the labels of one or several fields that have a tag, or for None the samples that have
    it."""
    check_tag(tag)
    if field is None:
        return view.match_tags(tag)
    fields = _each(field)
    for one in fields:
        if not is_of_frames(view, one):
            label_root(view, one)
    if len(fields) == 1:
        return view.filter_labels(fields[0], has_tag(tag))
    roots = [view._get_label_field_root(one)[0] for one in fields]
    view = view.match({"$or": [{f"{root}.tags": tag} for root in roots]})
    for one in fields:
        view = view.filter_labels(one, has_tag(tag), only_matches=False)
    return view


def _each(field: str | Sequence[str]) -> list[str]:
    return [field] if isinstance(field, str) else list(field)


def all_tagged(dataset: fo.Dataset, tag: str, field: str | Sequence[str] | None) -> Any:
    """Keeps of a whole dataset, of every slice of images of a grouped one, what
    :func:`tagged_view` keeps; of groups without images, of those like the active slice."""
    whole = _storage(dataset, field)
    if dataset.media_type == fom.GROUP and not whole.frames:
        kinds = dataset.group_media_types
        kind = fom.IMAGE if fom.IMAGE in kinds.values() else kinds[dataset.group_slice]
        return tagged_view(dataset.select_group_slices(media_type=kind), tag, field)
    return tagged_view(whole.view(), tag, field)


def save_tagged_view(
    dataset: fo.Dataset, tag: str, field: str | Sequence[str] | None, name: str | None = None
) -> SavedView:
    """Saves the view of what has a tag; it stays up to date, as it is a query.

    Args:
        dataset: the dataset
        tag: the tag
        field: the field of the labels, or several; None for samples
        name: the name of the view, by default the tag

    Raises:
        InvalidParameter: if a view of another content has that name
        UnknownField: if the field does not exist or holds no labels
    """
    name = name or tag
    if not isinstance(name, str) or not name.strip() or len(name) > 100 or not name.isprintable():
        raise InvalidParameter("The name of a view is at most 100 characters of text.")
    storage = _storage(dataset, field)
    if field is not None and storage.frames and storage.have_files:
        frames = storage.view().to_frames()
        view = tagged_view(frames, tag, [shown_name(frames, one) for one in _each(field)])
    else:
        view = all_tagged(dataset, tag, field)
    name = _savable(dataset, name, view)
    names = listed([f"'{one}'" for one in _each(field or ())])
    what = f"the labels of {names}" if names else "the samples"
    sentence = f"The saved view '{name}' shows {what} that have the tag '{tag}', now and later."
    if name in dataset.list_saved_views():
        if _is_same(dataset.load_saved_view(name), view):
            return SavedView(name, False, sentence)
        raise InvalidParameter(
            f"A different saved view is named '{name}': choose another name, or delete it."
        )
    try:
        dataset.save_view(name, view)
    except ValueError as error:  # somebody took the name meanwhile
        raise InvalidParameter(f"The view cannot be saved as '{name}': {error}.") from error
    return SavedView(name, True, sentence)


def _storage(dataset: fo.Dataset, field: str | Sequence[str] | None) -> Storage:
    # those of a map are all of its samples, or all of its frames
    return Storage(dataset, field is not None and is_of_frames(dataset, _each(field)[0]))


def _savable(dataset: fo.Dataset, name: str, view: Any) -> str:
    """Returns a name that FiftyOne can save a view under: it tells names apart by their Latin
    letters and digits alone, in whichever case, which others have not or share."""
    taken = {to_slug(there): there for there in dataset.list_saved_views()}
    for more in ("", *(f" (view {number})" for number in range(1, len(taken) + 2))):
        try:
            there = taken.get(to_slug(name + more))
        except ValueError:
            continue
        if there in (None, name + more) or _is_same(dataset.load_saved_view(there), view):
            return there or name + more
    return name


def _is_same(view: Any, other: Any) -> bool:
    return stages_of(view) == stages_of(other)


def exclude_tagged(view: Any, tag: str, field: str | None, level: str) -> tuple[Any, str]:
    """Leaves out what has a tag.

    Args:
        view: a dataset or view
        tag: the tag
        field: the field of the labels; None for samples, of which only ``images`` can leave
        level: "labels": labels with the tag leave, their images stay; "images": images leave that
            have the tag, or a label of the field that has it

    Returns:
        the view, and a sentence that says what it leaves out

    Raises:
        InvalidParameter: if the level is not valid
        UnknownField: if the field does not exist or holds no labels
    """
    check_tag(tag)
    if level not in LEVELS or (field is None and level == "labels"):
        raise InvalidParameter("level must be 'labels' or 'images'.")
    if level == "images":
        return _exclude_images(view, tag, field)
    assert field is not None
    label_root(view, field)
    left, before = count_labels(view, field, has_tag(tag)), count_labels(view, field)
    patches = is_patches_view(view)
    # a patch without its label would be an empty one, and one of an evaluation may have another
    fields = view._label_fields if patches else []
    rest = view.filter_labels(field, ~has_tag(tag), only_matches=len(fields) == 1)
    if len(fields) > 1:
        roots = [view._get_label_field_root(one)[0] for one in fields]
        rest = rest.match({"$or": [{f"{root}._id": {"$exists": True}} for root in roots]})
    of = f"{count(before, 'label')} of '{field}'"
    are, they_have = agree(left, "is", "are"), agree(left, "it has", "they have")
    stay = "The other patches stay." if patches else "Their images stay."
    return rest, f"{left:,} of {of} {are} hidden: {they_have} the tag '{tag}'. {stay}"


def _exclude_images(view: Any, tag: str, field: str | None) -> tuple[Any, str]:
    def without(samples: Any) -> Any:
        condition: dict[str, Any] = {"tags": {"$ne": tag}}
        if field is not None:
            root, _ = label_root(samples, field)
            condition[f"{root}.tags"] = {"$ne": tag}
        return samples.match(condition)

    if is_patches_view(view):
        # the flagged label may be one that the patches do not show: their images are asked
        rest = without(view._source_collection.view()).add_stage(_again(view._patches_stage))
        for stage in view._stages:
            rest = rest.add_stage(stage)
    else:
        rest = without(view)
    before = view.count()
    left = before - rest.count()
    of, they_have = count(before, "image"), agree(left, "it has", "they have")
    if is_patches_view(view):
        of = count(before, "patch", "patches")
        they_have = agree(left, "its image has", "their images have")
    or_label = f", or a label of '{field}' that has it" if field else ""
    are = agree(left, "is", "are")
    return rest, f"{left:,} of {of} {are} hidden: {they_have} the tag '{tag}'{or_label}."


def _again(stage: Any) -> Any:
    """Returns the stage that makes patches, without what it remembers of having made them."""
    arguments = {key: value for key, value in stage._kwargs() if key != "_state"}
    return type(stage)(**arguments)


def has_tag(tag: str) -> Any:
    """Whether a label has a tag, as an expression of FiftyOne."""
    return _any_of(F("tags"), [tag])


def _any_of(values: Any, wanted: list[str]) -> Any:
    """Whether a list of values has any of those wanted, of which none is taken for a field."""
    either = {"$setIntersection": [_or_empty(values), {"$literal": list(wanted)}]}
    return ViewExpression({"$gt": [{"$size": either}, 0]})


def _or_empty(values: Any) -> Any:
    return values if isinstance(values, list) else ViewExpression({"$ifNull": [values, []]})


def _bound(value: Any) -> float | None:
    if value is None:
        return None
    check_number("A confidence", value)
    return float(value)
