"""Patches that look like an image, or like what words say: the run's own backbone embeds these,
and the nearest are found.

Nothing that is asked names a model or a file. The backbone is the one that the run records, and its
weights are those of that digest; a checkpoint file is read if its content is what the run records,
by the loader that opens what a form names. It runs on the processor, which takes a moment for one
image and leaves the GPU to who computes runs; it stays loaded.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from threading import Lock
from typing import Any

import fiftyone as fo
import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray

from ..core.errors import InvalidParameter, ModelUnavailable, UnknownRun
from ..core.sentences import agree, count, first_line
from ..core.table import WHOLE_IMAGE
from ..dataset.documents import run_documents
from ..dataset.memory import Memory
from ..dataset.stored_embeddings import load_embeddings
from ..embeddings.catalog import precision_of
from ..embeddings.crops import CropSettings, cut_crops
from ..embeddings.decoding import UnreadableImage, read_given
from ..embeddings.neighbors import distances_to
from ..embeddings.recorded_checkpoints import RecordedCheckpoint
from ..embeddings.vectors import Embeddings, are_comparable
from ..embeddings.zoo_backbones import knows_words
from .map import Map, load_map
from .similar import Rows, nearest_rows

# of an image file that is handed over
MOST_BYTES = 20_000_000

_KEPT_BYTES = 2**29
_KEPT_BACKBONES = 2

# for so long embeddings of which some are missing are kept
_LOOK_AGAIN_SECONDS = 60.0


@dataclass(frozen=True)
class Searches:
    """What the patches of a run can be searched by.

    Attributes:
        images: whether the run records which backbone embedded it
        words: whether that is one which embeds words too
    """

    images: bool
    words: bool


@dataclass(frozen=True)
class _Recorded:
    """How the patches of a run were embedded.

    Attributes:
        model: the name of the backbone
        weights: the digest of its weights
        precision: that of its forward pass
        crops: how boxes became crops
        metric: of the distances between embeddings
        checkpoint: the file of the user's own that the weights are from, None for the backbone's
    """

    model: str
    weights: str
    precision: str
    crops: CropSettings
    metric: str
    checkpoint: RecordedCheckpoint | None = None


@dataclass(frozen=True, eq=False)
class Search:
    """The embeddings of a map, and what embeds that which they are compared with.

    Attributes:
        missing: how many rows have no embedding on this machine, and are not found
    """

    missing: int
    _patches: Embeddings
    _backbone: Any
    _how: _Recorded

    @property
    def note(self) -> str | None:
        """A sentence on the rows that are not found, None where all are."""
        if not self.missing:
            return None
        have = agree(self.missing, "has", "have")
        return (
            f"{count(self.missing, 'point')} {have} no embedding on this machine any more and "
            f"{agree(self.missing, 'was', 'were')} not compared: update the visualization."
        )

    def near_image(self, content: bytes, number: int) -> Rows:
        """Finds the rows nearest to an image, which is cropped as if a box went round all of it.

        Args:
            content: of an image file
            number: how many, at most

        Returns:
            rows of the map, nearest first

        Raises:
            InvalidParameter: if the image is too large or cannot be read
        """
        if len(content) > MOST_BYTES:
            raise InvalidParameter(
                f"An image file can have {MOST_BYTES // 10**6} MB at most: make it smaller."
            )
        with _embedding:
            try:
                pixels = read_given(content)
            except UnreadableImage as reason:
                raise InvalidParameter(f"The image cannot be read: {reason}.") from None
            (crop,) = cut_crops(pixels, np.array([WHOLE_IMAGE]), self._how.crops)
            (vector,) = self._backbone.embed([self._backbone.prepare(crop)])
        return self._near(vector, self._how.metric, number)

    def near_words(self, words: str, number: int) -> Rows:
        """Finds the rows nearest to what words say, by the angle between embeddings: that alone is
        what models of words and images are trained for, whatever metric the map has.

        Args:
            words: such as "person on a bike"
            number: how many, at most

        Returns:
            rows of the map, nearest first

        Raises:
            InvalidParameter: if there are no words, or the backbone knows none
        """
        if not words.strip():
            raise InvalidParameter("Write what to look for, such as 'person on a bike'.")
        if not getattr(self._backbone, "knows_words", False):
            raise InvalidParameter(
                f"'{self._how.model}' knows no words: search by an image, or compute the "
                "visualization with a backbone such as 'clip-vit-base32-torch'."
            )
        with _embedding:
            vector = self._backbone.embed_words(words.strip())
        return self._near(vector, "cosine", number)

    def _near(self, vector: NDArray[np.float32], metric: str, number: int) -> Rows:
        vectors = self._patches.vectors
        if vector.shape != vectors.shape[1:] or not are_comparable(vector[None]).all():
            raise InvalidParameter(
                f"What '{self._how.model}' makes of this cannot be compared with the embeddings "
                "of the run: try something else."
            )
        near = nearest_rows(distances_to(vector, vectors, metric), number)
        return np.asarray(self._patches.rows[near], dtype=np.int64)


def searches_of(dataset: fo.Dataset, shown: Map) -> Searches:
    """Says what the patches of a map can be searched by; loads no model."""
    try:
        how = _recorded(dataset, shown.info.key)
    except InvalidParameter:
        return Searches(images=False, words=False)
    return Searches(images=True, words=knows_words(how.model))


def open_search(dataset: fo.Dataset, shown: Map) -> Search:
    """Reads the embeddings of a map and loads its backbone, which takes seconds the first time.

    Raises:
        InvalidParameter: if the run does not record its backbone, or that, or its checkpoint file,
            has other weights here
        ModelUnavailable: if the backbone cannot be loaded
        UnknownRun: if the embeddings of the run are not on this machine
        StaleRun: if the run was replaced meanwhile
    """
    key = shown.info.key
    how = _recorded(dataset, key)

    def read() -> Embeddings:
        embedded = load_embeddings(dataset, key, every_field=True)
        if embedded is None:
            raise UnknownRun(
                f"The embeddings of '{key}' are not on this machine, so nothing can be compared "
                "with them: compute it again here, which embeds its labels."
            )
        return embedded

    kept_as: tuple[Any, ...] = shown.collection, shown.info.run
    patches = _patches.find(kept_as)
    if patches is None:
        # an update embeds what is missing, and where no label has changed the run stays the same
        moment = int(time.monotonic() / _LOOK_AGAIN_SECONDS)
        patches = _patches.get((*kept_as, moment), read)
        if len(patches.rows) == len(shown):
            _patches.put(kept_as, patches)
    load_map(dataset, key, shown.info.run)  # what was read may be of a run that replaced it
    return Search(len(shown) - len(patches.rows), patches, _load(how, key), how)


_patches: Memory[Embeddings] = Memory(_KEPT_BYTES, lambda embedded: embedded.vectors.nbytes)
_backbones: LRUCache[tuple[str, ...], Any] = LRUCache(_KEPT_BACKBONES)
_loading = Lock()
# models of FiftyOne have a state while they embed, and a large image takes a gigabyte to decode
_embedding = Lock()


def _recorded(dataset: fo.Dataset, key: str) -> _Recorded:
    config = (run_documents(dataset).get(key) or {}).get("config") or {}
    how, model = config.get("labelvet") or {}, config.get("model")
    if not isinstance(model, str) or "precision" not in how or not how.get("weights"):
        raise InvalidParameter(
            f"'{key}' does not record which backbone embedded it, so nothing can be compared with "
            "its points: compute a visualization with a backbone."
        )
    metric = config.get("metric") or "euclidean"
    return _Recorded(
        model,
        how["weights"],
        how["precision"],
        CropSettings.of(how),
        metric,
        RecordedCheckpoint.of(how),
    )


def _load(how: _Recorded, key: str) -> Any:
    from ..embeddings.backbones import load_backbone

    precision, kept_as = precision_of(how.precision), (how.model, how.weights, how.precision)
    with _loading:
        if kept_as not in _backbones:
            weights, problem = None, None
            if how.checkpoint is not None:
                weights, problem = how.checkpoint.path, how.checkpoint.problem
            if problem is not None:
                raise InvalidParameter(
                    f"'{key}' was made with the checkpoint '{weights}', which {problem}, so "
                    "nothing can be compared with its points: put the file back, or compute it "
                    "again."
                )
            try:
                backbone = load_backbone(
                    how.model,
                    weights=weights,
                    device="cpu",
                    precision="fp32" if precision == "fp16" else precision,
                )
            except ModelUnavailable as error:
                raise ModelUnavailable(
                    f"The backbone '{how.model}' of '{key}' could not be loaded by the App's "
                    f"server ({first_line(error.__cause__ or error)}): compute the visualization "
                    "again with one that can."
                ) from error
            if backbone.fingerprint != how.weights:
                raise InvalidParameter(
                    f"'{key}' was made with other weights of '{how.model}' than the App's server "
                    "loads, so nothing can be compared with its points: compute it again with "
                    "these."
                )
            _backbones[kept_as] = backbone
        return _backbones[kept_as]
