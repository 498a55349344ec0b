"""Embeddings that exist already: in a label attribute, a sample field, or a similarity index."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .embedder import Embeddings
from .errors import InvalidParameter, NoPatches, UnknownField
from .patches import PatchTable, read_attribute

_MISSING = "it has no stored embedding"


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
    values = read_attribute(samples, table.patches_field, attribute)
    by_id = {id_: value for id_, value in values.items() if value is not None}
    return _align(table, by_id, f"The field '{attribute}'")


def read_similarity_index(samples: Any, table: PatchTable, brain_key: str) -> Embeddings:
    """Reads embeddings from a similarity index of the dataset.

    Raises:
        UnknownField: if there is no such index, or it indexes something else
        NoPatches: if it holds none of the patches
    """
    if brain_key not in samples.list_brain_runs(type="similarity"):
        raise UnknownField(f"There is no similarity index '{brain_key}' in this dataset.")
    index = samples.load_brain_results(brain_key)
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
    found = sample_ids if label_ids is None else label_ids
    by_id = dict(zip(map(str, found), vectors, strict=True))
    return _align(table, by_id, f"The similarity index '{brain_key}'")


def align_vectors(table: PatchTable, vectors: Any) -> Embeddings:
    """Takes an array whose rows are the rows of the table.

    Raises:
        InvalidParameter: if it has another number of rows
    """
    array = np.asarray(vectors, dtype=np.float32)
    if array.ndim != 2 or len(array) != len(table):
        raise InvalidParameter(
            f"The embeddings have shape {array.shape}, but there are {len(table)} patches: one "
            "row each is needed."
        )
    return _align(table, dict(zip(table.ids.tolist(), array, strict=True)), "The embeddings")


def _align(table: PatchTable, by_id: dict[str, Any], source: str) -> Embeddings:
    present = np.fromiter((id_ in by_id for id_ in table.ids.tolist()), bool, len(table))
    if not present.any():
        raise NoPatches(f"{source} holds an embedding of none of the {len(table)} patches.")
    rows = np.flatnonzero(present)
    try:
        vectors: NDArray[np.float32] = np.array(
            [by_id[id_] for id_ in table.ids[rows].tolist()], dtype=np.float32
        )
    except (TypeError, ValueError) as error:
        raise InvalidParameter(f"{source} holds vectors of different lengths.") from error
    if vectors.ndim != 2:
        raise InvalidParameter(f"{source} holds no vectors of numbers.")
    failed = {str(id_): _MISSING for id_ in table.ids[~present]}
    finite = np.isfinite(vectors).all(axis=1)
    failed.update({str(id_): "its embedding is not a number" for id_ in table.ids[rows[~finite]]})
    return Embeddings(rows[finite], vectors[finite], failed=failed)
