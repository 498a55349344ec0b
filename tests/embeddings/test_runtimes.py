"""OpenVINO computes what torch computes, or is not used."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from labelvet.embeddings import runtimes
from labelvet.embeddings.backbones import load_backbone
from labelvet.embeddings.torch_backbone import TorchBackbone
from sklearn.metrics.pairwise import paired_cosine_distances
from torch import nn
from torchvision.models import VisionTransformer

pytest.importorskip("openvino", reason="pip install openvino")


@pytest.mark.slow
@pytest.mark.parametrize(("precision", "least"), [("fp32", 0.99999), ("bf16", 0.98)])
def test_it_agrees_with_torch(precision, least):
    backbone = load_backbone(precision=precision)
    assert backbone.precision.endswith(", openvino")
    pixels = np.random.default_rng(0).integers(0, 256, (5, 224, 224, 3), dtype=np.uint8)
    found = backbone.embed(list(pixels))
    exact = load_backbone(precision="fp32")
    exact._forward = None
    expected = exact.embed(list(pixels))
    assert (1 - paired_cosine_distances(found, expected) > least).all()
    assert found.dtype == np.float32 and found.flags.writeable


@pytest.mark.slow
def test_a_vision_transformer_is_converted():
    """Torch's check of a trace compares its two attention paths, and would refuse it."""
    vit = VisionTransformer(32, 8, num_layers=1, num_heads=2, hidden_dim=16, mlp_dim=32)
    vit.heads = nn.Identity()
    backbone = TorchBackbone("vit", vit.eval(), 32, (0.5,) * 3, (0.5,) * 3)
    assert backbone.precision == "float32, openvino"


@pytest.mark.slow
def test_the_next_run_of_a_process_converts_nothing_again(monkeypatch):
    first = load_backbone()
    monkeypatch.setattr(runtimes, "_compile", None)
    assert load_backbone()._forward is first._forward
    other = TorchBackbone("other", nn.Sequential(nn.Conv2d(3, 4, 1)), 8, (0.5,) * 3, (0.5,) * 3)
    assert other.precision == "float32"  # its weights are others, so it was not taken for the first


class Fixed(nn.Module):
    """What is traced is not what it does: it looks at the size of the batch."""

    def forward(self, x):
        return torch.stack([x[i].mean((1, 2)) * (i + 1) for i in range(len(x))])


class Odd(nn.Module):
    def forward(self, x):
        return torch.from_numpy(np.sort(x.detach().numpy().mean((2, 3))))


@pytest.mark.slow
@pytest.mark.parametrize("module", [Fixed(), Odd()])
def test_what_it_cannot_convert_torch_computes(module):
    backbone = TorchBackbone("odd", module, 8, (0.5,) * 3, (0.5,) * 3)
    assert backbone.precision == "float32"
    assert backbone.embed(list(np.zeros((3, 8, 8, 3), dtype=np.uint8))).shape == (3, 3)


@pytest.mark.slow
def test_what_openvino_computes_otherwise_is_not_converted_again(monkeypatch):
    module = Fixed()
    assert TorchBackbone("odd", module, 8, (0.4,) * 3, (0.5,) * 3).precision == "float32"
    compiled = []
    monkeypatch.setattr(runtimes, "_compile", lambda *_: compiled.append(1))
    assert TorchBackbone("odd", module, 8, (0.4,) * 3, (0.5,) * 3).precision == "float32"
    assert not compiled


def test_other_precisions_are_torchs():
    assert load_backbone(precision="fp16").precision == "float16"
