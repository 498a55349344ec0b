"""The models of FiftyOne's zoo, and loaded FiftyOne models: all that the engine knows of FiftyOne.

Importing this module loads neither FiftyOne nor torch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..core.errors import InvalidParameter
from .catalog import DEFAULT_BACKBONE
from .model_files import how_to_trust, is_trusted
from .optional_libraries import import_ultralytics, quiet_ultralytics


def zoo_names() -> frozenset[str]:
    """Returns the names of all models of the zoo."""
    import fiftyone.zoo as foz

    return frozenset(foz.list_zoo_models())


def is_fetched(name: str) -> bool:
    """Whether a model of FiftyOne's own zoo runs without downloading anything."""
    import fiftyone as fo

    model = _own_model(name)
    return model is not None and bool(model.is_in_dir(fo.config.model_zoo_dir))


@cache
def _own_model(name: str) -> Any:
    """What the zoo says of a model, None for one that is not in this version's: FiftyOne parses all
    of its manifests at every question, and its own ones stay as they are."""
    import fiftyone.zoo as foz

    try:
        return foz.get_zoo_model(name)
    except ValueError:
        return None


def knows_words(name: str) -> bool:
    """Whether a model of FiftyOne's own zoo is of a class that embeds words beside images. No
    weights are read, but the module of the class is imported, and torch with it."""
    import fiftyone.core.models as fom
    from eta.core.utils import get_class
    from fiftyone.zoo.models import RemoteZooModel

    model = _own_model(name)
    if model is None or isinstance(model, RemoteZooModel):
        return False
    try:
        kind = get_class((model.default_deployment_config_dict or {}).get("type") or "")
    except (ImportError, ValueError):  # of a package that is not installed
        return False
    return issubclass(kind, fom.PromptMixin)


def load_zoo_model(name: str, **options: Any) -> Any:
    """Loads a model of FiftyOne's own zoo, or of a source that was registered on this machine and
    is trusted, as such a source brings code.

    Args:
        name: one of :func:`zoo_names`
        options: see ``fiftyone.zoo.load_zoo_model``

    Raises:
        InvalidParameter: if it comes from a source that is not trusted
        Exception: whatever the zoo's downloader or a missing package raises
    """
    import fiftyone as fo
    import fiftyone.zoo as foz
    from fiftyone.zoo.models import RemoteZooModel  # tried with fiftyone 1.22

    model = foz.get_zoo_model(name)
    if isinstance(model, RemoteZooModel):
        file = Path(model.get_path_in_dir(fo.config.model_zoo_dir))
        if not is_trusted(file):
            raise InvalidParameter(
                f"'{name}' is not of FiftyOne's own zoo but of a source that was added to it, "
                f"whose code loads it. {how_to_trust(file)}"
            )
    quiet_ultralytics()  # which some models use
    if ".ultralytics." in str((model.default_deployment_config_dict or {}).get("type")):
        with suppress(ImportError):  # the zoo says how to install it
            import_ultralytics()
    loaded = foz.load_zoo_model(name, **options)
    quiet_ultralytics()
    return loaded


def load_zoo_backbone(name: str, device: str) -> FiftyOneBackbone:
    """Loads a backbone by its name in the zoo; errors are those of :func:`load_zoo_model`."""
    return FiftyOneBackbone(name, load_zoo_model(name, device=device), device)


class FiftyOneBackbone:
    """Any FiftyOne model with embeddings, fed with batches that cross images.

    Args:
        name: the name that it was loaded by
        model: the loaded ``fiftyone.core.models.Model``
        device: a torch device, used where the model names none

    Raises:
        InvalidParameter: if the model has no embeddings
    """

    def __init__(self, name: str, model: Any, device: str) -> None:
        from torch import nn

        from .checkpoints import fingerprint

        if not getattr(model, "has_embeddings", False):
            raise InvalidParameter(
                f"The model '{name}' has no embeddings. Choose one that has them, such as "
                f"'{DEFAULT_BACKBONE}'."
            )
        self.name = name
        self.precision = "its own"
        self.device = str(getattr(model, "device", device))
        module = getattr(model, "_model", None)
        self.fingerprint = fingerprint(module) if isinstance(module, nn.Module) else None
        self._model = model
        self._transforms: Callable[[Image.Image], Any] | None = getattr(model, "transforms", None)
        self._ragged = bool(getattr(model, "ragged_batches", False))

    def prepare(self, crop: NDArray[np.uint8]) -> Any:
        """Applies the model's own transforms to a (height, width, 3) crop."""
        return crop if self._transforms is None else self._transforms(Image.fromarray(crop))

    @property
    def knows_words(self) -> bool:
        """Whether it embeds words, near to the images that they describe."""
        return bool(getattr(self._model, "can_embed_prompts", False))

    def embed_words(self, words: str) -> NDArray[np.float32]:
        """Embeds words, of a model that knows them: (dimension,) float32."""
        import torch

        with self._model, torch.inference_mode():
            return np.asarray(self._model.embed_prompt(words), dtype=np.float32).reshape(-1)

    def embed(self, inputs: Sequence[Any]) -> NDArray[np.float32]:
        """Embeds prepared crops: (batch, dimension) float32."""
        import torch

        batch: Any = list(inputs)
        if not self._ragged and isinstance(inputs[0], torch.Tensor):
            batch = torch.stack(batch)
        preprocessed = self._transforms is not None
        if preprocessed:
            self._model.preprocess, restore = False, self._model.preprocess
        try:
            with self._model, torch.inference_mode():
                vectors = self._model.embed_all(batch)
        finally:
            if preprocessed:
                self._model.preprocess = restore
        if isinstance(vectors, torch.Tensor):
            vectors = vectors.float().cpu().numpy()
        return np.asarray(vectors, dtype=np.float32).reshape(len(inputs), -1)
