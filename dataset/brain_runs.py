"""Brain runs as the database has them now: results, fields, and what is kept beside them.

:mod:`labelvet.dataset.saving_runs` writes them, and names the internals of FiftyOne that are used.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import fiftyone as fo
import fiftyone.brain.visualization as fbv
import fiftyone.core.odm as foo
from bson import ObjectId, json_util

from ..core.errors import DatasetDeleted, InvalidParameter
from ..core.sentences import agree, listed
from ..embeddings.neighbors import NeighborGraph
from .documents import run_documents
from .memory import Memory
from .other_fields import FieldPoints, RunFields, read_other_fields
from .records import RunRecord, read_record
from .run_keys import run_of
from .schema import deleted
from .storage import Storage, stages_of

# what the view of a run is kept as, in its config
STAGES = "stages"
IN_RECORD = "in its record"

# one of a million labels, each with 15 neighbors, takes 120 MB
_MOST_BYTES_OF_GRAPHS = 2**28


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
    results = visualization_results(dataset, brain_key)
    stages = (getattr(results.config, "labelvet", None) or {}).get(STAGES)
    if stages is None:
        with _naming_lost_fields(brain_key):
            return _anew(dataset.load_brain_view(brain_key)), results
    if stages == IN_RECORD:
        record = load_record(dataset, brain_key)
        if record is None or record.stages is None:
            raise InvalidParameter(
                f"The view that '{brain_key}' was made of is too large for a run that is imported: "
                "compute it again."
            )
        stages = record.stages
    with _naming_lost_fields(brain_key):
        return fo.DatasetView._build(dataset, [json_util.loads(one) for one in stages]), results


def visualization_results(dataset: fo.Dataset, brain_key: str) -> Any:
    """Returns FiftyOne's results of a visualization as the database has them.

    Raises:
        InvalidParameter: if there is no such visualization, or it is empty
    """
    if brain_key not in dataset.list_brain_runs(type="visualization"):
        raise InvalidParameter(
            f"There is no visualization '{brain_key}' in this dataset: compute it first."
        )
    results = stored_results(dataset, brain_key, load_view=False)
    if results is None or not len(results.points):
        raise InvalidParameter(f"The visualization '{brain_key}' is empty: compute it again.")
    return results


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


def _anew(view: Any) -> Any:
    """Returns a view whose frames are those that the dataset has now, not FiftyOne's copies."""
    if isinstance(view, fo.Dataset) or view._dataset is view._root_dataset:
        return view
    return fo.DatasetView._build(view._root_dataset, stages_of(view))


_graphs: Memory[NeighborGraph] = Memory(
    _MOST_BYTES_OF_GRAPHS, lambda graph: graph.indices.nbytes + graph.distances.nbytes
)
