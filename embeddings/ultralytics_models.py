"""Ultralytics' models, by name or by file, opened so that no file runs code.

A ``.pt`` file is a pickle of whole objects, and a definition in YAML may name code as its
activation. Ultralytics' restricted loader builds nothing but the layers that it knows. What it
lets pass is a model with attributes of any value, among them layers' constructors in the place of
methods, which would be called later, when nothing is restricted any more: such a model is refused
here.

Ultralytics' internals are used in this module alone: the restricted loader, the downloader, the
list of official files and the time limit of non-maximum suppression. Tried with ultralytics 8.4.
"""

from __future__ import annotations

import enum
import pickle
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from types import FunctionType, MethodType
from typing import Any

import torch
from torch import nn

from ..core.errors import InvalidParameter, ModelUnavailable
from ..core.sentences import first_line
from .model_files import fetched_models_folder, how_to_trust, is_trusted, refuse_address
from .optional_libraries import import_ultralytics

_DEFINITIONS = (".yaml", ".yml")
_OPENVINO = "_openvino_model"
# what an export of this kind is run by: (module, what to install)
_RUNTIMES = {".onnx": ("onnxruntime", "onnxruntime"), _OPENVINO: ("openvino", "openvino")}
# what else ultralytics' predictors would open, all of it able to run code
_OTHER_EXPORTS = (".torchscript", ".engine", ".pb", ".tflite", ".mlpackage", ".mnn", ".pte", ".xml")
# the only functions that ultralytics itself keeps in a model: a fused layer's, a head's
_OWN_FUNCTIONS = {"forward", "forward_fuse"}
# packages whose objects may be called, beside layers: the transforms of a classifier and losses
_OWN_CALLABLES = ("torchvision.transforms.", "ultralytics.utils.")

# ultralytics' text encoders: OpenAI's, which is told by its digest, and those that it has files of
_CLIP, _MOBILE_ENCODERS = "clip:ViT-B/32", ("mobileclip", "mobileclip2")

# for the boxes of one image, which take a fraction of a second
_NMS_SECONDS = 3600.0

_loading = Lock()


def is_ultralytics_model(model: str) -> bool:
    """Whether a name means a model of ultralytics: a checkpoint, a definition or an export."""
    return _suffix(model) in (".pt", *_DEFINITIONS, *_RUNTIMES, *_OTHER_EXPORTS)


def is_export(model: str) -> bool:
    """Whether a name means an exported model, of which only the result can be had."""
    return _suffix(model) in (*_RUNTIMES, *_OTHER_EXPORTS)


def load_ultralytics(model: str) -> Any:
    """Loads a model of ultralytics.

    Args:
        model: the name of an official checkpoint, such as ``yolo11n.pt``, which is fetched into a
            folder of our own; the path of a ``.pt`` file; a definition in YAML, whose weights are
            random; the path of an ``.onnx`` file or of an ``..._openvino_model`` folder

    Returns:
        the ``ultralytics.YOLO``

    Raises:
        InvalidParameter: if there is no such file, or its format can run code and nothing else
        ModelUnavailable: if the model cannot be fetched or opened, or a package is missing
    """
    refuse_address(model)
    try:
        import_ultralytics()
        from ultralytics import YOLO
        from ultralytics.utils.downloads import GITHUB_ASSETS_NAMES, attempt_download_asset
    except ImportError as error:
        raise ModelUnavailable(f"'{model}' needs ultralytics: pip install ultralytics.") from error

    _suppress_without_limit()
    suffix = _suffix(model)
    if suffix == ".pt" and model in GITHUB_ASSETS_NAMES:
        try:
            # never a file of that name in the working directory or in a folder of ultralytics
            file = fetched_models_folder() / model
            attempt_download_asset(file)
        # whatever requests, ssl, the downloader or the disk raises
        except Exception as error:
            raise ModelUnavailable(
                f"'{model}' could not be fetched: {first_line(error)}. Without internet, copy its "
                "file to this machine and give the path, with a folder, such as "
                f"'./{model}'."
            ) from error
    else:
        file = Path(model).expanduser()
        if not file.exists() and not (suffix in _DEFINITIONS and model == file.name):
            raise InvalidParameter(
                f"There is no file '{model}' on this machine, and ultralytics has no model of that "
                "name: give the path of a .pt file, or an official name such as 'yolov8s-world.pt'."
            )
        if file.exists():
            file = file.absolute()
    if is_export(model):
        _check_export(model, suffix)
    trusted = is_trusted(file)
    if not trusted:
        _require_safe_loading(model, file)
    with _loading, _restricted(not (trusted or is_export(model))):
        yolo = _open(YOLO, model, file)
    if not (trusted or is_export(model)):
        _refuse_calls(yolo.model, model, file)
    return yolo


def set_classes(yolo: Any, classes: list[str]) -> None:
    """Has a YOLO-World or YOLOE model find classes that are named, which a text encoder reads.

    The encoder is fetched into a folder of our own: ultralytics would take a file of its name in
    the working directory, and the one that a checkpoint names, which can run code.

    Raises:
        InvalidParameter: if the model names an encoder that is not ultralytics' own
        Exception: whatever ultralytics raises where its encoder cannot be fetched or started
    """
    encoder = str(getattr(yolo.model, "text_model", _CLIP))
    if encoder != _CLIP and encoder.partition(":")[0] not in _MOBILE_ENCODERS:
        raise InvalidParameter(
            f"This model reads classes with '{encoder}', which is no text encoder of ultralytics "
            "and could run code: leave the classes empty, or choose another model."
        )
    from ultralytics.utils import downloads

    fetch = downloads.attempt_download_asset
    with _loading:
        downloads.attempt_download_asset = lambda file: fetch(
            fetched_models_folder() / Path(file).name
        )
        try:
            yolo.set_classes(classes)
        finally:
            downloads.attempt_download_asset = fetch


def _suppress_without_limit() -> None:
    """Has ultralytics come to every image of a batch: on a machine that is slow or busy it stops
    suppressing boxes after two seconds, and returns none for the images that are left."""
    try:
        from ultralytics.utils import nms as module
    except ImportError:  # of an earlier version
        from ultralytics.utils import ops as module
    if not isinstance(module.non_max_suppression, partial):
        unlimited = partial(module.non_max_suppression, max_time_img=_NMS_SECONDS)
        module.non_max_suppression = unlimited


def _suffix(model: str) -> str:
    if model.lower().rstrip("/").endswith(_OPENVINO):
        return _OPENVINO
    return Path(model).suffix.lower()


def _check_export(model: str, suffix: str) -> None:
    if suffix not in _RUNTIMES:
        raise InvalidParameter(
            f"'{model}' is an export that can run code or needs a runtime that is not supported: "
            "give the .pt file that it was made from, or export to ONNX or OpenVINO."
        )
    name = Path(model).name.lower().removesuffix(suffix)
    if any(other in name for other in (".pt", *_RUNTIMES, *_OTHER_EXPORTS)):
        raise InvalidParameter(
            f"'{model}' has the names of two formats, and versions differ in which they open: "
            f"rename it, such as to 'best{suffix}'."
        )
    module, package = _RUNTIMES[suffix]
    if find_spec(module) is None:
        raise ModelUnavailable(f"'{model}' needs {package}: pip install {package}.")


def _open(yolo: Any, model: str, file: Path) -> Any:
    try:
        return yolo(str(file))
    # ultralytics raises whatever torch, YAML or the file raises
    except Exception as error:
        unsafe = isinstance(error, (TypeError, pickle.UnpicklingError))
        reason = first_line(error).removeprefix("ERROR ❌️ ")
        advice = how_to_trust(file) if unsafe else "Give a model that ultralytics itself saved."
        raise ModelUnavailable(f"'{model}' could not be loaded: {reason}. {advice}") from error


def _require_safe_loading(model: str, file: Path) -> None:
    """Refuses versions of ultralytics without the restricted loader, which also evaluate what an
    export says of itself."""
    from ultralytics.nn import tasks

    restricted = getattr(tasks, "_SafeLoad", None)
    if not (restricted is not None and restricted.SUPPORTED and hasattr(tasks, "SAFE_LOAD")):
        raise ModelUnavailable(
            f"The format of '{model}' can run code when it is opened. Newer versions open it "
            f"safely: pip install -U ultralytics torch. {how_to_trust(file)}"
        )


@contextmanager
def _restricted(on: bool) -> Iterator[None]:
    """Has ultralytics open files without running code that they bring, where that is on; the
    setting is one for all threads."""
    if not on:
        yield
        return
    from ultralytics.nn import tasks

    before, tasks.SAFE_LOAD = tasks.SAFE_LOAD, True
    try:
        yield
    finally:
        tasks.SAFE_LOAD = before


def _refuse_calls(module: nn.Module, model: str, file: Path) -> None:
    """Refuses a model that holds anything to call but layers, and the few functions that
    ultralytics keeps in them."""
    values: list[Any] = [module]
    seen: dict[int, Any] = {}  # kept, so that no number is used again
    while values:
        value = values.pop()
        if id(value) in seen or isinstance(value, enum.Enum):
            continue
        seen[id(value)] = value
        if isinstance(value, (FunctionType, MethodType)):
            allowed = value.__name__ in _OWN_FUNCTIONS
            values.append(getattr(value, "__self__", None))
        else:
            allowed = (
                not callable(value)
                or isinstance(value, (nn.Module, torch.Tensor))
                or type(value).__module__.startswith(_OWN_CALLABLES)
            )
        if not allowed:
            raise ModelUnavailable(
                f"'{model}' could not be loaded: it holds {value!r}, which no model of ultralytics "
                f"does and which could run code. {how_to_trust(file)}"
            )
        if isinstance(value, Mapping):
            values += [*value.keys(), *value.values()]
        elif isinstance(value, (list, tuple, set, frozenset)):
            values += value
        if not isinstance(value, FunctionType):
            values += getattr(value, "__dict__", {}).values()
