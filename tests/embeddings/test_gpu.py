"""On a GPU of CUDA: the embeddings are those of the processor, and memory that is short is no end.

It needs no FiftyOne, so that a node of a cluster can run it by itself.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from labelvet.core.errors import InvalidParameter
from labelvet.embeddings.backbones import load_backbone
from labelvet.embeddings.embedder import embed_patches
from labelvet.embeddings.hardware import Hardware
from PIL import Image
from sklearn.metrics.pairwise import paired_cosine_distances
from tables import make_table

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU of CUDA")

_IMAGES, _PER_IMAGE = 4, 40


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """160 patches of four images of colored noise."""
    rng, folder = np.random.default_rng(3), tmp_path_factory.mktemp("images")
    files = [str(folder / f"{number}.png") for number in range(_IMAGES)]
    for file in files:
        coarse = Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8))
        coarse.resize((640, 480), Image.Resampling.BICUBIC).save(file)
    n = _IMAGES * _PER_IMAGE
    corners, sizes = rng.uniform(0, 0.6, (n, 2)), rng.uniform(0.1, 0.4, (n, 2))
    return make_table(files, np.hstack([corners, sizes]))


def embed(table, device=None, precision="auto", **hardware):
    backbone = load_backbone(device=device, precision=precision)
    return embed_patches(table, backbone, hardware=Hardware(**hardware), use_store=False).vectors


@pytest.fixture(scope="module")
def exact(table):
    return embed(table, "cpu", "fp32")


@pytest.mark.parametrize(
    ("precision", "least"), [("fp32", 0.9999), ("fp16", 0.999), ("bf16", 0.98), ("auto", 0.999)]
)
def test_it_agrees_with_the_processor(table, exact, precision, least):
    found = embed(table, precision=precision)
    assert (1 - paired_cosine_distances(found, exact) > least).all()


def test_a_gpu_is_chosen_where_there_is_one():
    backbone = load_backbone()
    assert (backbone.device, backbone.precision) == ("cuda", "float16")


def test_a_batch_that_its_memory_does_not_hold_is_embedded_in_parts(table, exact):
    backbone = load_backbone(precision="fp32")
    backbone.embed([np.zeros((224, 224, 3), np.uint8)])
    torch.cuda.empty_cache()
    _, total = torch.cuda.mem_get_info()
    # the model and a few crops, but not 160
    share = (torch.cuda.memory_reserved() + 400 * 2**20) / total
    torch.cuda.set_per_process_memory_fraction(share)
    try:
        found = embed_patches(table, backbone, hardware=Hardware(batch_size=160), use_store=False)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
        torch.cuda.empty_cache()
    assert torch.cuda.memory_stats()["num_ooms"] > 0, "the whole batch had room"
    assert (1 - paired_cosine_distances(found.vectors, exact) > 0.9999).all()


def test_a_gpu_that_is_not_there_is_refused():
    with pytest.raises(InvalidParameter, match="The device 'cuda:63' cannot be used here"):
        load_backbone(device="cuda:63")
