"""The detectors, by name: what turns a batch of images into labels.

A detector is one of

-   any model of ultralytics, by the name of an official one such as ``yolov8s-world.pt``, or by the
    path of a ``.pt`` file, an ``.onnx`` file or an ``..._openvino_model`` folder. By its task it
    finds Detections, those with masks, rotated boxes as closed Polylines, the Keypoints of objects,
    or the Classification of an image;
-   any detector or classifier of FiftyOne's zoo, such as ``faster-rcnn-resnet50-fpn-coco-torch``,
    ``resnet50-imagenet-torch`` or, for classes that you name, ``clip-vit-base32-torch``.

A classifier gives an image its best class or, where that is asked for, all that it is sure enough
of.

An open-vocabulary one, such as YOLO-World, takes the classes as prompts; of another, the classes
choose among those that it was trained on. No name leads to code being run; see
:mod:`labelvet.embeddings.model_files`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import fiftyone as fo
import fiftyone.zoo as foz
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax

from ..core.errors import InvalidParameter, ModelUnavailable
from ..core.sentences import first_line
from ..embeddings.devices import choose_device
from ..embeddings.model_files import refuse_address
from ..embeddings.ultralytics_models import is_ultralytics_model, load_ultralytics, set_classes
from ..embeddings.zoo_backbones import load_zoo_model
from .runs import DEFAULT_CONFIDENCE

# what a sentence lists of a model's classes
_LISTED = 20
_ZOO_BOXES = {"detection", "instances"}
_ZOO_TAGS = {*_ZOO_BOXES, "classification"}


class Detector(Protocol):
    """What auto labeling needs of a model.

    Attributes:
        name: the name that it was loaded by
        device: the torch device that it runs on
        finds: FiftyOne's class of what it finds in an image
    """

    name: str
    device: str
    finds: type

    def prepare(self, pixels: NDArray[np.uint8]) -> Any:
        """Turns a (height, width, 3) RGB image into one input; called from several threads."""

    def detect(self, inputs: Sequence[Any]) -> list[Any]:
        """Finds the labels of a batch of prepared inputs, ``finds`` of each; of an image without a
        class, None."""


def load_detector(
    model: str | Any,
    classes: Sequence[str] | None = None,
    confidence: float = DEFAULT_CONFIDENCE,
    device: str | None = None,
    several: bool = False,
) -> Detector:
    """Loads a detector.

    Args:
        model: see the module, or a loaded ``fiftyone.core.models.Model``
        classes: what to look for, None for all that the model knows
        confidence: labels below it are left out, in [0, 1]
        device: a torch device such as ``cpu`` or ``cuda:0``; by default a GPU where there is one
        several: whether a classifier gives an image all classes that it is sure enough of, as
            Classifications, not the best one alone

    Raises:
        InvalidParameter: if the model, a class, the confidence or the device cannot be used
        ModelUnavailable: if the model is known but cannot be fetched or its package is missing
    """
    if not 0 <= confidence <= 1:
        raise InvalidParameter(f"The confidence must be between 0 and 1, not {confidence}.")
    wanted = None if classes is None else list(dict.fromkeys(classes))
    if wanted is not None and not all(isinstance(name, str) and name for name in wanted):
        raise InvalidParameter(
            "A class must not be empty: leave the whole list empty to find all classes."
        )
    asked, device = _Asked(wanted or None, confidence, several), choose_device(device)
    if not isinstance(model, str):
        return _FiftyOneModel(type(model).__name__, model, asked, device)
    refuse_address(model)
    if is_ultralytics_model(model):
        return _load_ultralytics(model, asked, device)
    if model in foz.list_zoo_models():
        return _load_zoo(model, asked, device)
    raise InvalidParameter(
        f"There is no detector '{model}'. Use an ultralytics model such as 'yolov8s-world.pt', the "
        "path of its .pt file, or a detector of FiftyOne's zoo such as "
        "'faster-rcnn-resnet50-fpn-coco-torch'."
    )


@dataclass(frozen=True)
class _Asked:
    """What is looked for.

    Attributes:
        classes: None for all
        confidence: the least
        several: whether an image may get several classes
    """

    classes: list[str] | None
    confidence: float
    several: bool

    @property
    def class_type(self) -> type:
        """FiftyOne's class of what a classifier finds in an image."""
        found: type = fo.Classifications if self.several else fo.Classification
        return found

    def takes(self, label: str, confidence: float | None) -> bool:
        """Whether a label is one that is looked for, and sure enough where it says how sure."""
        wanted = self.classes is None or label in self.classes
        return wanted and (confidence is None or confidence >= self.confidence)

    def classify(self, names: Sequence[str], probabilities: NDArray[np.floating]) -> Any:
        """Returns the classes of an image by the probabilities of all, the surest first: the best
        of all, None where that is not taken; of several those that are."""
        order = np.argsort(-probabilities, kind="stable").tolist()
        found = [
            fo.Classification(label=names[code], confidence=float(probabilities[code]))
            for code in (order if self.several else order[:1])
            if self.takes(names[code], float(probabilities[code]))
        ]
        if self.several:
            return fo.Classifications(classifications=found)
        return found[0] if found else None


# ultralytics' task → what it finds, and what turns results into that
_TASKS: dict[str, tuple[type, str]] = {
    "detect": (fo.Detections, "to_detections"),
    "segment": (fo.Detections, "to_instances"),
    "obb": (fo.Polylines, "obb_to_polylines"),
    "pose": (fo.Keypoints, "to_keypoints"),
    "classify": (fo.Classification, ""),
}


class _UltralyticsDetector:
    """A model of ultralytics."""

    def __init__(
        self, name: str, yolo: Any, class_ids: list[int] | None, asked: _Asked, device: str
    ) -> None:
        self.name = name
        self.device = device
        self._yolo = yolo
        self._class_ids, self._asked = class_ids, asked
        self.finds, self._convert = _TASKS[yolo.task]
        if not self._convert:
            self.finds = asked.class_type

    def prepare(self, pixels: NDArray[np.uint8]) -> Any:
        # ultralytics takes arrays for BGR, as OpenCV reads them
        return np.ascontiguousarray(pixels[..., ::-1])

    def detect(self, inputs: Sequence[Any]) -> list[Any]:
        import fiftyone.utils.ultralytics as fouu

        options = {
            "classes": self._class_ids, "conf": self._asked.confidence, "device": self.device,
        }  # fmt: skip
        results = self._yolo.predict(list(inputs), verbose=False, **options)
        if not self._convert:
            return [
                self._asked.classify(one.names, one.probs.data.float().cpu().numpy())
                for one in results
            ]
        return [_storable(found) for found in getattr(fouu, self._convert)(results)]


def _storable(found: Any) -> Any:
    """Returns what FiftyOne made of a result, of plain numbers."""
    if isinstance(found, fo.Polylines):
        for line in found.polylines:
            line.points = [np.asarray(shape).tolist() for shape in line.points]
    return found


class _FiftyOneModel:
    """Any FiftyOne model whose predictions are detections, or classes with the logits of all."""

    def __init__(self, name: str, model: Any, asked: _Asked, device: str) -> None:
        known = getattr(model, "classes", None) or getattr(model, "_classes", None)
        if asked.classes and known:
            _check_classes(name, asked.classes, known)
        self.name = name
        self.device = device
        self.finds: type = fo.Detections
        self._model, self._asked = model, asked
        if getattr(model, "has_logits", False):
            self.finds, self._names = asked.class_type, list(known or ())
            model.store_logits = True

    def prepare(self, pixels: NDArray[np.uint8]) -> Any:
        return pixels

    def detect(self, inputs: Sequence[Any]) -> list[Any]:
        with self._model, torch.inference_mode():
            # transforms that keep each image's size make no batch
            if getattr(self._model, "ragged_batches", True):
                predictions = [self._model.predict(image) for image in inputs]
            else:
                predictions = self._model.predict_all(list(inputs))
        of_a_kind = fo.Detections if self.finds is fo.Detections else fo.Classification
        for labels in predictions:
            if not isinstance(labels, of_a_kind):
                raise InvalidParameter(
                    f"'{self.name}' predicts {type(labels).__name__}, neither boxes nor the class "
                    "of an image: choose a detector or a classifier."
                )
        if of_a_kind is fo.Classification:
            return [
                self._asked.classify(self._names, softmax(np.float64(label.logits)))
                for label in predictions
            ]
        for labels in predictions:
            taken = [
                one for one in labels.detections if self._asked.takes(one.label, one.confidence)
            ]
            labels.detections = taken
        return list(predictions)


def _load_ultralytics(name: str, asked: _Asked, device: str) -> _UltralyticsDetector:
    classes, yolo = asked.classes, load_ultralytics(name)
    if yolo.task not in _TASKS:
        raise InvalidParameter(
            f"'{name}' gives no labels that are known here, its task is '{yolo.task}': choose a "
            f"model whose task is one of {', '.join(_TASKS)}."
        )
    try:
        known = yolo.names
    # an export is opened here, and its runtime raises whatever it likes
    except Exception as error:
        raise ModelUnavailable(
            f"'{name}' could not be loaded and may be damaged: export the model again. "
            f"({first_line(error)})"
        ) from error
    listed = [known[key] for key in sorted(known)] if isinstance(known, dict) else known
    names = [str(each) for each in listed]
    if classes is None or classes == names:
        return _UltralyticsDetector(name, yolo, None, asked, device)
    if hasattr(yolo, "set_classes"):  # YOLO-World and YOLOE
        try:
            set_classes(yolo, classes)
        except InvalidParameter:
            raise
        except Exception as error:
            raise ModelUnavailable(
                f"'{name}' reads the classes with a text encoder, which could not be fetched or "
                f"started: {first_line(error)}. It needs ultralytics' fork of CLIP, which pip "
                "installs from 'git+https://github.com/ultralytics/CLIP.git', and internet the "
                "first time. Or call set_classes(...) and save(...) where that works, and use the "
                f"file that this gives; or leave the classes empty for its own ({_some(names)})."
            ) from error
        return _UltralyticsDetector(name, yolo, None, asked, device)
    _check_classes(name, classes, names)
    ids = [names.index(each) for each in classes]
    return _UltralyticsDetector(name, yolo, ids, asked, device)


def _load_zoo(name: str, asked: _Asked, device: str) -> _FiftyOneModel:
    entry = foz.get_zoo_model(name)
    tags = set(entry.tags or ())
    if not tags & _ZOO_TAGS:
        raise InvalidParameter(
            f"'{name}' of FiftyOne's zoo finds neither objects nor classes: choose one that is "
            "tagged 'detection' or 'classification', such as 'faster-rcnn-resnet50-fpn-coco-torch'."
        )
    if not tags & _ZOO_BOXES:
        _check_classifier(name, entry, asked)
    prompts = {"classes": asked.classes} if asked.classes and "zero-shot" in tags else {}
    try:
        model = load_zoo_model(name, device=device, **prompts)
    except InvalidParameter:
        raise
    # the zoo raises whatever its downloader or a missing package raises
    except Exception as error:
        raise ModelUnavailable(
            f"The model '{name}' could not be loaded: {first_line(error)}. Without internet, "
            "copy the files of FiftyOne's model zoo to this machine, or give a .pt file."
        ) from error
    return _FiftyOneModel(name, model, asked, device)


def _check_classifier(name: str, entry: Any, asked: _Asked) -> None:
    """Checks that a classifier of the zoo tells the logits of all classes, before it is fetched."""
    if "zero-shot" in (entry.tags or ()) and len(asked.classes or ()) < 2:
        raise InvalidParameter(f"'{name}' finds the classes that you name: name at least two.")
    kind = str((entry.default_deployment_config_dict or {}).get("type"))
    if ".ultralytics." in kind:  # whose logits are probabilities
        raise InvalidParameter(
            f"'{name}' is a model of ultralytics: give ultralytics' own name of it, such as "
            "'yolo11n-cls.pt'."
        )


def _check_classes(name: str, classes: Sequence[str], known: Sequence[str]) -> None:
    unknown = [each for each in classes if each not in known]
    if unknown:
        raise InvalidParameter(f"'{name}' does not know {_some(unknown)}. It knows {_some(known)}.")


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LISTED:,} more" if len(names) > _LISTED else ""
    return ", ".join(f"'{name}'" for name in names[:_LISTED]) + more
