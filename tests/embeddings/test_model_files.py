"""No model that is named runs code, whatever its format, unless its file is trusted."""

from __future__ import annotations

import json
import os
import shutil
import sys
import zipfile
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import torch
from labelvet.autolabel.detectors import load_detector
from labelvet.core.errors import InvalidParameter, LabelvetError, ModelUnavailable
from labelvet.embeddings import model_files
from labelvet.embeddings.backbones import load_backbone
from labelvet.embeddings.model_files import TRUSTED_MODELS, is_trusted, trust
from labelvet.embeddings.optional_libraries import import_ultralytics
from labelvet.embeddings.ultralytics_models import load_ultralytics, set_classes
from running import Trap

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def sprung(tmp_path):
    return tmp_path / "sprung"


@pytest.fixture(params=[load_backbone, load_detector], ids=["backbone", "detector"])
def load(request):
    return request.param


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """Nothing can be fetched, and nothing was fetched before."""
    monkeypatch.setenv("LABELVET_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")


@pytest.fixture(scope="module")
def network():
    from ultralytics import YOLO

    return YOLO("yolo11n.yaml").model


@pytest.mark.parametrize("trap", ["model", "ema", "train_args", "beside"])
def test_a_checkpoint_under_any_name_runs_no_code(tmp_path, sprung, load, network, trap):
    # a real model beside the trap, so that it is the trap alone that is refused
    torch.save({"model": network, trap: Trap(sprung)}, tmp_path / "saved")
    for name in ("best.pt", "yolo11n.pt", "yolo11n-cls.pt", "yolov8s-world.PT"):
        shutil.copy(tmp_path / "saved", tmp_path / name)
        with pytest.raises(ModelUnavailable, match=r"could not be loaded.*LABELVET_TRUSTED_MODELS"):
            load(str(tmp_path / name))
    assert not sprung.exists()


def test_an_official_name_never_means_a_file_that_lies_around(
    tmp_path, sprung, load, offline, monkeypatch
):
    from ultralytics.utils import SETTINGS

    for folder in (tmp_path, tmp_path / "weights"):
        folder.mkdir(exist_ok=True)
        torch.save({"model": Trap(sprung)}, folder / "yolo11n.pt")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(SETTINGS, "weights_dir", str(tmp_path / "weights"))
    with pytest.raises(ModelUnavailable, match="could not be fetched"):
        load("yolo11n.pt")
    # nor does it run where it was put into our own folder
    torch.save({"model": Trap(sprung)}, model_files.fetched_models_folder() / "yolo11n.pt")
    with pytest.raises(ModelUnavailable, match="could not be loaded"):
        load("yolo11n.pt")
    assert not sprung.exists()


@pytest.mark.parametrize(
    "address",
    [
        "https://host/yolo11n-cls.pt",
        "http://host/v2/models/yolo",
        "HTTPS:/host/best.pt",
        "ul://user/model",
        "grpc://host/yolo",
        " https://host/best.onnx",
        "file:///tmp/best.pt",
    ],
)
def test_an_address_is_no_model_name(load, address, offline):
    with pytest.raises(InvalidParameter, match="is an address"):
        load(address)


def test_an_address_is_no_checkpoint():
    with pytest.raises(InvalidParameter, match="is an address"):
        load_backbone("resnet18", weights="https://host/resnet18.pth")


def test_an_activation_in_a_definition_runs_no_code(tmp_path, sprung, load):
    from ultralytics.utils import ROOT as THEIRS

    own = (THEIRS / "cfg/models/11/yolo11.yaml").read_text()
    file = tmp_path / "yolo11n.yaml"
    file.write_text(f"{own}\nactivation: \"__import__('pathlib').Path('{sprung}').touch()\"\n")
    with pytest.raises(ModelUnavailable, match="unsupported activation"):
        load(str(file))
    assert not sprung.exists()


@pytest.mark.slow
def test_an_activation_of_torch_in_a_definition_is_used(tmp_path, load):
    from ultralytics.utils import ROOT as THEIRS

    own = (THEIRS / "cfg/models/11/yolo11.yaml").read_text()
    file = tmp_path / "yolo11n.yaml"
    file.write_text(f"{own}\nactivation: nn.ReLU()\n")
    assert load(str(file)).device


@pytest.mark.parametrize("layer", ["builtins.exec", "os.system", "yaml_model_load", "nn.init"])
def test_a_layer_that_is_none_in_a_definition(tmp_path, load, layer):
    file = tmp_path / "own.yaml"
    file.write_text(
        json.dumps(
            {"nc": 2, "backbone": [[-1, 1, layer, ["1"]]], "head": [[-1, 1, "Classify", ["nc"]]]}
        )
    )
    with pytest.raises(ModelUnavailable):
        load(str(file))


def a_model_that_calls_later(sprung):
    """A model of ultralytics' own layers, one of which has a constructor in the place of a method,
    and a definition with code as what that method is called with when the model is first used."""
    from ultralytics import YOLO
    from ultralytics.nn import tasks
    from ultralytics.nn.modules import RepConv

    model = YOLO("yolov8n.yaml").model
    code = f"__import__('pathlib').Path({str(sprung)!r}).touch() or nn.SiLU()"
    layer = RepConv(16, 16)
    del layer.conv1
    layer.__dict__ |= {
        "conv1": {**model.yaml, "activation": code},
        "_fuse_bn_tensor": tasks.DetectionModel,
    }
    model.model[0].add_module("extra", layer)
    return model


def test_a_model_that_would_call_something_later_is_refused(tmp_path, sprung, load):
    file = tmp_path / "best.pt"
    model = a_model_that_calls_later(sprung)
    torch.save({"model": model}, file)
    with pytest.raises(ModelUnavailable, match="holds <class"):
        load(str(file))
    assert not sprung.exists()
    with pytest.raises(TypeError):  # so that the test can fail
        model.fuse()
    assert sprung.exists()


def test_hooks_and_tensors_with_methods_are_refused(tmp_path):
    from ultralytics import YOLO
    from ultralytics.nn.modules import Conv

    for number in range(3):
        model = YOLO("yolo11n-cls.yaml").model
        layer = torch.nn.Identity()
        if number == 0:
            layer._forward_hooks[1] = Conv
        elif number == 1:
            layer.names = {"a": [(Conv,)]}
        else:
            layer.forward = (
                Conv.fuse_conv_and_bn if hasattr(Conv, "fuse_conv_and_bn") else Conv.half
            )
        model.model[0].add_module("extra", layer)
        torch.save({"model": model}, tmp_path / "best.pt")
        with pytest.raises(ModelUnavailable, match="could not be loaded"):
            load_ultralytics(str(tmp_path / "best.pt"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "definition", ["yolo26n-seg", "yolo11n-cls", "yolov10n", "yolov8s-world", "yoloe-11s"]
)
def test_what_ultralytics_itself_makes_is_opened(tmp_path, definition):
    from ultralytics import YOLO

    YOLO(f"{definition}.yaml").save(tmp_path / "best.pt")
    loaded = load_ultralytics(str(tmp_path / "best.pt"))
    assert loaded.task in ("detect", "segment", "classify")
    loaded.model.fuse(verbose=False)
    torch.save({"model": loaded.model}, tmp_path / "fused.pt")
    assert load_ultralytics(str(tmp_path / "fused.pt")).task == loaded.task


def test_torchscript_and_other_exports_are_refused(tmp_path, load):
    module = torch.jit.script(torch.nn.Linear(2, 2))
    module.save(tmp_path / "script.pt")
    with pytest.raises(ModelUnavailable, match="could not be loaded"):
        load(str(tmp_path / "script.pt"))
    for name in ("best.torchscript", "best.engine", "best.pb", "best.tflite"):
        (tmp_path / name).write_bytes(b"export")
        with pytest.raises(InvalidParameter, match=r"(give|use) the \.pt file"):
            load(str(tmp_path / name))


@pytest.mark.parametrize("name", ["best.torchscript.onnx", "best.pt_openvino_model", "a.pt.ONNX"])
def test_an_export_of_two_formats_is_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"export")
    with pytest.raises(InvalidParameter, match=r"two formats.*rename it"):
        load_ultralytics(str(tmp_path / name))


def test_a_version_that_evaluates_what_exports_say_opens_none(tmp_path, monkeypatch):
    from ultralytics.nn import tasks

    monkeypatch.delattr(tasks, "_SafeLoad")
    for name in ("best.onnx", "best.pt", "best_openvino_model"):
        (tmp_path / name).write_bytes(b"export")
        with pytest.raises(ModelUnavailable, match=r"pip install (-U ultralytics|onnxruntime)"):
            load_ultralytics(str(tmp_path / name))


def test_trusted_files_are_opened_one_at_a_time(tmp_path, monkeypatch):
    """What is trusted is opened unrestricted even while another thread opens what is not."""
    import threading

    from labelvet.embeddings import ultralytics_models
    from ultralytics.nn import tasks

    (tmp_path / "best.pt").write_bytes(b"model")
    monkeypatch.setenv(TRUSTED_MODELS, str(tmp_path))
    safe = []
    monkeypatch.setattr(ultralytics_models, "_open", lambda *_: safe.append(tasks.SAFE_LOAD))
    thread = threading.Thread(target=load_ultralytics, args=[str(tmp_path / "best.pt")])
    with ultralytics_models._loading, ultralytics_models._restricted(True):
        thread.start()
        thread.join(0.5)
        assert safe == []
    thread.join()
    assert safe == [False]


def test_a_folder_of_models_that_cannot_be_made_is_a_sentence(offline, tmp_path):
    (tmp_path / "cache").write_text("not a folder")
    with pytest.raises(ModelUnavailable, match=r"'yolo11n\.pt' could not be fetched"):
        load_ultralytics("yolo11n.pt")


def test_an_archive_with_another_pickle(tmp_path, sprung, load):
    """The file is read as one thing only: not as the zip that follows another one."""
    from ultralytics import YOLO

    torch.save({"model": Trap(sprung)}, tmp_path / "evil.pt")
    YOLO("yolo11n-cls.yaml").save(tmp_path / "good.pt")
    both = (tmp_path / "good.pt").read_bytes() + (tmp_path / "evil.pt").read_bytes()
    (tmp_path / "both.pt").write_bytes(both)
    with zipfile.ZipFile(tmp_path / "own.pt", "w") as archive:
        archive.writestr("data.pkl", b"cposix\nsystem\n(S'touch %s'\ntR." % bytes(sprung))
    for name in ("both.pt", "own.pt"):
        with pytest.raises(LabelvetError):
            load(str(tmp_path / name))
    assert not sprung.exists()


def test_fetched_weights_of_torchvision_run_no_code(sprung, offline):
    folder = Path(os.environ["TORCH_HOME"], "hub", "checkpoints")
    folder.mkdir(parents=True)
    torch.save(Trap(sprung), folder / "resnet18-f37072fd.pth")
    with pytest.raises(ModelUnavailable, match="'resnet18' could not be loaded"):
        load_backbone("resnet18")
    assert not sprung.exists()


def test_a_model_of_the_zoo_that_is_ultralytics_installs_and_reports_nothing(monkeypatch):
    import fiftyone.zoo as foz
    from labelvet.embeddings import zoo_backbones
    from ultralytics.utils import checks
    from ultralytics.utils.events import events

    monkeypatch.setenv("YOLO_AUTOINSTALL", "true")
    monkeypatch.setattr(checks, "AUTOINSTALL", True)
    monkeypatch.setattr(events, "enabled", True)
    seen, imported = [], []
    monkeypatch.setattr(zoo_backbones, "import_ultralytics", lambda: imported.append(True))

    def load(name):
        assert imported  # the first import would ask a name server
        seen.append((os.environ["YOLO_AUTOINSTALL"], checks.AUTOINSTALL, events.enabled))

    monkeypatch.setattr(foz, "load_zoo_model", load)
    zoo_backbones.load_zoo_model("yolo11n-coco-torch")
    assert seen == [("false", False, False)]


def test_ultralytics_that_somebody_imported_before_installs_and_reports_nothing(monkeypatch):
    from ultralytics.utils import checks
    from ultralytics.utils.events import events

    monkeypatch.setenv("YOLO_AUTOINSTALL", "true")
    monkeypatch.setattr(checks, "AUTOINSTALL", True)
    monkeypatch.setattr(events, "enabled", True)
    import_ultralytics()
    assert (os.environ["YOLO_AUTOINSTALL"], checks.AUTOINSTALL, events.enabled) == (
        "false", False, False,
    )  # fmt: skip


def test_a_source_that_was_added_to_the_zoo_is_not_run(tmp_path, sprung, load, monkeypatch):
    import fiftyone as fo

    folder = tmp_path / "zoo" / "theirs"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text(f"open({str(sprung)!r}, 'w')")
    (folder / "manifest.json").write_text(
        json.dumps(
            {
                "name": "theirs",
                "url": "https://host/theirs",
                "models": [
                    {
                        "base_name": "theirs/model",
                        "base_filename": "model.bin",
                        "tags": ["detection", "embeddings"],
                    }
                ],
            }
        )
    )
    (folder / "model.bin").write_bytes(b"weights")
    monkeypatch.setattr(fo.config, "model_zoo_dir", str(tmp_path / "zoo"))
    with pytest.raises(InvalidParameter, match="a source that was added"):
        load("theirs/model")
    assert not sprung.exists()
    monkeypatch.setenv(TRUSTED_MODELS, str(folder))
    with pytest.raises(ModelUnavailable):  # its code has no load_model
        load("theirs/model")
    assert sprung.exists()


def test_a_trusted_folder_may_run_code(tmp_path, sprung, load, monkeypatch):
    trusted, other = tmp_path / "trusted", tmp_path / "other"
    trusted.mkdir()
    other.mkdir()
    monkeypatch.setenv(TRUSTED_MODELS, os.pathsep.join([str(tmp_path / "absent"), str(trusted)]))
    for folder in (other, trusted):
        torch.save({"model": Trap(sprung)}, folder / "best.pt")
    os.symlink(other / "best.pt", trusted / "link.pt")
    for untrusted in (other / "best.pt", trusted / ".." / "other" / "best.pt", trusted / "link.pt"):
        with pytest.raises(ModelUnavailable):
            load(str(untrusted))
    assert not sprung.exists()
    with pytest.raises(ModelUnavailable):  # it is no model all the same
        load(str(trusted / "best.pt"))
    assert sprung.exists()


@pytest.mark.slow
def test_a_trusted_checkpoint_may_be_any_pickle(tmp_path, sprung, monkeypatch):
    from torchvision.models import get_model

    file = tmp_path / "run.pth"
    state = get_model("mobilenet_v3_small", weights=None).state_dict()
    torch.save({"state_dict": state, "options": Trap(sprung)}, file)
    with pytest.raises(InvalidParameter, match=r"plain tensors.*--trust-models"):
        load_backbone("mobilenet_v3_small", weights=file)
    assert not sprung.exists()
    monkeypatch.setenv(TRUSTED_MODELS, str(file))
    assert load_backbone("mobilenet_v3_small", weights=file).fingerprint
    assert sprung.exists()


def test_trust_adds_to_what_is_trusted(tmp_path, monkeypatch):
    monkeypatch.setenv(TRUSTED_MODELS, str(tmp_path / "before"))
    folder = tmp_path / "models"
    folder.mkdir()
    trust([folder])
    assert is_trusted(folder / "best.pt") and is_trusted(tmp_path / "before" / "best.pt")
    assert not is_trusted(tmp_path / "models2" / "best.pt") and not is_trusted(tmp_path)
    with pytest.raises(InvalidParameter, match="no such file or folder"):
        trust([tmp_path / "absent"])
    monkeypatch.delenv(TRUSTED_MODELS)
    assert not is_trusted("")


# ultralytics' export warns of this and that on its way, and a warning in torch's tracer ends it
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("form", "runtime", "options"),
    [("openvino", "openvino", {}), ("onnx", "onnxruntime", {"simplify": False})],
)
def test_an_export_detects_and_does_not_embed(
    detector_file, scene_files, tmp_path, form, runtime, options
):
    pytest.importorskip(runtime)
    import numpy as np
    from labelvet.embeddings.decoding import read_pixels
    from ultralytics import YOLO

    source = tmp_path / "scenes.pt"
    source.write_bytes(Path(detector_file).read_bytes())
    export = YOLO(source).export(format=form, verbose=False, **options)
    images = [read_pixels(file) for file in scene_files[:3]]
    found = []
    for model in (detector_file, export):
        detector = load_detector(model, confidence=0.3)
        found.append(detector.detect([detector.prepare(image) for image in images]))
    # the two bring an image to different sizes, so only what is sure is the same
    for theirs, ours in zip(*found, strict=True):
        for one in sorted(theirs.detections, key=lambda each: -each.confidence)[:2]:
            same = [each for each in ours.detections if each.label == one.label]
            boxes = np.array([each.bounding_box for each in same])
            assert np.abs(boxes - one.bounding_box).max(1).min() < 0.05
    with pytest.raises(InvalidParameter, match=r"no embeddings: use the \.pt"):
        load_backbone(export)


def test_an_export_that_cannot_be_opened_says_so(tmp_path):
    file, folder = tmp_path / "best.onnx", tmp_path / "best_openvino_model"
    file.write_bytes(b"no onnx")
    folder.mkdir()
    (folder / "best.xml").write_bytes(b"no openvino")
    (folder / "best.bin").touch()
    for model in (file, folder):
        with pytest.raises(ModelUnavailable, match=r"pip install o|could not be loaded"):
            load_detector(str(model))
    with pytest.raises(InvalidParameter, match=r"no embeddings: use the \.pt"):
        load_backbone(str(file))


def test_a_text_encoder_is_never_a_file_that_lies_around(tmp_path, offline, monkeypatch):
    opened = []
    monkeypatch.setattr(torch.jit, "load", lambda file, **_: opened.append(str(file)))
    clip = ModuleType("clip")  # which ultralytics would install
    clip.clip = SimpleNamespace(tokenize=None)
    monkeypatch.setitem(sys.modules, "clip", clip)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mobileclip_blt.ts").write_bytes(b"as large as an encoder" * 10_000)
    with pytest.raises(ModelUnavailable, match="text encoder, which could not be fetched"):
        load_detector("yoloe-11n-seg.yaml", ["car"])
    assert opened == []


def test_a_checkpoint_does_not_name_a_text_encoder_of_its_own(tmp_path):
    yolo = load_ultralytics("yoloe-11n-seg.yaml")
    yolo.model.text_model = f"clip:{tmp_path / 'encoder.pt'}"
    with pytest.raises(InvalidParameter, match="which is no text encoder of ultralytics"):
        set_classes(yolo, ["car"])
