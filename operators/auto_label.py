"""*Auto label*: the form, one call into the engine, and what the user reads after it."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from threading import Event
from typing import Any

import fiftyone.core.collections as foc
import fiftyone.operators as foo
import fiftyone.operators.types as types

from ..approval.candidates import list_candidate_fields
from ..autolabel.bytetrack import missing_packages
from ..autolabel.replacing import count_elsewhere
from ..autolabel.runs import (
    DEFAULT_CONFIDENCE,
    FOUND,
    RUN_CANCELED,
    RUN_FAILED,
    RUN_GENERATING,
    AutoLabelRun,
    check_existing,
    check_label_field,
    list_runs,
)
from ..core.checks import check_number
from ..core.errors import LabelvetError
from ..core.progress import Report
from ..core.sentences import agree, count
from ..dataset.patches import as_images, check_images, count_images
from ..dataset.storage import home_of, locate
from ..dataset.tracks import is_of_videos
from .forms import advanced_switch, batch_inputs, device_input, filled, problem, refuse
from .long_operator import LongOperator, schedule_on
from .summary import list_skipped, show_lines

_MODELS = {
    "yolov8s-world.pt": "YOLO-World: finds whatever classes you name",
    "yolov8x-worldv2.pt": "the largest YOLO-World; best on a GPU",
    "yoloe-11s-seg.pt": "finds whatever classes you name, with masks",
    "yolo11n.pt": "the 80 classes of COCO; fast on a CPU",
    "yolo11x.pt": "the 80 classes of COCO; best on a GPU",
    "yolo11n-obb.pt": "rotated boxes of 15 classes in aerial images, as Polylines",
    "yolo11n-pose.pt": "the 17 joints of people, as Keypoints",
    "yolo11n-cls.pt": "which of the 1,000 classes of ImageNet an image is of, as Classification",
    "clip-vit-base32-torch": "which of the classes that you name, from FiftyOne's model zoo",
    "faster-rcnn-resnet50-fpn-coco-torch": "from FiftyOne's model zoo; needs no extra package",
}
_EXISTING = {
    "only_new": "Label only images that it has not labeled yet",
    "replace": "Replace it; the old labels can be restored until Finish",
}
_ADVANCED = ("device", "batch_size", "num_workers")


class AutoLabel(LongOperator):
    """Finds objects with a model and writes them as labels."""

    name = "auto_label"
    label = "Auto label"
    description = "Find objects with a detector and add them as labels to approve"
    icon = "auto_awesome"

    def resolve_placement(self, ctx: Any) -> types.Placement:
        return types.Placement(
            types.Places.SAMPLES_GRID_SECONDARY_ACTIONS,
            types.Button(label="Auto label", icon="auto_awesome", prompt=True),
        )

    def fill(self, ctx: Any, inputs: types.Object) -> None:
        inputs.view_target(ctx, action_description="Label")
        samples = ctx.target_view()
        try:
            check_images(samples, "Objects can only be found in")
        except LabelvetError as error:
            problem(inputs, error)
            return
        _model(ctx, inputs)
        if is_of_videos(locate(home_of(samples), None)):
            _tracks(inputs)
        _field_and_run(ctx, inputs)
        if advanced_switch(ctx, inputs, "Device, batch size, workers"):
            _advanced(inputs)
        images = count_images(as_images(samples, "Objects can only be found in"))
        line = f"{count(images, 'image')} will be labeled"
        if ctx.params.get("existing") == "only_new":
            line = (
                f"Of {count(images, 'image')}, those that this run has not labeled yet will be "
                "labeled"
            )
        inputs.view("estimate", types.Notice(label=line))
        schedule_on(ctx, inputs)

    def __call__(
        self,
        sample_collection: foc.SampleCollection,
        model: str,
        label_field: str,
        run_name: str,
        delegate: bool = False,
        **params: Any,
    ) -> Any:
        """Runs the operator from Python, as the App would.

        Example::

            auto_label = foo.get_operator("@labelvet/labelvet/auto_label")
            auto_label(dataset, "yolov8s-world.pt", "yolow_detections", "first_pass",
                       classes=["car", "traffic sign"])

        Args:
            sample_collection: a dataset or view of images
            model: the name or file of a detector
            label_field: the field that gets the labels
            run_name: the name of the run
            delegate: whether to queue the run for a worker
            **params: other inputs of the form, by name

        Raises:
            fiftyone.operators.executor.ExecutionError: if an input is wrong or the run fails
        """
        ctx = {"view": sample_collection.view(), "request_delegation": delegate}
        params |= {"model": model, "label_field": label_field, "run_name": run_name}
        return foo.execute_operator(self.uri, ctx, params=params)

    def call(self, ctx: Any, progress: Report, cancelled: Event) -> Any:
        from ..autolabel.auto_label import auto_label

        params = ctx.params
        options = filled(params, _ADVANCED)
        scheduler = ctx.request_params.get("labelvet") or {}
        return auto_label(
            ctx.target_view(),
            params["model"],
            params["label_field"],
            params["run_name"],
            classes=params.get("classes") or None,
            confidence=_confidence(ctx),
            existing=params.get("existing"),
            track=bool(params.get("track")),
            user=scheduler.get("user"),
            progress=progress,
            cancelled=cancelled,
            **options,
        )

    def show(self, ctx: Any, result: Any) -> Iterator[Any]:
        lines = [
            result.summary(),
            "",
            "Look at its labels in **New panel > Label embeddings** once **Compute visualization** "
            f"has embedded **{result.run.label_field}**.",
            "",
            *list_skipped("Images", result.unreadable),
        ]
        yield ctx.ops.show_output(*show_lines(self.label, lines))

    def resolve_run_name(self, ctx: Any) -> str:
        name = ctx.params.get("run_name")
        return f"{self.label}: {name}" if name else self.label


def _model(ctx: Any, inputs: types.Object) -> None:
    models = types.AutocompleteView(allow_user_input=True)
    for name, description in _MODELS.items():
        models.add_choice(name, label=name, description=description)
    chosen = ctx.params.get("model")
    inputs.str(
        "model",
        required=True,
        label="Model",
        description=_MODELS.get(
            chosen,
            "An ultralytics model by name, its .pt file on the machine that runs this, or a "
            "detector or classifier of FiftyOne's zoo",
        ),
        view=models,
    )
    if isinstance(chosen, str) and chosen.endswith(".pt") and not find_spec("ultralytics"):
        inputs.view(
            "no_ultralytics",
            types.Warning(label="This needs ultralytics: pip install ultralytics"),
        )
    inputs.list(
        "classes",
        types.String(),
        label="Classes",
        description="What to look for; leave empty for everything the model knows. Models "
        "such as YOLO-World find anything you name",
        view=types.AutocompleteView(multiple=True, allow_user_input=True),
    )
    inputs.float(
        "confidence",
        default=DEFAULT_CONFIDENCE,
        min=0,
        max=1,
        label="Minimum confidence",
        description="Labels with a lower confidence are left out",
    )


def _tracks(inputs: types.Object) -> None:
    missing = missing_packages()
    inputs.bool(
        "track",
        default=missing is None,
        label="Track objects",
        description="Follow each object from frame to frame, and give its labels the same index: a "
        "track is judged and reviewed as one. For models that find objects, not for classifiers",
        view=types.SwitchView(),
    )
    if missing:
        inputs.view("no_tracker", types.Warning(label=missing))


def _field_and_run(ctx: Any, inputs: types.Object) -> None:
    fields = types.AutocompleteView(allow_user_input=True, space=6)
    view = ctx.target_view()
    home = home_of(view)
    for name in list_candidate_fields(home):
        if home.get_field(name).document_type in FOUND:
            fields.add_choice(name, label=name)
    field_input = inputs.str(
        "label_field",
        required=True,
        label="Label field",
        description="New or existing, such as yolow_detections; other labels in it are kept. "
        "Several classes of an image need one of Classifications",
        view=fields,
    )
    run_input = inputs.str(
        "run_name",
        required=True,
        label="Run name",
        description="A name for these labels, such as first_pass",
        view=types.View(space=6),
    )
    field, name = ctx.params.get("label_field"), ctx.params.get("run_name")
    if field:
        try:
            check_label_field(home_of(ctx.target_view()), field)
        except LabelvetError as error:
            refuse(field_input, str(error))
    if not (field and name):
        return
    for earlier in list_runs(ctx.dataset):
        if earlier.name == name:
            _existing(inputs, earlier, ctx.target_view())
    classes = tuple(dict.fromkeys(ctx.params.get("classes") or ())) or None
    try:
        asked = AutoLabelRun(
            name,
            field,
            ctx.params.get("model") or "",
            classes,
            _confidence(ctx),
            track=bool(ctx.params.get("track")),
        )
        check_existing(ctx.dataset, asked, ctx.params.get("existing"))
    except LabelvetError as error:
        refuse(run_input, str(error))


_ENDED = {
    RUN_GENERATING: " and did not finish",
    RUN_FAILED: " and failed",
    RUN_CANCELED: " and was canceled",
}


def _existing(inputs: types.Object, earlier: AutoLabelRun, samples: Any) -> None:
    had = f"{count(earlier.labels, 'label')} in {count(earlier.images, 'image')}"
    ended = _ENDED.get(earlier.state, "")
    group = types.RadioGroup(orientation="vertical")
    for value, text in _EXISTING.items():
        group.add_choice(value, label=text)
    inputs.enum(
        "existing",
        group.values(),
        required=True,
        label=f"'{earlier.name}' exists: {had}{ended}",
        view=group,
    )
    labels, images = count_elsewhere(samples, earlier)
    if labels:
        are, they = agree(labels, "is", "are"), agree(labels, "it", "them")
        line = (
            f"{count(labels, 'label')} of '{earlier.name}' {are} in {count(images, 'image')} that "
            f"the target view does not show: replacing removes {they}, too, and undo brings {they} "
            f"back until Finish; labeling only what is new keeps {they}"
        )
        inputs.view("elsewhere", types.Warning(label=line))


def _advanced(inputs: types.Object) -> None:
    device_input(inputs)
    batch_inputs(inputs, "Images; leave empty to choose automatically")


def _confidence(ctx: Any) -> float:
    value = ctx.params.get("confidence")
    if value is None:
        return DEFAULT_CONFIDENCE
    check_number("The minimum confidence", value, 0, 1)
    return float(value)
