"""*Compute visualization*: the form, one call into the engine, and what the user reads after it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.util import find_spec
from threading import Event
from typing import Any

import fiftyone as fo
import fiftyone.operators as foo
import fiftyone.operators.types as types

from ..core.errors import BrainKeyInUse, Cancelled, LabelvetError
from ..core.progress import Report
from ..core.sentences import count
from ..dataset.patches import (
    as_images,
    count_images,
    count_patches,
    is_of_whole_images,
    is_patches_view,
    label_path,
    list_patches_fields,
    outlines_of,
)
from ..dataset.removed import without_removed
from ..dataset.saving_runs import check_brain_key
from ..embeddings.catalog import DEFAULT_BACKBONE, PRECISIONS, BackboneChoice, list_backbones
from ..embeddings.crops import BACKGROUNDS, KEPT
from ..embeddings.projection import METHODS, METRICS, make_method
from ..workers.operations import mark_partly_canceled
from .forms import advanced_switch, batch_inputs, device_input, filled, problem, refuse
from .long_operator import LongOperator, schedule_on
from .summary import report

# values of the "embeddings" drop-down: what follows the prefix is a field or a brain key
_COMPUTE = "compute"
_FIELD = "field:"
_INDEX = "index:"

# of the whole, where label issues are looked for after it
_MAP_SHARE = 0.85

_GEOMETRY_ATTRIBUTES = ("bounding_box", "mask", "points")

_METHOD_PARAMETERS = {
    "umap": ("num_neighbors", "min_dist", "metric"),
    "tsne": ("perplexity", "pca_dims", "learning_rate", "max_iters", "metric"),
    "pca": ("svd_solver",),
}
_FILLED = (
    "brain_key", "patches_field", "model", "weights", "alpha", "force_square", "background",
    "upright", "device", "precision", "batch_size", "num_workers", "similarity_key",
    "similarity_backend",
)  # fmt: skip
_METHOD_DESCRIPTIONS = {
    "umap": "Keeps neighbors together and clusters apart; the usual choice",
    "tsne": "Shows local detail; slower, distances between clusters mean little",
    "pca": "Fast and linear; a first look",
}


class ComputeVisualization(LongOperator):
    """Embeds the patches of a label field and projects them to a map."""

    name = "compute_visualization"
    label = "Compute visualization"
    description = "Embed label patches or images and project them to a map"
    icon = "scatter_plot"

    def resolve_placement(self, ctx: Any) -> types.Placement:
        return types.Placement(
            types.Places.SAMPLES_GRID_SECONDARY_ACTIONS,
            types.Button(label="Compute visualization", icon="scatter_plot", prompt=True),
        )

    def fill(self, ctx: Any, inputs: types.Object) -> None:
        inputs.view_target(ctx, action_description="Embed")
        samples = ctx.target_view()
        try:
            samples = as_images(samples, "Patches can only be cropped from")
        except LabelvetError as error:
            problem(inputs, error)
            return
        _brain_key(ctx, inputs, samples, "brain_key", "visualization")
        if not (_patches_field(ctx, inputs, samples) and _other_fields(ctx, inputs, samples)):
            return
        _embeddings(ctx, inputs, samples)
        _projection(ctx, inputs)
        if fields := _fields(ctx.params):
            which = "the labels" if len(fields) == 1 else f"the labels of '{fields[0]}'"
            inputs.bool(
                "label_issues",
                default=False,
                label="Find label issues",
                description=f"After the map: rank {which} by how likely they are wrong",
                view=types.CheckboxView(),
            )
        if advanced_switch(ctx, inputs, "Crops, method parameters, device, indexes"):
            _advanced(ctx, inputs, samples)
        _estimate(ctx, inputs, samples)
        schedule_on(ctx, inputs)

    def __call__(
        self,
        sample_collection: fo.core.collections.SampleCollection,
        brain_key: str,
        patches_field: str | Sequence[str] | None = None,
        delegate: bool = False,
        **params: Any,
    ) -> Any:
        """Runs the operator from Python, as the App would.

        Example::

            compute_visualization = foo.get_operator("@labelvet/labelvet/compute_visualization")
            compute_visualization(dataset, "yolow_patches", patches_field="yolow_detections")

        Args:
            sample_collection: a dataset or view
            brain_key: the key of the new run
            patches_field: the labels to crop, of one field or several on the same map; None for
                whole images
            delegate: whether to queue the run for a worker
            **params: other inputs of the form, by name

        Raises:
            fiftyone.operators.executor.ExecutionError: if an input is wrong or the run fails
        """
        ctx = {"view": sample_collection.view(), "request_delegation": delegate}
        if patches_field is not None and not isinstance(patches_field, str):
            patches_field, *params["other_fields"] = patches_field
        params |= {"brain_key": brain_key, "patches_field": patches_field}
        return foo.execute_operator(self.uri, ctx, params=params)

    def call(self, ctx: Any, progress: Report, cancelled: Event) -> Any:
        from ..visualization.compute import compute_visualization

        arguments = _arguments(ctx.params)
        samples = ctx.target_view()
        if not (ctx.params.get("label_issues") and ctx.params.get("patches_field")):
            return compute_visualization(
                samples, **arguments, progress=progress, cancelled=cancelled
            )
        run = compute_visualization(
            samples, **arguments, progress=_part(progress, 0, _MAP_SHARE), cancelled=cancelled
        )
        from ..issues.find import find_label_issues

        try:
            issues = find_label_issues(
                samples,
                ctx.params["brain_key"],
                progress=_part(progress, _MAP_SHARE, 1),
                cancelled=cancelled,
            )
        except Cancelled:
            mark_partly_canceled(ctx)
            told = "Find label issues was canceled before it finished. The map is complete."
            return replace(run, notes=[*run.notes, told])
        except LabelvetError as error:  # the map is complete whatever comes of its labels
            return replace(run, notes=[*run.notes, f"Label issues could not be found. {error}"])
        return replace(run, notes=[*run.notes, issues.summary()])

    def show(self, ctx: Any, result: Any) -> Iterator[Any]:
        yield ctx.ops.show_output(*report(self.label, result))


def _brain_key(
    ctx: Any, inputs: types.Object, samples: Any, name: str, run_type: str, *, required: bool = True
) -> None:
    label = "Brain key" if run_type == "visualization" else "Similarity index"
    description = (
        "A name for this visualization, such as yolow_patches"
        if run_type == "visualization"
        else "A brain key to also index the embeddings under, for Sort by similarity"
    )
    prop = inputs.str(name, required=required, label=label, description=description)
    key = ctx.params.get(name)
    if not key:
        return
    try:
        check_brain_key(samples, key, run_type)
    except BrainKeyInUse as in_use:
        try:
            check_brain_key(samples, key, run_type, overwrite=True)
        except LabelvetError as error:
            refuse(prop, str(error))
            return
        overwrite = f"overwrite_{name}"
        if not ctx.params.get(overwrite):
            refuse(prop, str(in_use))
        inputs.bool(
            overwrite,
            default=False,
            label=f"Overwrite '{key}'",
            description="The old run is replaced once the new one is complete",
            view=types.CheckboxView(),
        )
    except LabelvetError as error:
        refuse(prop, str(error))


def _patches_field(ctx: Any, inputs: types.Object, samples: Any) -> bool:
    """Adds the field's drop-down and returns whether what is chosen can be used."""
    fields = without_removed(samples, list_patches_fields(samples))
    # a patches view is about its patches, so its field is what its users expect
    default = fields[0] if fields and is_patches_view(samples) else None
    choices = types.DropdownView(space=12)
    for name in fields:
        what = " (classes of whole images)" if is_of_whole_images(samples, name) else ""
        choices.add_choice(name, label=name + what)
    prop = inputs.enum(
        "patches_field",
        choices.values(),
        default=default,
        required=False,
        label="Patches field",
        description="The labels to map: what each shows is cropped. Leave it empty to embed images",
        view=choices,
    )
    if not fields:
        inputs.view(
            "no_patches_fields",
            types.Notice(label="This dataset has no labels to map; whole images will be embedded"),
        )
    if (chosen := ctx.params.get("patches_field")) is not None:
        try:
            label_path(samples, chosen)
        except LabelvetError as error:
            refuse(prop, str(error))
            return False
    return True


def _other_fields(ctx: Any, inputs: types.Object, samples: Any) -> bool:
    """Adds the drop-down of further fields and returns whether what is chosen can be used."""
    first = ctx.params.get("patches_field")
    fields = without_removed(samples, list_patches_fields(samples))
    others = [name for name in fields if name != first]
    if first is None or not others:
        return True
    choices = types.DropdownView(multiple=True)
    for name in others:
        choices.add_choice(name, label=name)
    prop = inputs.list(
        "other_fields",
        types.String(),
        label="Other fields on the same map",
        description="Predictions beside ground truth, for example: where a model and people "
        "disagree. FiftyOne's own Embeddings panel shows the patches field alone",
        view=choices,
    )
    try:
        for name in _fields(ctx.params):
            label_path(samples, name)
    except LabelvetError as error:
        refuse(prop, str(error))
        return False
    return True


def _fields(params: dict[str, Any]) -> list[str]:
    """The chosen fields, the patches field first; none for whole images."""
    first = params.get("patches_field")
    if first is None:
        return []
    return list(dict.fromkeys([first, *(params.get("other_fields") or ())]))


def _embeddings(ctx: Any, inputs: types.Object, samples: Any) -> None:
    fields = _fields(ctx.params)
    sources = types.DropdownView(space=12)
    sources.add_choice(_COMPUTE, label="Compute them with a model")
    for path in _vector_fields(samples, fields):
        sources.add_choice(_FIELD + path, label=f"Field {path}")
    if len(fields) <= 1:
        for key in _similarity_indexes(samples, ctx.params.get("patches_field")):
            sources.add_choice(_INDEX + key, label=f"Similarity index {key}")
    if len(sources.choices) > 1:
        inputs.enum(
            "embeddings",
            sources.values(),
            default=_COMPUTE,
            label="Embeddings",
            description="Where the embeddings come from",
            view=sources,
        )
    if ctx.params.get("embeddings", _COMPUTE) != _COMPUTE:
        return
    models = types.AutocompleteView(space=12, allow_user_input=True)
    backbones = {choice.name: choice for choice in list_backbones()}
    for choice in backbones.values():
        needs = "" if choice.ready else " (downloads its weights first)"
        models.add_choice(choice.name, label=choice.name, description=choice.description + needs)
    inputs.str(
        "model",
        default=DEFAULT_BACKBONE,
        label="Model",
        description=_describe_model(backbones.get(ctx.params.get("model") or DEFAULT_BACKBONE)),
        view=models,
    )


def _describe_model(choice: BackboneChoice | None) -> str:
    if choice is None:
        return (
            "A torchvision classifier, a model of FiftyOne's zoo, or an ultralytics model, by name"
        )
    state = "runs offline" if choice.ready else "downloads its weights on first use"
    return f"{choice.description[0].upper()}{choice.description[1:]}; {state}"


def _projection(ctx: Any, inputs: types.Object) -> None:
    methods = types.DropdownView(space=6)
    for name, cls in METHODS.items():
        methods.add_choice(name, label=cls.title, description=_METHOD_DESCRIPTIONS[name])
    inputs.enum(
        "method",
        methods.values(),
        default="umap",
        label="Method",
        description=_METHOD_DESCRIPTIONS.get(ctx.params.get("method", "umap"), ""),
        view=methods,
    )
    dimensions = types.DropdownView(space=6)
    dimensions.add_choice(2, label="2")
    dimensions.add_choice(3, label="3")
    inputs.enum(
        "num_dims", dimensions.values(), default=2, label="Dimensions", view=dimensions
    )  # fmt: skip


def _advanced(ctx: Any, inputs: types.Object, samples: Any) -> None:
    method = ctx.params.get("method", "umap")
    defaults = make_method(method)
    for name, settings in _ADVANCED_FIELDS.items():
        if name not in _METHOD_PARAMETERS[method]:
            continue
        kind, label, description = settings
        getattr(inputs, kind)(
            name,
            default=getattr(defaults, name),
            label=label,
            description=description,
            view=types.FieldView(space=6) if kind != "enum" else None,
        )
    if "metric" in _METHOD_PARAMETERS[method]:
        _choose(
            inputs, "metric", METRICS, default="euclidean", label="Metric",
            about="Distance between embeddings",
        )  # fmt: skip
    if method == "pca":
        _choose(
            inputs, "svd_solver", ("auto", "full", "arpack", "randomized"), default="randomized",
            label="SVD solver", about="scikit-learn's solver",
        )  # fmt: skip
    inputs.int("seed", label="Seed", description="Set a number for a reproducible map; slower")

    if ctx.params.get("embeddings", _COMPUTE) == _COMPUTE:
        inputs.float(
            "alpha",
            label="Padding",
            description="Grows each box before it is cropped: 0.1 by 10%, -0.1 shrinks it",
        )
        inputs.bool("force_square", default=False, label="Square crops")
        outlines = {one for field in _fields(ctx.params) for one in outlines_of(samples, field)}
        if "points" in outlines:
            inputs.bool(
                "upright",
                default=False,
                label="Upright crops",
                description="For rotated boxes: closed polylines with four corners",
            )
        if outlines:
            _choose(
                inputs, "background", BACKGROUNDS, default=KEPT, label="Background",
                about="What happens to the pixels outside a label's mask or polyline",
            )  # fmt: skip
        inputs.str(
            "weights",
            label="Checkpoint file",
            description="A state dict (.safetensors, .pt, .pth) for the default or a torchvision "
            "model, on the machine that runs this",
        )
        device_input(inputs)
        _choose(
            inputs, "precision", PRECISIONS, default="auto", label="Precision",
            about="auto picks the fastest that is safe",
        )  # fmt: skip
        batch_inputs(inputs, "Leave empty to choose automatically")
    several = len(_fields(ctx.params)) > 1
    # what FiftyOne has of one field alone is asked of several only where it is to be taken back
    if ctx.params.get("num_dims", 2) == 2 and (not several or ctx.params.get("spatial_index")):
        prop = inputs.bool(
            "spatial_index",
            default=False,
            label="Spatial index",
            description="Also store the points in the labels, for faster lassoing of large maps",
        )
        if several:
            refuse(prop, "FiftyOne has no spatial index of several fields: switch it off")
    if not several:
        _brain_key(ctx, inputs, samples, "similarity_key", "similarity", required=False)
    elif ctx.params.get("similarity_key"):
        prop = inputs.str("similarity_key", label="Similarity index")
        refuse(prop, "FiftyOne has no similarity index of several fields: leave this empty")
    if several:
        return
    if ctx.params.get("similarity_key") and find_spec("lancedb"):
        _choose(
            inputs, "similarity_backend", ("sklearn", "lancedb"), default="sklearn",
            label="Similarity backend",
            about="sklearn keeps the index in the database; lancedb suits millions of patches",
        )  # fmt: skip


# parameter → (kind of input, label, description)
_ADVANCED_FIELDS = {
    "num_neighbors": ("int", "Neighbors", "More show the big picture, fewer show detail; 5 to 50"),
    "min_dist": ("float", "Minimum distance", "How closely points are packed; 0.001 to 0.5"),
    "perplexity": ("float", "Perplexity", "About how many neighbors count; 5 to 50"),
    "pca_dims": ("int", "PCA dimensions", "Kept before t-SNE"),
    "learning_rate": ("float", "Learning rate", "10 to 1000"),
    "max_iters": ("int", "Iterations", "At least 250"),
}


def _choose(
    inputs: types.Object,
    name: str,
    values: tuple[str, ...],
    *,
    default: str,
    label: str,
    about: str,
) -> None:
    view = types.DropdownView(space=6)
    for value in values:
        view.add_choice(value, label=value)
    inputs.enum(name, view.values(), default=default, label=label, description=about, view=view)


def _estimate(ctx: Any, inputs: types.Object, samples: Any) -> None:
    fields = _fields(ctx.params)
    try:
        patches = sum(count_patches(samples, field) for field in fields)
        images = count_images(samples)
        patches = patches if fields else images
    except LabelvetError as error:
        inputs.view("problem", types.Error(label=str(error)))
        return
    if not patches:
        prop = inputs.view("nothing", types.Warning(label="There is nothing to embed in this view"))
        prop.invalid = True
        return
    what = count(images, "image")
    if fields:
        whole = all(is_of_whole_images(samples, field) for field in fields)
        these = (
            f"{count(patches, 'label')} of" if whole else f"{count(patches, 'patch', 'patches')} in"
        )
        what = f"{these} {what}"
    inputs.view("estimate", types.Notice(label=f"{what} will be embedded"))


def _vector_fields(samples: Any, fields: list[str]) -> list[str]:
    """Names of the attributes (or, for whole images, fields) that can hold vectors, which all of
    the fields have."""
    if not fields:
        return _vectors(samples.get_field_schema())
    of_fields = []
    for field in fields:
        labels = samples.get_field(label_path(samples, field))
        of_fields.append(_vectors(getattr(labels, "field", labels).get_field_schema()))
    return [name for name in of_fields[0] if all(name in some for some in of_fields)]


def _vectors(schema: dict[str, Any]) -> list[str]:
    return [
        name
        for name, field in schema.items()
        if name not in _GEOMETRY_ATTRIBUTES
        and (
            isinstance(field, (fo.VectorField, fo.ArrayField))
            or (type(field) is fo.ListField and isinstance(field.field, fo.FloatField))
        )
    ]


def _similarity_indexes(samples: Any, patches_field: str | None) -> list[str]:
    return list(samples.list_brain_runs(type="similarity", patches_field=patches_field))


def _part(progress: Report, start: float, end: float) -> Report:
    """Returns a report of what takes a part of the whole."""
    return lambda fraction, line: progress(start + (end - start) * fraction, line)


def _arguments(params: dict[str, Any]) -> dict[str, Any]:
    """Turns the form's values into the engine's arguments."""
    embeddings = params.get("embeddings") or _COMPUTE
    method = params.get("method") or "umap"
    names = [*_METHOD_PARAMETERS.get(method, ()), "num_dims", "seed"]
    arguments = {name: params[name] for name in names if params.get(name) is not None}
    arguments |= filled(params, _FILLED)
    fields = _fields(params)
    if len(fields) > 1:
        arguments["patches_field"] = fields
    arguments["method"] = method
    # each key is overwritten by a consent of its own
    arguments["overwrite"] = bool(params.get("overwrite_brain_key"))
    arguments["overwrite_similarity"] = bool(params.get("overwrite_similarity_key"))
    if embeddings.startswith(_FIELD):
        arguments["embeddings"] = embeddings.removeprefix(_FIELD)
    elif embeddings.startswith(_INDEX):
        arguments["similarity_index"] = embeddings.removeprefix(_INDEX)
    if params.get("spatial_index"):
        arguments["points_field"] = params["brain_key"]
    return arguments
