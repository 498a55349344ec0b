"""Embeddings that exist already: in a label attribute, a sample field, a similarity index, or those
that a run was made of."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import fiftyone as fo
import numpy as np
from numpy.typing import NDArray

from ..core.errors import InvalidParameter, NoPatches, UnknownField
from ..core.table import join_tables, pair_ids
from ..embeddings.crops import CropSettings
from ..embeddings.store import EmbeddingStore, patch_keys
from ..embeddings.vectors import Embeddings, Keys, are_comparable
from .brain_runs import is_of_frames, load_other_fields, load_record, stored_results
from .other_fields import RunFields
from .patches import PatchTable, match_ids, read_attribute, read_stored
from .storage import Storage

_MISSING = "it has no stored embedding"
_INCOMPARABLE = "its embedding is not of finite numbers up to 1e15"

# vectors that are moved in one go
_AT_ONCE = 4096


def read_embeddings_field(samples: Any, table: PatchTable, attribute: str) -> Embeddings:
    """Reads embeddings from an attribute of the labels, or a field of the samples.

    Args:
        samples: the collection that the table was read from
        table: the patches
        attribute: the attribute's name, such as ``embedding``; a path that starts with the patches
            field is understood too

    Raises:
        UnknownField: if the attribute does not exist
        InvalidParameter: if its values are not vectors of one length
        NoPatches: if no patch has one
    """
    there: dict[str, Any] = {}
    pairs = table.pairs
    for part, rows in table.parts():
        if not len(part):  # a field that is gone, or has no labels left
            continue
        values = read_attribute(samples, part.patches_field, attribute)
        for pair, of_field in zip(pairs[rows].tolist(), part.pairs.tolist(), strict=True):
            if (value := values.get(of_field)) is not None:
                there[pair] = value
    return _align(table, there, f"The field '{attribute}'")


def read_similarity_index(samples: Any, table: PatchTable, brain_key: str) -> Embeddings:
    """Reads embeddings from a similarity index of the dataset.

    Raises:
        UnknownField: if there is no such index, or it indexes something else
        NoPatches: if it holds none of the patches
    """
    if brain_key not in samples.list_brain_runs(type="similarity"):
        raise UnknownField(
            f"There is no similarity index '{brain_key}' in this dataset: compute it first, or "
            "choose another."
        )
    index = stored_results(samples, brain_key)
    if index.config.patches_field != table.patches_field:
        raise UnknownField(
            f"The similarity index '{brain_key}' is one of "
            f"{index.config.patches_field or 'whole images'}, not of "
            f"{table.patches_field or 'whole images'}: choose it as the patches field."
        )
    ids = table.ids.tolist()
    selector = {"sample_ids": ids} if table.label_ids is None else {"label_ids": ids}
    vectors, sample_ids, label_ids = index.get_embeddings(
        **selector, allow_missing=True, warn_missing=False
    )
    by_pair = dict(zip(pair_ids(sample_ids, label_ids).tolist(), vectors, strict=True))
    return _align(table, by_pair, f"The similarity index '{brain_key}'")


def load_embeddings(
    samples: fo.core.collections.SampleCollection, brain_key: str, every_field: bool = False
) -> Embeddings | None:
    """Reads the embeddings that a visualization was made of; embeds nothing.

    They come from the store on this machine's disk, or from the field or the similarity index that
    the run read them from.

    Args:
        samples: the dataset, or any view of it
        brain_key: the key of the visualization
        every_field: whether those of all fields of a run of several that are left are read, whose
            rows are those of the map, and not those of its first field alone

    Returns:
        the :class:`~labelvet.embeddings.vectors.Embeddings`, whose ``rows`` are rows of the run's
        points: some are missing where the store was shrunk or labels were deleted. None where
        there are none: the run was made elsewhere, or the store was cleared

    Raises:
        UnknownField: if the field or the similarity index that they were taken from is gone
    """
    record = load_record(samples, brain_key)
    dataset = samples._root_dataset
    if brain_key not in dataset.list_brain_runs():
        return None
    config = dataset.get_brain_info(brain_key).config
    how = getattr(config, "labelvet", None) or {}
    storage = Storage(dataset, is_of_frames(dataset, brain_key))
    several = RunFields.of(how, storage)
    if record is not None and record.keys is not None:
        keys = record.keys
        if several is not None:
            keys = keys[several.rows] if every_field else keys[: several.sizes[0]]
        return _gather(config, np.arange(len(keys)), keys)
    computed = "precision" in how
    if not computed and config.embeddings_field is None and config.similarity_index is None:
        return None
    results = stored_results(dataset, brain_key, load_view=False)
    try:
        outlined = computed and CropSettings.of(config.labelvet).needs_outlines
        others = load_other_fields(dataset, brain_key) if every_field else []
        others = [one for one in others if several is not None and one.field in several.others]
        fields = [config.patches_field, *(one.field for one in others)]
        tables = [
            read_stored(storage, field and storage.path(field), outlines=outlined)
            for field in fields
        ]
        table = join_tables(tables, fields)
        pairs = [pair_ids(results.sample_ids, results.label_ids), *(one.pairs for one in others)]
        rows, of_table = match_ids(np.concatenate(pairs), table.pairs)
        table = table.take(of_table)
        if computed:  # in another database: the same boxes of the same files have the same keys
            return _gather(config, rows, patch_keys(table, np.arange(len(table))))
        if config.similarity_index is not None:
            embedded = read_similarity_index(dataset, table, config.similarity_index)
        else:
            embedded = read_embeddings_field(storage, table, config.embeddings_field)
    except NoPatches:
        return None
    return replace(embedded, rows=rows[embedded.rows])


def _gather(config: Any, rows: NDArray[np.int64], keys: Keys) -> Embeddings | None:
    """Reads the embeddings of rows from the store, those that are there; None for none."""
    vectors, found = open_store(config).gather(keys)
    if not found.any():
        return None
    if not found.all():
        rows, keys, there = rows[found], keys[found], np.flatnonzero(found)
        for start in range(0, len(there), _AT_ONCE):  # in place: they may be more than the memory
            block = there[start : start + _AT_ONCE]
            vectors[start : start + len(block)] = vectors[block]
        vectors = vectors[: len(there)]
    return Embeddings(rows, vectors, reused=len(rows), keys=keys)


def open_store(config: Any) -> EmbeddingStore:
    """Opens the store that the run of a config wrote to."""
    how = config.labelvet
    return EmbeddingStore(
        config.model,
        how["weights"],
        how["precision"],
        CropSettings.of(how),
        decoded=how.get("decoded"),
    )


def align_vectors(table: PatchTable, vectors: Any) -> Embeddings:
    """Takes an array whose rows are the rows of the table.

    Raises:
        InvalidParameter: if it has another number of rows, or they are no vectors of real numbers
    """
    try:
        array = np.asarray(vectors)
        if array.dtype.kind == "c":
            raise TypeError
        with np.errstate(over="ignore"):  # what is too large is said of each
            array = array.astype(np.float32)
    except (TypeError, ValueError) as error:
        raise InvalidParameter(
            "The embeddings are no array of real numbers: one row of numbers each is needed."
        ) from error
    if array.ndim != 2 or len(array) != len(table):
        raise InvalidParameter(
            f"The embeddings have shape {array.shape}, but there are {len(table)} patches: one "
            "row each is needed."
        )
    return _align(
        table, dict(zip(table.pairs.tolist(), array, strict=True)), "The array of embeddings"
    )


def _align(table: PatchTable, by_pair: dict[str, Any], source: str) -> Embeddings:
    pairs = table.pairs
    present = np.fromiter((pair in by_pair for pair in pairs.tolist()), bool, len(table))
    if not present.any():
        raise NoPatches(f"{source} has an embedding of none of the {len(table)} patches.")
    rows = np.flatnonzero(present)
    try:
        vectors: NDArray[np.float32] = np.array(
            [by_pair[pair] for pair in pairs[rows].tolist()], dtype=np.float32
        )
    except (TypeError, ValueError) as error:
        raise InvalidParameter(f"{source} has vectors of different lengths.") from error
    if vectors.ndim != 2 or not vectors.shape[1]:
        raise InvalidParameter(f"{source} has no vectors of numbers.")
    failed = {str(id_): _MISSING for id_ in table.ids[~present]}
    good = are_comparable(vectors)
    failed.update({str(id_): _INCOMPARABLE for id_ in table.ids[rows[~good]]})
    if not good.any():
        raise NoPatches(
            f"{source} has no vectors that can be compared: their numbers are not finite, or "
            "above 1e15. Scale them."
        )
    return Embeddings(rows[good], vectors[good], failed=failed)
