"""Parts that forms share."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import fiftyone.operators.types as types

from ..approval.candidates import Candidates, Selection
from ..core.errors import LabelvetError
from ..dataset.app_view import base_view
from ..dataset.brain_runs import first_field_notes
from ..dataset.expressions import is_state
from ..dataset.label_counts import count_where, list_tags
from ..dataset.patches import (
    SHOW_FRAMES,
    is_of_whole_images,
    list_label_fields,
    list_patches_fields,
)
from ..dataset.removed import without_removed
from ..dataset.states import FLAGGED_TAG, TAGS
from ..dataset.storage import is_of_frames

# more choices than this make a drop-down slow
MOST_CHOICES = 1_000
NO_RUNS = "Compute a visualization of a patches field first"


def app_view(ctx: Any) -> Any:
    """Returns the App's view; the sidebar's filters stay as they are on top of a new one."""
    return base_view(ctx.dataset, ctx.request_params)


def field_input(
    ctx: Any, inputs: types.Object, samples: Any, description: str, frames: bool = False
) -> str | None:
    """Adds the drop-down of label fields and returns the chosen one, None where there is none.

    Args:
        ctx: the context of the form
        inputs: where it is added
        samples: the collection whose fields they are
        description: what it says
        frames: whether the fields of a dataset's frames are among them, ``frames.detections``
    """
    fields = list_label_fields(samples)
    if frames:
        fields += [name for name in samples._get_label_fields() if is_of_frames(samples, name)]
    fields = without_removed(samples, fields)
    if not fields:
        has_none = "This dataset has no labels: add a label field first"
        of_frames = f"The labels here are of frames: {SHOW_FRAMES}"
        any_there = any(is_of_frames(samples, name) for name in samples._get_label_fields())
        nothing(inputs, "no_fields", of_frames if any_there else has_none)
        return None
    patches = set(list_patches_fields(samples))
    boxes = [name for name in fields if name in patches and not is_of_whole_images(samples, name)]
    default = boxes[-1] if boxes else fields[0]
    return drop_down(
        ctx, inputs, "field", fields, label="Label field", about=description, default=default
    )


def run_input(ctx: Any, inputs: types.Object, description: str, done: str) -> str | None:
    """Adds the drop-down of visualizations and returns the chosen one, None where there is none;
    see :func:`say_first_field`."""
    keys = ctx.dataset.list_brain_runs(type="visualization")
    if not keys:
        nothing(inputs, "none", NO_RUNS)
        return None
    key = drop_down(ctx, inputs, "brain_key", keys, label="Visualization", about=description)
    if key is not None:
        say_first_field(ctx, inputs, key, done)
    return key


def say_first_field(ctx: Any, inputs: types.Object, key: str, done: str) -> None:
    """Says of a visualization of several fields what is done with the first one alone."""
    for only in first_field_notes(ctx.dataset, key, done):
        inputs.view("only", types.Notice(label=only))


def drop_down(
    ctx: Any,
    inputs: types.Object,
    name: str,
    values: list[str],
    *,
    label: str,
    about: str,
    default: str | None = None,
    titles: Mapping[str, str] | None = None,
) -> str | None:
    """Adds a drop-down and returns the chosen value, None where that cannot be chosen any more.

    Args:
        ctx: the context of the form
        inputs: where it is added
        name: of the input
        values: what can be chosen
        label, about: what it says
        default: what is chosen at first; the last value for None
        titles: what people call the values, where that is something else
    """
    if default is None and values:
        default = values[-1]
    view = types.DropdownView()
    for value in values:
        view.add_choice(value, label=(titles or {}).get(value, value))
    inputs.enum(
        name, view.values(), default=default, required=True, label=label, description=about,
        view=view,
    )  # fmt: skip
    chosen = ctx.params.get(name) or default
    return chosen if chosen in values else None


def tag_input(inputs: types.Object, known: list[str], description: str) -> None:
    """Adds the field of a tag, which suggests those that exist."""
    view = types.AutocompleteView(allow_user_input=True)
    for name in sorted({FLAGGED_TAG, *known})[:MOST_CHOICES]:
        view.add_choice(name, label=name)
    inputs.str(
        "tag", default=FLAGGED_TAG, required=True, label="Tag", description=description, view=view
    )


def several(inputs: types.Object, name: str, values: list[str], label: str, about: str) -> None:
    """Adds a field of any number of ``values``."""
    view = types.AutocompleteView(multiple=True, allow_user_input=True)
    for value in values[:MOST_CHOICES]:
        view.add_choice(value, label=value)
    inputs.list(name, types.String(), label=label, description=about, view=view)


def one_of(ctx: Any, inputs: types.Object, name: str, choices: dict[str, str], label: str) -> str:
    """Adds radio buttons and returns the chosen value, the first one by default."""
    default = next(iter(choices))
    group = types.RadioGroup(orientation="vertical")
    for value, text in choices.items():
        group.add_choice(value, label=text)
    inputs.enum(name, group.values(), default=default, required=True, label=label, view=group)
    chosen = ctx.params.get(name)
    return chosen if chosen in choices else default


def label_tags(samples: Any, field: str | None) -> list[str]:
    """Returns the tags that labels of a field have, or samples for None."""
    if field is not None:
        return list_tags(samples, field)
    return sorted(tag for tag in samples.distinct("tags") if tag)


def count_in_states(
    candidates: Candidates, states: Sequence[str], selection: Selection | None = None
) -> int:
    """Counts the candidates of the whole dataset that are in any of some states.

    Args:
        candidates: the candidates
        states: of ``LOOP_STATES``
        selection: which of the candidates, None for all

    Raises:
        InvalidParameter: if the selection's range is not valid
    """
    conditions = [{"$or": [is_state(name) for name in states]}, candidates.belongs()]
    if selection is not None:
        conditions.append(selection.has())
    # no tag says that a label is open
    tags = [TAGS[name] for name in states if name in TAGS]
    among = candidates.any_with({"tags": {"$in": tags}}) if "open" not in states else {}
    return count_where(candidates.dataset, candidates.of, {"$and": conditions}, among)


def nothing(inputs: types.Object, name: str, sentence: str) -> None:
    """Says why there is nothing to choose from, and disables the form."""
    inputs.view(name, types.Warning(label=sentence)).invalid = True


def problem(inputs: types.Object, error: LabelvetError) -> None:
    """Shows what is wrong and disables the form."""
    inputs.view("problem", types.Error(label=str(error))).invalid = True


def refuse(prop: types.Property, sentence: str) -> None:
    """Says beside an input what is wrong with it, and disables the form."""
    prop.invalid = True
    prop.error_message = sentence


def advanced_switch(ctx: Any, inputs: types.Object, description: str) -> bool:
    """Adds the switch of the advanced inputs, and returns whether it is on."""
    inputs.bool(
        "advanced",
        default=False,
        label="Advanced",
        description=description,
        view=types.SwitchView(),
    )
    return bool(ctx.params.get("advanced"))


def device_input(inputs: types.Object) -> None:
    """Adds the field of the torch device."""
    inputs.str(
        "device",
        label="Device",
        description="For example, cpu or cuda:0; leave empty to choose automatically",
    )


def batch_inputs(inputs: types.Object, of: str) -> None:
    """Adds the fields of the batch size and of the threads that decode."""
    inputs.int("batch_size", min=1, label="Batch size", description=of)
    inputs.int(
        "num_workers",
        min=1,
        max=4 * (os.cpu_count() or 1),
        label="Workers",
        description="Threads that decode images; leave empty to choose automatically",
    )


def filled(params: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """Returns those of some inputs that were filled in."""
    return {name: params[name] for name in names if params.get(name) not in (None, "")}
