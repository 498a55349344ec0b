"""A CLIP of FiftyOne's own class that takes no download: small, with random weights."""

from __future__ import annotations

import gzip
import warnings
from pathlib import Path

NAME = "clip-vit-base32-torch"

_MERGES = ["r e", "re d</w>"]


def write_tiny_clip(folder: Path) -> None:
    """Writes weights and a vocabulary to where FiftyOne's zoo looks for those of ``NAME``.

    What it says of words and images means nothing, and is computed as the large one's is.
    """
    import torch
    from fiftyone.utils.clip.model import CLIP

    torch.manual_seed(51)
    clip = CLIP(
        embed_dim=16,
        image_resolution=224,
        vision_layers=1,
        vision_width=64,
        vision_patch_size=56,
        context_length=77,
        vocab_size=512 + len(_MERGES) + 2,
        transformer_width=64,
        transformer_heads=1,
        transformer_layers=1,
    ).eval()
    inputs = {
        "encode_image": torch.zeros(1, 3, 224, 224),
        "encode_text": torch.zeros(1, 77, dtype=torch.int),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch deprecates the format of OpenAI's weights
        torch.jit.trace_module(clip, inputs, check_trace=False).save(folder / "CLIP-ViT-B-32.pt")
    vocabulary = "\n".join(["#version: 0.2", *_MERGES])
    with gzip.open(folder / "clip_bpe_simple_vocab_16e6.txt.gz", "wt") as file:
        file.write(vocabulary)
