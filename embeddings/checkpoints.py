"""Checkpoint files: plain tensors, never an unchecked pickle of somebody who is not trusted."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..core.errors import InvalidParameter
from ..core.sentences import first_line
from .model_files import how_to_trust, is_trusted, refuse_address

_SUFFIXES = (".pt", ".pth", ".bin", ".safetensors")


def load_weights(module: nn.Module, path: str | Path, head: str) -> None:
    """Loads a state dict from a file into a module.

    Args:
        module: the module
        path: safetensors, or torch's format, which is read with ``weights_only=True`` unless the
            file is trusted, see :mod:`labelvet.embeddings.model_files`
        head: the name of the module whose weights may be missing or differ

    Raises:
        InvalidParameter: if the file cannot be read, or does not fit the module
    """
    refuse_address(str(path))
    state = _read_checkpoint(Path(path).expanduser())
    own = module.state_dict()
    is_head = {key: key.startswith(f"{head}.") for key in own}
    usable = {
        key: value
        for key, value in state.items()
        if key in own and not is_head[key] and isinstance(value, torch.Tensor)
    }
    missing = [key for key in own if key not in usable and not is_head[key]]
    if missing:
        raise InvalidParameter(
            f"The checkpoint '{path}' does not fit this backbone: {len(missing)} of its "
            f"{len(own)} tensors are missing, such as '{missing[0]}'. Choose the architecture that "
            "it was trained with."
        )
    try:
        module.load_state_dict(usable, strict=False)
    except RuntimeError as error:
        raise InvalidParameter(
            f"The checkpoint '{path}' does not fit this backbone: some tensors have another "
            "shape. Choose the architecture that it was trained with."
        ) from error


def _read_checkpoint(path: Path) -> dict[str, torch.Tensor]:
    if path.suffix not in _SUFFIXES:
        raise InvalidParameter(
            f"'{path}' is not a checkpoint: it must end in {', '.join(_SUFFIXES)}."
        )
    if not path.is_file():
        raise InvalidParameter(f"The checkpoint '{path}' does not exist.")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            state: Any = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=not is_trusted(path))
    except Exception as error:
        raise InvalidParameter(
            f"The checkpoint '{path}' could not be read as plain tensors ({first_line(error)}): "
            "save a state dict, torch.save(model.state_dict(), ...), or safetensors. "
            f"{how_to_trust(path)}"
        ) from error
    for wrapper in ("state_dict", "model_state_dict", "model"):
        if isinstance(state, dict) and isinstance(state.get(wrapper), dict):
            state = state[wrapper]
    if not isinstance(state, dict) or not state:
        raise InvalidParameter(f"The checkpoint '{path}' holds no state dict.")
    # torch's DataParallel wrappers prefix every key
    return {str(key).removeprefix("module."): value for key, value in state.items()}


def fingerprint(module: nn.Module) -> str:
    """Returns a digest of a module's weights, 32 hexadecimal digits."""
    digest = hashlib.blake2b(digest_size=16)
    for key, tensor in module.state_dict().items():
        digest.update(key.encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy())
    return digest.hexdigest()
