"""Where the embeddings of a visualization come from: a backbone, a field, an index or an array.

Each source is what :func:`~labelvet.visualization.compute.compute_visualization` was asked for, and
is found again in the config of the run. Importing this module loads no torch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ..core.errors import InvalidParameter
from ..core.progress import Progress
from ..dataset.patches import PatchTable
from ..dataset.stored_embeddings import align_vectors, read_embeddings_field, read_similarity_index
from ..embeddings.catalog import precision_of
from ..embeddings.crops import CropSettings
from ..embeddings.hardware import Hardware
from ..embeddings.recorded_checkpoints import RecordedCheckpoint
from ..embeddings.store import DECODED
from ..embeddings.vectors import Embeddings


class EmbeddingSource(Protocol):
    """Where embeddings come from."""

    def embed(
        self, samples: Any, table: PatchTable, progress: Progress, share: float
    ) -> tuple[Embeddings, dict[str, Any]]:
        """Embeds the patches of a table, or reads their embeddings.

        Args:
            samples: the collection that the table was read from
            table: the patches
            progress: where to report, as stages that take ``share`` of the whole
            share: see ``progress``

        Returns:
            a tuple of the embeddings, and what the config of a run says of them, as
            :func:`labelvet.dataset.brain_runs.make_config` takes it

        Raises:
            LabelvetError: if there are none
        """


@dataclass(frozen=True)
class FromBackbone:
    """Patches are embedded.

    Attributes:
        model: the name of a backbone, or a loaded FiftyOne model
        weights: a checkpoint file of its weights
        crops: how boxes become crops
        hardware: what the machine may do
        use_store: whether embeddings are read from the store and kept there
        fingerprint: the digest that its weights must have, None for any
    """

    model: str | Any
    weights: str | Path | None = None
    crops: CropSettings = field(default_factory=CropSettings)
    hardware: Hardware = field(default_factory=Hardware)
    use_store: bool = True
    fingerprint: str | None = None

    def embed(
        self, samples: Any, table: PatchTable, progress: Progress, share: float
    ) -> tuple[Embeddings, dict[str, Any]]:
        """See :class:`EmbeddingSource`."""
        from ..embeddings.embedder import embed_patches
        from ..embeddings.loader import load_for_run

        with progress.stage("Loading the backbone", 0.0):
            backbone = load_for_run(
                self.model,
                weights=self.weights,
                device=self.hardware.device,
                precision=self.hardware.precision,
            )
        if self.fingerprint is not None and backbone.fingerprint != self.fingerprint:
            raise InvalidParameter(
                f"The run was made with other weights of '{backbone.name}' than these: give the "
                "checkpoint file that it was made with, or compute it again."
            )
        embedded = embed_patches(
            table,
            backbone,
            self.crops,
            self.hardware,
            use_store=self.use_store,
            progress=progress,
            share=share,
        )
        how = {
            "weights": backbone.fingerprint,
            "precision": backbone.precision,
            "decoded": DECODED,
            **self.crops.recorded(),
        }
        if (checkpoint := RecordedCheckpoint.of_file(self.weights)) is not None:
            how |= checkpoint.recorded()
        return embedded, {"model": backbone.name, "labelvet": how}


@dataclass(frozen=True)
class FromField:
    """Embeddings are in an attribute of the labels, or a field of the samples, of that name."""

    name: str

    def embed(
        self, samples: Any, table: PatchTable, progress: Progress, share: float
    ) -> tuple[Embeddings, dict[str, Any]]:
        """See :class:`EmbeddingSource`."""
        with progress.stage("Reading embeddings", share):
            embedded = read_embeddings_field(samples, table, self.name)
        return embedded, {"model": None, "embeddings_field": self.name}


@dataclass(frozen=True)
class FromIndex:
    """Embeddings are in the similarity index of that brain key."""

    brain_key: str

    def embed(
        self, samples: Any, table: PatchTable, progress: Progress, share: float
    ) -> tuple[Embeddings, dict[str, Any]]:
        """See :class:`EmbeddingSource`."""
        with progress.stage("Reading embeddings", share):
            embedded = read_similarity_index(samples, table, self.brain_key)
        return embedded, {"model": None, "similarity_index": self.brain_key}


@dataclass(frozen=True, eq=False)
class FromArray:
    """Embeddings are the rows of an array, (n, d), one for each patch."""

    vectors: Any

    def embed(
        self, samples: Any, table: PatchTable, progress: Progress, share: float
    ) -> tuple[Embeddings, dict[str, Any]]:
        """See :class:`EmbeddingSource`."""
        with progress.stage("Reading embeddings", share):
            return align_vectors(table, self.vectors), {"model": None}


def source_of(config: Any, backbone: FromBackbone) -> EmbeddingSource:
    """Returns the source that a run was made from.

    Args:
        config: the run's config
        backbone: says which model, checkpoint file and hardware to use, where that is asked for;
            the file that the run records is used where nothing is

    Raises:
        InvalidParameter: if the run does not say where its embeddings came from, or its checkpoint
            file is not there
    """
    if config.similarity_index is not None:
        return FromIndex(config.similarity_index)
    if config.embeddings_field is not None:
        return FromField(config.embeddings_field)
    how = getattr(config, "labelvet", None)
    if not how or "precision" not in how:
        raise InvalidParameter(
            "The run does not record how its embeddings were computed, because it was made from an "
            "array or by another tool: compute it again with Compute visualization."
        )
    hardware = Hardware(
        backbone.hardware.device,
        precision_of(how["precision"]),
        backbone.hardware.batch_size,
        backbone.hardware.num_workers,
    )
    crops = CropSettings.of(how)
    model, weights = backbone.model or config.model, backbone.weights
    kept = RecordedCheckpoint.of(how)
    if backbone.model is None and weights is None and kept is not None:
        if kept.problem is not None:
            raise InvalidParameter(
                f"The run was made with the checkpoint '{kept.path}', which {kept.problem}: give "
                "the checkpoint file that it was made with, or compute it again."
            )
        weights = kept.path
    return FromBackbone(model, weights, crops, hardware, fingerprint=how["weights"])
