"""Visualization runs as maps: points in rows, and whose points they are.

Runs of every origin are read: this plugin's, fiftyone-brain's, of patches or of whole images, in
two dimensions or three. FiftyOne's own loading decompresses every id as text and applies the run's
view first; a map shows its points before any id is looked at.
"""

from __future__ import annotations

import io
import json
import zlib
from base64 import b64decode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from threading import Lock
from typing import Any

import fiftyone as fo
import gridfs
import numpy as np
from bson import ObjectId
from numpy.typing import NDArray

from ..core.errors import StaleRun, UnknownRun
from ..core.sentences import agree, listed
from ..dataset.documents import Ids, byte_keys, parse_ids, run_documents, run_results
from ..dataset.memory import Memory
from ..dataset.other_fields import FieldPoints, RunFields, read_other_fields
from ..dataset.storage import FRAMES, Storage

# FiftyOne's native panel lists runs by the path of their config's class
_VISUALIZATION = "fiftyone.brain.visualization."

_KEPT_BYTES = 256 * 2**20
_KEPT_SHAPES = 1000

# two odd numbers that mix the bytes of an id into 64 bits
_MIX = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F], np.uint64)


@dataclass(frozen=True)
class MapInfo:
    """What a list of maps says of each.

    Attributes:
        key: the brain key
        run: the identity of the results; it changes when the run is replaced, and when one of
            several fields is renamed or deleted, or comes back
        method: "umap", "tsne", "pca", "manual" or another
        model: the name of the model, None where it is not known
        patches_field: the label field of the patches, of several the first; None for whole images
        several: the label fields of a run of several, None for one of one or of whole images
        frames: whether the images are frames of videos, and the field is theirs
        num_points: None where the run does not say so without being read
        num_dims: 2 or 3, None likewise
        created: when, in UTC
        ready: whether there are results
        record: the id under which is kept what is ours of this very run
    """

    key: str
    run: str
    method: str | None
    model: str | None
    patches_field: str | None
    num_points: int | None
    num_dims: int | None
    created: datetime | None
    ready: bool
    record: ObjectId
    frames: bool = False
    several: RunFields | None = None

    @property
    def other_fields(self) -> tuple[str, ...]:
        """The further label fields that are on the map."""
        return () if self.several is None else self.several.others

    @property
    def fields(self) -> tuple[str, ...]:
        """The label fields of the patches, none for whole images."""
        return () if self.patches_field is None else (self.patches_field, *self.other_fields)

    @property
    def field(self) -> str | None:
        """What the dataset calls the field, of several the first: that of frames begins with
        ``frames.``."""
        field = self.patches_field
        return FRAMES + field if self.frames and field is not None else field

    @property
    def stored_fields(self) -> list[str]:
        """What the dataset calls the fields."""
        return [FRAMES + field if self.frames else field for field in self.fields]

    @property
    def note(self) -> str | None:
        """A sentence on the fields that are not on the map any more, None where all are."""
        gone = () if self.several is None else self.several.gone
        if not gone:
            return None
        names = [f"'{FRAMES if self.frames else ''}{name}'" for name in gone]
        return (
            f"There {agree(len(gone), 'is', 'are')} no {agree(len(gone), 'field', 'fields')} "
            f"{listed(names)} in this dataset any more, whose labels this map showed, too: give "
            f"{agree(len(gone), 'it its name', 'them their names')} back, or compute the map again "
            "without."
        )

    def storage(self, dataset: fo.Dataset) -> Storage:
        """Returns where the samples or frames are."""
        return Storage(dataset, self.frames)


class Map:
    """The n points of a run, and the ids of what they show.

    The points of several fields come field after field, and what is asked of labels is asked of
    each field's ``parts``.

    Attributes:
        info: the run
        points: (n, 2) or (n, 3) float32
        collection: the name of the MongoDB collection of the samples
    """

    def __init__(
        self,
        info: MapInfo,
        collection: str,
        content: dict[str, Any],
        others: Sequence[FieldPoints] = (),
    ) -> None:
        self.info = info
        self.collection = collection
        points = _array(content["points"])
        if others:
            points = np.concatenate([points, *(one.points for one in others)])
        self.points: NDArray[np.float32] = np.ascontiguousarray(points, dtype=np.float32)
        self._content: dict[str, Any] = content
        self._others = tuple(others)
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self.points)

    @property
    def sample_ids(self) -> Ids:
        """(n, 12) ids of the samples."""
        return self._ids[0]

    @property
    def ids(self) -> Ids:
        """(n, 12) ids of what the points show: labels, or samples for whole images."""
        return self._ids[1]

    @property
    def samples(self) -> Ids:
        """(m, 12) ids of the samples, each once, in the order of the points."""
        return self._samples[0]

    @property
    def sample_index(self) -> NDArray[np.int64]:
        """(n,) row of each point's sample in ``samples``."""
        return self._samples[1]

    @property
    def kept_as(self) -> tuple[str, str, tuple[str, ...]]:
        """What tells it from all other maps, and parts of maps, in a memory."""
        return self.collection, self.info.run, self.info.fields

    @cached_property
    def parts(self) -> tuple[Map, ...]:
        """The map of each field; the map itself where that is one, or it is of whole images."""
        if not self._others:
            return (self,)
        sizes = [len(self) - sum(map(len, self._others)), *map(len, self._others)]
        parts, start = [], 0
        for field, size in zip(self.info.fields, sizes, strict=True):
            rows = slice(start, start + size)
            info = replace(self.info, patches_field=field, several=None)
            ids = self.sample_ids[rows], self.ids[rows]
            parts.append(Map(info, self.collection, {"points": self.points[rows], "ids": ids}))
            start += size
        return tuple(parts)

    def split(
        self, rows: NDArray[np.int64]
    ) -> Iterator[tuple[int, NDArray[np.bool_], NDArray[np.int64]]]:
        """Yields of each field that has any of k rows the number of its part, which of the rows are
        its own, (k,), and what these are in that part."""
        start = 0
        for number, part in enumerate(self.parts):
            own = (rows >= start) & (rows < start + len(part))
            if own.any():
                yield number, own, rows[own] - start
            start += len(part)

    def rows_of(self, ids: Ids, samples: Ids | None = None) -> NDArray[np.int64]:
        """Returns the row of each of k ids of what the points show, -1 where it has no point. Of
        several fields, they are looked for in the first: the labels of two may have the same ids.

        Args:
            ids: (k, 12)
            samples: (k, 12) their samples: a label that is in another than the point's, as an
                import may leave one with the same id, has none
        """
        if self._others:
            return self.parts[0].rows_of(ids, samples)
        if not len(self):  # the labels of a further field may all be gone
            return np.full(len(ids), -1, np.int64)
        rows = self._rows_of(ids)
        if samples is not None:
            rows[(self.sample_ids[rows] != samples).any(axis=1)] = -1
        return rows

    def _rows_of(self, ids: Ids) -> NDArray[np.int64]:
        # what is read in the order of the dataset usually has the order of the run
        if np.array_equal(ids, self.ids):
            return np.arange(len(self))
        keys, order = self._index
        wanted = _mixed(ids)
        rows = np.full(len(ids), -1, np.int64)
        at = np.searchsorted(keys, wanted, side="right") - 1
        asked = np.arange(len(ids))
        # two ids may be mixed into the same number, so the ids themselves are compared
        while len(asked := asked[(at[asked] >= 0) & (keys[at[asked]] == wanted[asked])]):
            found = order[at[asked]]
            same = (self.ids[found] == ids[asked]).all(axis=1)
            rows[asked[same]] = found[same]
            asked = asked[~same]
            at[asked] -= 1
        return rows

    @cached_property
    def _index(self) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        keys = _mixed(self.ids)
        order = np.argsort(keys, kind="stable")
        return keys[order], order

    @property
    def nbytes(self) -> int:
        """What it takes in memory once all of it was asked for."""
        return len(self) * (4 * int(self.points.shape[1]) + 24 + 16 + 20)

    @cached_property
    def _ids(self) -> tuple[Ids, Ids]:
        with self._lock:
            if "sample_ids" in self._content:
                samples = parse_ids(_array(self._content["sample_ids"]))
                labels = self._content.get("label_ids")
                shown = samples if labels is None else parse_ids(_array(labels))
                if self._others:
                    samples = np.concatenate([samples, *(one.sample_ids for one in self._others)])
                    shown = np.concatenate([shown, *(one.ids for one in self._others)])
                self._content = {"ids": (samples, shown)}  # the text is not needed any more
            ids: tuple[Ids, Ids] = self._content["ids"]
            return ids

    @cached_property
    def _samples(self) -> tuple[Ids, NDArray[np.int64]]:
        ids = self.sample_ids
        if not len(ids):
            return ids, np.empty(0, np.int64)
        # points of one sample follow one another: few ids are looked up
        first = np.concatenate([[True], (ids[1:] != ids[:-1]).any(axis=1)])
        starts = np.flatnonzero(first)
        number: dict[bytes, int] = {}
        codes = np.fromiter(
            (number.setdefault(key, len(number)) for key in byte_keys(ids[starts])), np.int64
        )
        unique = np.frombuffer(b"".join(number), np.uint8).reshape(-1, 12)
        return unique, np.repeat(codes, np.diff(np.append(starts, len(ids))))


def list_maps(dataset: fo.Dataset) -> list[MapInfo]:
    """Lists the visualization runs of a dataset, newest first."""
    infos = [
        _counted(dataset, _info(dataset, key, document), document)
        for key, document in run_documents(dataset).items()
        if str((document.get("config") or {}).get("cls", "")).startswith(_VISUALIZATION)
    ]
    return sorted(infos, key=lambda info: info.created or datetime.min, reverse=True)


def load_map(dataset: fo.Dataset, key: str, run: str | None = None) -> Map:
    """Loads a map; those used last stay in memory.

    Args:
        dataset: the dataset
        key: the brain key
        run: the identity that is expected, see :class:`MapInfo`; None takes any

    Raises:
        UnknownRun: if there is no such run, or it has no results
        StaleRun: if the run is another one than expected
    """
    document = run_documents(dataset).get(key)
    config = (document or {}).get("config") or {}
    if document is None or not str(config.get("cls", "")).startswith(_VISUALIZATION):
        sentence = f"There is no visualization run '{key}' in this dataset: choose another."
        raise StaleRun(sentence) if run is not None else UnknownRun(sentence)
    info = _info(dataset, key, document)
    if run is not None and info.run != run:
        raise StaleRun(
            f"The run '{key}' was computed again, or one of its fields was renamed or deleted: "
            "choose it again to see the map as it is now."
        )
    if not info.ready:
        raise UnknownRun(
            f"The run '{key}' has no results: it is still being computed, or it failed. Wait, or "
            "compute it again."
        )
    collection = info.storage(dataset).collection

    def load() -> Map:
        others = read_other_fields(info.record) if info.other_fields else []
        others = [one for one in others if one.field in info.other_fields]
        return Map(info, collection, _content(document, key), others)

    return _maps.get((collection, info.run, key), load)


_maps: Memory[Map] = Memory(_KEPT_BYTES, lambda shown: shown.nbytes)


def _content(document: dict[str, Any], key: str) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(run_results(document))
        count = len(_array(content["points"]))
    except gridfs.errors.NoFile:
        raise UnknownRun(f"The results of '{key}' were deleted: compute it again.") from None
    # results are written by other programs too, whose faults show as any of these
    except (KeyError, TypeError, ValueError, zlib.error) as error:
        raise UnknownRun(f"The results of '{key}' cannot be read: compute it again.") from error
    if content.get("sample_ids") is None or not count:
        raise UnknownRun(f"The run '{key}' holds no points with ids: compute it again.")
    return content


def _counted(dataset: fo.Dataset, info: MapInfo, document: dict[str, Any]) -> MapInfo:
    """Fills in the numbers that fiftyone-brain does not write beside the results."""
    if not info.ready or (info.num_points and info.num_dims):
        return info
    place = info.storage(dataset).collection, info.run
    try:
        num_points, num_dims = _shapes.get(
            place, lambda: _array(_content(document, info.key)["points"]).shape
        )
    except UnknownRun:
        return info
    return replace(info, num_points=num_points, num_dims=num_dims)


_shapes: Memory[tuple[int, ...]] = Memory(_KEPT_SHAPES, lambda shape: 1)


def _info(dataset: fo.Dataset, key: str, document: dict[str, Any]) -> MapInfo:
    config, meta = document.get("config") or {}, document.get("results_meta") or {}
    results = document.get("results")
    model = config.get("model")
    how = config.get("labelvet") or {}
    frames = bool(document.get("frames"))
    several = RunFields.of(how, Storage(dataset, frames))
    num_points = meta.get("num_points") if several is None else len(several.rows)
    run = f"{document['_id']}{results or ''}"
    if several is not None and several.gone:
        run = ",".join([run, *several.gone])
    return MapInfo(
        key=key,
        run=run,
        method=config.get("method"),
        model=model if isinstance(model, str) else None,
        patches_field=config.get("patches_field"),
        num_points=num_points,
        num_dims=meta.get("num_dims") or config.get("num_dims"),
        created=document.get("timestamp"),
        ready=results is not None,
        record=ObjectId(how.get("record", document["_id"])),
        frames=frames,
        several=several,
    )


def _array(stored: Any) -> NDArray[Any]:
    """Reads an array as FiftyOne stores it: compressed ``.npy`` bytes, before 1.20 lists."""
    if isinstance(stored, str):
        data = io.BytesIO(zlib.decompress(b64decode(stored)))
        return np.asarray(np.load(data, allow_pickle=False))
    return np.asarray(stored)


def _mixed(ids: Ids) -> NDArray[np.uint64]:
    """Mixes each id into a number, which hardly any other id has."""
    ids = np.ascontiguousarray(ids)
    first = np.ascontiguousarray(ids[:, :8]).view(np.uint64).ravel()
    last = np.ascontiguousarray(ids[:, 8:]).view(np.uint32).ravel()
    return np.asarray(first * _MIX[0] + last * _MIX[1])
