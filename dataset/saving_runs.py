"""Writes brain runs with FiftyOne's own visualization classes, so that FiftyOne reads them where
labelvet is not installed.

FiftyOne's own writer deletes the old run, registers an empty one and fills it later; killed in
between, it leaves a brain key without results. Here the new run is complete before one atomic
update puts it in place of the old one.

FiftyOne's internals are used in this module, :mod:`labelvet.dataset.brain_runs` and
:mod:`labelvet.dataset.run_keys` alone: ``RunDocument`` and a dataset's cache of results. Tried with
fiftyone 1.22.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import datetime, timezone
from typing import Any

import fiftyone as fo
import fiftyone.brain as fob
import fiftyone.brain.visualization as fbv
import fiftyone.constants as foc
import numpy as np
from bson import ObjectId, json_util
from eta.core.utils import get_class
from fiftyone.core.brain import BrainInfo
from fiftyone.core.odm.runs import RunDocument
from numpy.typing import NDArray

from ..core.checks import check_name
from ..core.errors import BrainKeyInUse
from ..embeddings.projection import PCA, TSNE, UMAP, Method
from .brain_runs import IN_RECORD, STAGES, raise_if_deleted
from .documents import parse_ids
from .other_fields import FIELDS, NUM_POINTS, FieldPoints, drop_orphaned_points, write_other_fields
from .patches import PatchTable, is_patches_view
from .records import RunRecord, drop_orphaned_records, write_record
from .run_keys import count_others_with, delete_run_document, give_key, run_of, sweep, this_writer
from .storage import stages_of

logger = logging.getLogger(__name__)

_CONFIGS: dict[type[Method], type[fbv.VisualizationConfig]] = {
    UMAP: fbv.UMAPVisualizationConfig,
    TSNE: fbv.TSNEVisualizationConfig,
    PCA: fbv.PCAVisualizationConfig,
}

# A document of MongoDB holds 16 MB: what FiftyOne shows the run with may take half of it. The view
# that was visualized, where that is another, is kept in the run's record if it takes more.
_MAX_VIEW_BYTES = 8_000_000
_MAX_STAGES_BYTES = 1_000_000

_LONGEST_KEY = 200

# what FiftyOne's similarity backends call where they keep an index outside the database
_PLACES = ("table_name", "collection_name", "index_name")
_PLACE = "labelvet"


def check_brain_key(
    samples: fo.core.collections.SampleCollection,
    brain_key: str,
    run_type: str = "visualization",
    overwrite: bool = False,
) -> ObjectId | None:
    """Checks that a run of ``run_type`` may be written under a brain key.

    Returns:
        the run that has the key now and may be replaced: ``seen`` of what saves the new one

    Raises:
        InvalidParameter: if the key is not a valid name
        BrainKeyInUse: if another run has it, unless that is of the same type and ``overwrite``
    """
    check_name(brain_key, "brain key", "yolow_patches", _LONGEST_KEY)
    dataset = samples._root_dataset
    seen = run_of(dataset, brain_key)
    dataset.reload()
    if brain_key not in samples.list_brain_runs():
        return seen
    if brain_key not in samples.list_brain_runs(type=run_type) and _config_of(samples, brain_key):
        raise BrainKeyInUse(
            f"The brain key '{brain_key}' belongs to another kind of run: choose another key."
        )
    if not overwrite:
        raise BrainKeyInUse(
            f"The brain key '{brain_key}' is in use: choose another key, or overwrite it."
        )
    return seen


def make_config(
    method: Method, patches_field: str | None, model: str | None, **details: Any
) -> fbv.VisualizationConfig:
    """Builds FiftyOne's own config of a visualization.

    Args:
        method: the projection
        patches_field: the label field, of several the first; None for whole images
        model: the name of the backbone, None where embeddings existed already
        **details: further attributes of FiftyOne's config, and ``labelvet``, a dict of what
            FiftyOne has no word for; FiftyOne keeps it and ignores it
    """
    return _CONFIGS[type(method)](
        patches_field=patches_field, model=model, **asdict(method), **details
    )


def save_visualization(
    samples: fo.core.collections.SampleCollection,
    brain_key: str | None,
    config: fbv.VisualizationConfig,
    table: PatchTable,
    points: NDArray[np.float32],
    *,
    record: RunRecord,
    seen: ObjectId | None = None,
) -> fbv.VisualizationResults:
    """Writes a visualization run and gives it its key in one atomic step.

    Of a run of several fields, FiftyOne's results are those of the first field; see
    :mod:`labelvet.dataset.other_fields`.

    Args:
        samples: the collection that was visualized
        brain_key: the key, None to write nothing
        config: see :func:`make_config`
        table: the n patches that have points
        points: (n, 2) or (n, 3) float32
        record: what is kept beside the points
        seen: the run that had the key when this one began, see :func:`check_brain_key`: it is
            replaced

    Returns:
        FiftyOne's results object

    Raises:
        BrainKeyInUse: if another run has the key now; nothing was written then
        DatasetDeleted: if the dataset does not exist any more
    """
    dataset = samples._root_dataset
    owner, shown, stages = _views(samples, config.patches_field)
    others = other_points(table, points)
    if others:
        own = len(table) - sum(map(len, others))
        table, points = table.take(slice(own)), points[:own]
    results = fbv.VisualizationResults(
        owner, config, brain_key, points, sample_ids=table.sample_ids, label_ids=table.label_ids
    )
    if brain_key is None:
        return results

    replaced = None if seen is None else _config_of(dataset, brain_key)
    run, meta = ObjectId(), {"num_points": len(points), "num_dims": int(points.shape[1])}
    # a name of its own, which the run of a clone or of an import has too
    config.labelvet = {**(getattr(config, "labelvet", None) or {}), "record": str(run)}
    for name in (STAGES, FIELDS, NUM_POINTS):
        config.labelvet.pop(name, None)
    if others:
        config.labelvet[FIELDS] = list(table.fields)
        config.labelvet[NUM_POINTS] = [len(points), *map(len, others)]
    if stages and _size(stages) > _MAX_STAGES_BYTES:
        config.labelvet[STAGES], record = IN_RECORD, replace(record, stages=stages)
    elif stages:
        config.labelvet[STAGES] = stages
    document = _begin_run(
        dataset, brain_key, run, config=config, stages=shown, replaces=seen, **meta
    )
    with _giving_key(dataset, brain_key, document, seen):
        _write_results(document, results)
        write_record(run, record)
        if others:
            write_other_fields(run, others)
    dataset._brain_cache[brain_key] = results
    with _tidying():
        _sweep(dataset)
        if replaced is not None and getattr(replaced, "points_field", None) is not None:
            replaced.build().cleanup(dataset, brain_key)  # its spatial index is of the old points
    return results


def other_points(table: PatchTable, points: NDArray[np.float32]) -> list[FieldPoints]:
    """Returns the points of each field of a table but the first."""
    if not table.other_fields:
        return []
    return [
        FieldPoints(
            str(part.patches_field), points[rows], parse_ids(part.sample_ids), parse_ids(part.ids)
        )
        for part, rows in list(table.parts())[1:]
    ]


@contextmanager
def _giving_key(
    dataset: fo.Dataset, brain_key: str, document: RunDocument, seen: ObjectId | None
) -> Iterator[None]:
    """Gives the run that the block writes its key, and deletes it where that fails."""
    try:
        yield
        linked = give_key(dataset, brain_key, document.id, seen)
    except BaseException:
        # what has the key stays, however that ended
        if run_of(dataset, brain_key) != document.id:
            with _tidying():
                _delete_run(dataset, document)
        raise
    if not linked:
        with _tidying():
            _delete_run(dataset, document)
        raise_if_deleted(dataset)
        raise BrainKeyInUse(_taken(brain_key))
    dataset.reload()


def _begin_run(
    dataset: fo.Dataset,
    brain_key: str,
    run: ObjectId,
    *,
    config: Any,
    stages: list[str] | None,
    replaces: ObjectId | None,
    **meta: int,
) -> RunDocument:
    """Writes the document of a run, which nothing refers to yet; ``meta`` is what FiftyOne lists
    without loading the results, and the rest of it what a sweep asks."""
    document = RunDocument(
        id=run,
        dataset_id=dataset._doc.id,
        key=brain_key,
        version=foc.VERSION,
        timestamp=datetime.now(timezone.utc).replace(tzinfo=None),
        config=config.serialize(),
        view_stages=stages,
        results_meta={**meta, "writer": this_writer(), "replaces": replaces},
    )
    document.save(upsert=True)
    return document


def _write_results(document: RunDocument, results: Any) -> None:
    document.results.put(
        json_util.dumps(results.serialize()).encode(),
        content_type="application/json",
        labelvet={
            "dataset": ObjectId(document.dataset_id),
            "run": document.id,
            "writer": this_writer(),
        },
    )
    document.save()


def save_similarity_index(
    samples: fo.core.collections.SampleCollection,
    brain_key: str,
    table: PatchTable,
    vectors: NDArray[np.float32],
    *,
    model: str | None,
    backend: str | None,
    seen: ObjectId | None = None,
) -> None:
    """Writes a similarity index of embeddings that are at hand, for *Sort by similarity*.

    Args:
        samples: the collection that was embedded
        brain_key: the key of the index
        table: the n embedded patches
        vectors: (n, d) float32
        model: the name of the model, kept with the index
        backend: a similarity backend of FiftyOne; by default the one of its config
        seen: as for :func:`save_visualization`

    Raises:
        BrainKeyInUse: if another run has the key now; nothing was written then
    """
    dataset = samples._root_dataset
    owner, _, _ = _views(samples, table.patches_field)
    run = ObjectId()
    # FiftyOne registers an index before it is filled, so it is told of no key
    index = fob.compute_similarity(
        owner,
        patches_field=table.patches_field,
        embeddings=False,
        brain_key=None,
        model=None,
        backend=backend,
        **_place_of_its_own(backend, run),
    )
    index.config.labelvet = {"model": model}
    # before it is filled, so that a sweep finds what the backend has of it
    document = _begin_run(dataset, brain_key, run, config=index.config, stages=None, replaces=seen)
    with _giving_key(dataset, brain_key, document, seen):
        index.add_to_index(vectors, table.sample_ids, table.label_ids)
        document.config = index.config.serialize()
        _write_results(document, index)
    dataset._brain_cache.pop(brain_key, None)
    with _tidying():
        _sweep(dataset)


def _place_of_its_own(backend: str | None, run: ObjectId) -> dict[str, str]:
    """Returns what names the table of a backend that keeps an index outside the database; by itself
    a backend takes a name that is free when it looks, which two do at once."""
    known = fob.brain_config.similarity_backends
    config = known[backend or fob.brain_config.default_similarity_backend]["config_cls"]
    takes = inspect.signature(get_class(config) if isinstance(config, str) else config).parameters
    return {name: f"{_PLACE}{run}" for name in _PLACES if name in takes}


@contextmanager
def _tidying() -> Iterator[None]:
    """Has what fails in the block logged: the next run tidies up again."""
    try:
        yield
    except Exception:
        logger.warning(
            "What a run replaced or left is not tidied up: the next run tries it again",
            exc_info=True,
        )


def _sweep(dataset: fo.Dataset) -> None:
    """Deletes what was replaced, and what runs that were killed left, here or of records that
    nothing refers to."""
    for run in sweep(dataset):
        with _tidying():
            if (document := RunDocument.objects(id=run).first()) is not None:
                _delete_run(dataset, document)
    drop_orphaned_records()
    drop_orphaned_points()


def _views(
    samples: Any, patches_field: str | None
) -> tuple[Any, list[str] | None, list[str] | None]:
    """Returns the collection that FiftyOne shows a run with, as many of its stages as the run's
    document has room for, and the stages of what was visualized where those are others.

    FiftyOne finds the labels of patches where the patches are from. A stage that is left out leaves
    a view that shows more, with the labels of the run among it.
    """
    owner = made_of = samples
    if is_patches_view(samples):
        owner = samples._source_collection
        if patches_field is not None and not (samples._patches_stage.config or samples._stages):
            made_of = owner  # all of its patches
    stages, shown = _stages(made_of), _stages(owner)
    if _size(shown) > _MAX_VIEW_BYTES:
        shown = [stage for stage in shown if len(stage) <= _MAX_VIEW_BYTES // len(shown)]
    as_document = None if isinstance(owner, fo.Dataset) else shown
    return owner, as_document, None if stages == shown else stages


def _stages(samples: Any) -> list[str]:
    if isinstance(samples, fo.Dataset):
        return []
    return [json_util.dumps(stage) for stage in stages_of(samples)]


def _size(stages: list[str]) -> int:
    return sum(map(len, stages))


def _delete_run(dataset: fo.Dataset, document: RunDocument) -> None:
    places = {f"config.{name}": str(document.config.get(name)) for name in _PLACES}
    places = {path: place for path, place in places.items() if place.startswith(_PLACE)}
    # a clone of the dataset shares them
    if places and not count_others_with(places, document.id):
        config = BrainInfo._from_doc(document).config
        config.load_credentials()
        config.build().initialize(dataset, None).cleanup()
    delete_run_document(document.id, document.results.grid_id)


def _taken(brain_key: str) -> str:
    return (
        f"The brain key '{brain_key}' was taken or replaced by another run in the meantime: "
        "nothing was written under it. Choose another key, or overwrite that run."
    )


def _config_of(samples: Any, brain_key: str) -> Any:
    """Returns the config of a run, None where there is none or it cannot be read any more."""
    try:
        return samples.get_brain_info(brain_key).config
    # FiftyOne raises whatever the config's own class raises
    except Exception:
        return None
