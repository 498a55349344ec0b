"""Brain runs in and out of FiftyOne.

A run is written with FiftyOne's own visualization classes, so that FiftyOne reads it where labelvet
is not installed. FiftyOne's own writer deletes the old run, registers an empty one and fills it
later; killed in between, it leaves a brain key without results. Here the new run is complete before
one atomic update puts it in place of the old one.

FiftyOne's internals are used in this module and :mod:`labelvet.dataset.run_keys` alone:
``RunDocument`` and a dataset's cache of results. Tried with fiftyone 1.22.
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
import fiftyone.core.odm as foo
import numpy as np
from bson import ObjectId, json_util
from eta.core.utils import get_class
from fiftyone.core.brain import BrainInfo
from fiftyone.core.odm.runs import RunDocument
from numpy.typing import NDArray

from ..core.checks import check_name
from ..core.errors import BrainKeyInUse, DatasetDeleted, InvalidParameter
from ..core.sentences import agree, listed
from ..embeddings.neighbors import NeighborGraph
from ..embeddings.projection import PCA, TSNE, UMAP, Method
from .documents import parse_ids, run_documents
from .memory import Memory
from .other_fields import (
    FIELDS,
    NUM_POINTS,
    FieldPoints,
    RunFields,
    drop_orphaned_points,
    read_other_fields,
    write_other_fields,
)
from .patches import PatchTable, is_patches_view
from .records import RunRecord, drop_orphaned_records, read_record, write_record
from .run_keys import count_others_with, delete_run_document, give_key, run_of, sweep, this_writer
from .schema import deleted
from .storage import Storage, stages_of

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

_STAGES = "stages"
_IN_RECORD = "in its record"

# one of a million labels, each with 15 neighbors, takes 120 MB
_MOST_BYTES_OF_GRAPHS = 2**28


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
    for name in (_STAGES, FIELDS, NUM_POINTS):
        config.labelvet.pop(name, None)
    if others:
        config.labelvet[FIELDS] = list(table.fields)
        config.labelvet[NUM_POINTS] = [len(points), *map(len, others)]
    if stages and _size(stages) > _MAX_STAGES_BYTES:
        config.labelvet[_STAGES], record = _IN_RECORD, replace(record, stages=stages)
    elif stages:
        config.labelvet[_STAGES] = stages
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


def find_run(samples: fo.core.collections.SampleCollection, brain_key: str) -> ObjectId | None:
    """Returns the id of a run's document, as the database has it now; None if there is no such run.

    The id changes whenever the run is computed or updated, and not when it is renamed.
    """
    return run_of(samples._root_dataset, brain_key)


def load_visualization(
    samples: fo.core.collections.SampleCollection, brain_key: str
) -> tuple[fo.core.collections.SampleCollection, fbv.VisualizationResults]:
    """Reads a visualization as the database has it now.

    Returns:
        a tuple of the view that it was made of, or the dataset, and FiftyOne's results

    Raises:
        InvalidParameter: if there is no such visualization, it is empty, or its view is not in this
            database or needs a field that is gone
    """
    dataset = samples._root_dataset
    dataset.reload()
    if brain_key not in dataset.list_brain_runs(type="visualization"):
        raise InvalidParameter(
            f"There is no visualization '{brain_key}' in this dataset: compute it first."
        )
    results = stored_results(dataset, brain_key, load_view=False)
    if results is None or not len(results.points):
        raise InvalidParameter(f"The visualization '{brain_key}' is empty: compute it again.")
    stages = (getattr(results.config, "labelvet", None) or {}).get(_STAGES)
    if stages is None:
        with _naming_lost_fields(brain_key):
            return _anew(dataset.load_brain_view(brain_key)), results
    if stages == _IN_RECORD:
        record = load_record(dataset, brain_key)
        if record is None or record.stages is None:
            raise InvalidParameter(
                f"The view that '{brain_key}' was made of is too large for a run that is imported: "
                "compute it again."
            )
        stages = record.stages
    with _naming_lost_fields(brain_key):
        return fo.DatasetView._build(dataset, [json_util.loads(one) for one in stages]), results


@contextmanager
def _naming_lost_fields(brain_key: str) -> Iterator[None]:
    """Says what to do where a view cannot be made again, as a field that it needs is gone."""
    try:
        yield
    except ValueError as error:
        raise InvalidParameter(
            f"The view that '{brain_key}' was made of cannot be made again ({error}): give the "
            "field its name back, or compute the visualization again."
        ) from error


def stored_results(
    samples: fo.core.collections.SampleCollection, brain_key: str, **options: Any
) -> Any:
    """Returns FiftyOne's results of a run as the database has them: another process may have
    updated what this one has in its cache. Options are those of ``load_brain_results``."""
    samples._root_dataset._brain_cache.pop(brain_key, None)
    return samples.load_brain_results(brain_key, cache=False, **options)


def is_of_frames(samples: fo.core.collections.SampleCollection, brain_key: str) -> bool:
    """Whether a run is of the frames of videos, None where there is no such run."""
    document = run_documents(samples._root_dataset).get(brain_key)
    return document is not None and bool(document["frames"])


def run_field(samples: fo.core.collections.SampleCollection, brain_key: str) -> str | None:
    """Returns what the dataset calls the field of a run's labels, of several the first; None for
    whole images."""
    dataset = samples._root_dataset
    field: str | None = dataset.get_brain_info(brain_key).config.patches_field
    return field and Storage(dataset, is_of_frames(dataset, brain_key)).path(field)


def load_other_fields(
    samples: fo.core.collections.SampleCollection, brain_key: str
) -> list[FieldPoints]:
    """Reads the points of all of a run's further fields, see :mod:`labelvet.dataset.other_fields`;
    none of a run that is of one field, or of which they are in another database."""
    kept_as = _record_of(samples, brain_key)
    return [] if kept_as is None else read_other_fields(kept_as)


def other_run_fields(samples: fo.core.collections.SampleCollection, brain_key: str) -> list[str]:
    """Returns what the dataset calls the further fields of a run's labels that are on its map."""
    dataset = samples._root_dataset
    how = getattr(dataset.get_brain_info(brain_key).config, "labelvet", None) or {}
    storage = Storage(dataset, is_of_frames(dataset, brain_key))
    several = RunFields.of(how, storage)
    return [] if several is None else list(map(storage.path, several.others))


def first_field_notes(
    samples: fo.core.collections.SampleCollection, brain_key: str, done: str
) -> list[str]:
    """Returns a sentence on what is of the first field of a run of several alone, and how to have
    it of the others; none for runs of one.

    Args:
        samples: the dataset, or any view of it
        brain_key: the key of the run
        done: what is done with that field, such as ``is judged``
    """
    others = other_run_fields(samples, brain_key)
    if not others:
        return []
    names, field = listed([f"'{name}'" for name in others]), run_field(samples, brain_key)
    own = agree(len(others), "a visualization of its own", "visualizations of their own")
    return [
        f"Only '{field}', the first field of the map, {done}, not {names}: compute {own} for that."
    ]


def load_record(samples: fo.core.collections.SampleCollection, brain_key: str) -> RunRecord | None:
    """Reads what is kept with a run, None where it has nothing: it was made by another plugin, by
    FiftyOne itself, or in another database."""
    kept_as = _record_of(samples, brain_key)
    return None if kept_as is None else read_record(kept_as)


def load_neighbor_graph(
    samples: fo.core.collections.SampleCollection, brain_key: str
) -> NeighborGraph | None:
    """Reads the neighbor graph of the run that has a key now; its rows are the rows of the run's
    points. None where it has none, see :func:`load_record`."""
    kept_as = _record_of(samples, brain_key)
    return None if kept_as is None else read_neighbor_graph(samples, kept_as)


def read_neighbor_graph(samples: Any, kept_as: ObjectId) -> NeighborGraph | None:
    """Reads a neighbor graph that is kept with a run.

    The last few stay in memory, so its arrays cannot be written to.

    Args:
        samples: the dataset of the run, or any view of it
        kept_as: the id that the record of this very run is kept under: the run that replaces it has
            another one

    Returns:
        the :class:`NeighborGraph`, None where the run has none, see :func:`load_record`
    """
    key = samples._root_dataset._sample_collection_name, kept_as
    graph = _graphs.find(key)
    if graph is None and (record := read_record(kept_as)) is not None:
        graph = record.graph
        for array in (graph.indices, graph.distances):
            array.flags.writeable = False
        _graphs.put(key, graph)
    return graph


def _record_of(samples: Any, brain_key: str) -> ObjectId | None:
    """Returns the id that the record of a run is kept under, None if there is no such run; another
    computation of the run has another id."""
    run = find_run(samples, brain_key)
    if run is None:
        return None
    document = foo.get_db_conn().runs.find_one({"_id": run}, {"config.labelvet": 1}) or {}
    how = (document.get("config") or {}).get("labelvet") or {}
    return ObjectId(how["record"]) if "record" in how else run


def raise_if_deleted(samples: fo.core.collections.SampleCollection) -> None:
    """Raises ``DatasetDeleted`` if the collection's dataset is not in the database any more."""
    dataset = samples._root_dataset
    if not foo.get_db_conn().datasets.count_documents({"_id": dataset._doc.id}, limit=1):
        raise DatasetDeleted(deleted(dataset.name))


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


def _anew(view: Any) -> Any:
    """Returns a view whose frames are those that the dataset has now, not FiftyOne's copies."""
    if isinstance(view, fo.Dataset) or view._dataset is view._root_dataset:
        return view
    return fo.DatasetView._build(view._root_dataset, stages_of(view))


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


_graphs: Memory[NeighborGraph] = Memory(
    _MOST_BYTES_OF_GRAPHS, lambda graph: graph.indices.nbytes + graph.distances.nbytes
)
