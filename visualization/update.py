"""Brings a run up to date: new labels are placed on its map, deleted ones leave, the rest stays."""

from __future__ import annotations

import copy
import os
import time
from dataclasses import dataclass, field, fields
from pathlib import Path
from threading import Event
from typing import Any

import fiftyone as fo
import fiftyone.brain.visualization as fbv
import numpy as np
from bson import ObjectId
from numpy.typing import NDArray

from ..core.errors import InvalidParameter, NoPatches, StaleRun
from ..core.progress import SAVING, Report
from ..core.sentences import count
from ..core.table import pair_ids
from ..dataset.brain_runs import (
    find_run,
    is_of_frames,
    load_other_fields,
    load_record,
    load_visualization,
)
from ..dataset.documents import revision
from ..dataset.memory import Memory
from ..dataset.other_fields import FieldPoints
from ..dataset.patches import PatchTable, check_ids, match_ids, read_patches_left
from ..dataset.records import RunRecord
from ..dataset.reporting import raising_if_deleted, reporting, saved_before
from ..dataset.saving_runs import save_visualization
from ..dataset.storage import Storage
from ..embeddings.crops import CropSettings
from ..embeddings.hardware import Hardware
from ..embeddings.insertion import place_points
from ..embeddings.neighbors import build_neighbor_graph
from ..embeddings.projection import METHODS, Method, make_method, neighbors_needed
from ..embeddings.store import patch_keys, shrink_store
from .compute import check_active_slice
from .sources import FromBackbone, source_of

# Above this share of newly placed points, the map was fitted to something else.
RECOMPUTE_ABOVE = 0.2

# A form waits for this; on a local disk it is enough for a million images.
_LOOK_SECONDS = 2.0
_LOOK_AT = 4096

# for so long a form is told what it was told before
_RECENT_SECONDS = 30.0

_SHARE_READ = 0.05
_SHARE_EMBED = 0.75
_SHARE_NEIGHBORS = 0.1
_SHARE_PLACE = 0.05
_SHARE_SAVE = 0.05


@dataclass(frozen=True)
class LabelChanges:
    """What happened to the labels of a run since it was computed, in numbers of labels.

    Attributes:
        new: labels that the run has no point of
        changed: labels whose box or image file (as far as :func:`find_changes` came) has changed
        deleted: labels of the run that are not there any more
        unchanged: all others
    """

    new: int
    changed: int
    deleted: int
    unchanged: int

    def __bool__(self) -> bool:
        return bool(self.new or self.changed or self.deleted)

    @property
    def recompute(self) -> bool:
        """Whether more than a fifth would be newly placed, so that a new map shows it better."""
        placed = self.new + self.changed
        return placed > RECOMPUTE_ABOVE * (placed + self.unchanged)

    def sentence(self) -> str:
        """Returns what is new, changed and deleted, in words."""
        if not self:
            return "Nothing has changed since the run was computed."
        parts = [
            f"{number:,} {word}"
            for number, word in (
                (self.new, "new"),
                (self.changed, "changed"),
                (self.deleted, "deleted"),
            )
            if number
        ]
        text = f"{', '.join(parts)}; {count(self.unchanged, 'point')} as before."
        if self.recompute:
            text += (
                " More than a fifth of the labels are new or changed: compute the visualization "
                "again for a better map."
            )
        return text


@dataclass(frozen=True)
class Update:
    """What :func:`update_visualization` did.

    Attributes:
        brain_key: the key of the run
        results: FiftyOne's results: points, sample ids and label ids; of several fields, those of
            the first
        changes: what was new, changed and deleted
        unreadable: ``{filepath: reason}`` of the images that were skipped
        skipped: ``{id: reason}`` of the patches that were skipped for another reason; ids of labels
            of further fields are followed by ``/`` and their field
        notes: sentences on what was done otherwise than asked
    """

    brain_key: str
    results: fbv.VisualizationResults
    changes: LabelChanges
    unreadable: dict[str, str]
    skipped: dict[str, str]
    notes: list[str] = field(default_factory=list)

    def summary(self) -> str:
        """Returns a few sentences that tell how the update went."""
        sentences = [f"'{self.brain_key}': {self.changes.sentence()}"]
        skipped = len(self.unreadable) + len(self.skipped)
        if skipped:
            sentences.append(f"{count(skipped, 'image or patch', 'images or patches')} skipped.")
        return " ".join(sentences + self.notes)


def find_changes(samples: fo.core.collections.SampleCollection, brain_key: str) -> LabelChanges:
    """Compares a visualization with the labels that the view it was made of has now.

    Reads no images, but looks whether their files were replaced, for two seconds at most;
    :func:`update_visualization` looks at all of them.

    Raises:
        InvalidParameter: if there is no such visualization, or it is another plugin's
        NoPatches: if none of its labels is there any more
        StaleRun: if it is replaced at this moment
    """
    return _compare(_open(samples, brain_key))


def recent_changes(dataset: fo.Dataset, brain_key: str) -> LabelChanges:
    """Returns what :func:`find_changes` says, or said within half a minute of the same labels.

    A form asks at every change of any of its inputs, and comparing is seconds of a large dataset.
    """
    storage = Storage(dataset, bool(is_of_frames(dataset, brain_key)))
    asked = (
        storage.collection,
        find_run(dataset, brain_key),
        revision(storage.documents),
        int(time.monotonic() / _RECENT_SECONDS),
    )
    return _recent.get(asked, lambda: find_changes(dataset, brain_key))


_recent: Memory[LabelChanges] = Memory(100, lambda changes: 1)


def update_visualization(
    samples: fo.core.collections.SampleCollection,
    brain_key: str,
    *,
    model: Any = None,
    weights: str | Path | None = None,
    device: str | None = None,
    batch_size: int | None = None,
    num_workers: int | None = None,
    progress: bool | Report | None = None,
    cancelled: Event | None = None,
) -> Update:
    """Adds the labels that are new since a visualization was computed, and drops the deleted ones.

    Labels whose box or image has changed are embedded and placed again. All other points stay where
    they are. The run, with its neighbor graph, is replaced in one atomic step.

    Args:
        samples: the dataset of the run; the labels are those of the view that the run was made of
        brain_key: the key of the run
        model: a loaded FiftyOne model, where the run was made with one
        weights: the checkpoint file, where the run was made with one; by default the one that the
            run records
        device: a torch device; by default a GPU where there is one
        batch_size: patches per forward pass
        num_workers: threads that decode images
        progress: as for :func:`~labelvet.visualization.compute.compute_visualization`
        cancelled: an event that, once set, stops the update; the run stays as it was

    Returns:
        an :class:`Update`

    Raises:
        LabelvetError: see :mod:`labelvet.core.errors`; nothing was written then
    """
    hardware = Hardware(device, batch_size=batch_size, num_workers=num_workers)
    backbone = FromBackbone(model, weights, hardware=hardware)
    with reporting(progress, cancelled) as tracker, raising_if_deleted(samples):
        with tracker.stage("Reading labels", _SHARE_READ):
            run = _open(samples, brain_key)
            indexed = run.results.config.points_field
            check_active_slice(run.samples, indexed, run.table.sample_ids)
        source = source_of(run.results.config, backbone)
        embedded, how = source.embed(run.samples, run.table, tracker, _SHARE_EMBED)
        table = run.table.take(embedded.rows)
        keep, old = match_ids(table.pairs, run.pairs)
        keys = embedded.keys
        same = _unchanged(run.record, old, table.boxes[keep], None if keys is None else keys[keep])
        if not same.any():
            raise NoPatches(
                f"All labels of '{brain_key}' were changed or deleted: compute it again instead."
            )
        first, _ = next(table.parts())
        if not len(first):
            raise NoPatches(
                f"None of the labels of '{first.patches_field}', the first field of '{brain_key}', "
                "is left: compute it again without that field instead."
            )
        changes = LabelChanges(
            new=len(table) - len(keep),
            changed=int((~same).sum()),
            deleted=len(run.pairs) - len(match_ids(run.pairs, run.table.pairs)[0]),
            unchanged=int(same.sum()),
        )
        keep, old = keep[same], old[same]
        config = copy.deepcopy(run.results.config)
        notes = _embedded_otherwise(config, how)
        if not changes and not notes and len(table) == len(run.pairs):
            return Update(brain_key, run.results, changes, embedded.unreadable, embedded.failed)

        points = np.full((len(table), run.points.shape[1]), np.nan, dtype=np.float32)
        points[keep] = run.points[old]
        with tracker.stage("Finding neighbors", _SHARE_NEIGHBORS) as stage:
            metric = getattr(run.method, "metric", "euclidean")
            k = neighbors_needed(run.method, len(table))
            graph = build_neighbor_graph(
                embedded.vectors, k, metric, run.method.seed, progress=stage.set
            )
        with tracker.stage("Placing new points", _SHARE_PLACE):
            points = place_points(embedded.vectors, points, run.method, graph)
        with tracker.stage(SAVING, _SHARE_SAVE):
            config.points_field = None
            record = RunRecord(graph, table.boxes, keys)
            results = save_visualization(
                run.samples, brain_key, config, table, points, record=record, seen=run.seen
            )
            if indexed is not None:
                with saved_before(run.samples, brain_key, "The spatial index"):
                    results.index_points(points_field=indexed, progress=False)
    shrink_store()
    return Update(
        brain_key, results, changes, embedded.unreadable, embedded.failed, embedded.notes + notes
    )


def _embedded_otherwise(config: Any, how: dict[str, Any]) -> list[str]:
    """Notes in a run's config with what its labels were embedded now, and says so where that is
    something else: they were all embedded again then, as one store holds one precision."""
    before, now = getattr(config, "labelvet", None), how.get("labelvet")
    if not before or not now:
        return []
    reasons = []
    if before.get("precision") != now["precision"]:
        reasons.append(
            f"The run was embedded in {before['precision']}, and this machine embeds in "
            f"{now['precision']}"
        )
    if before.get("decoded") != now["decoded"]:
        reasons.append(
            "The run was made by a version that decoded images differently, for example without "
            "EXIF orientation"
        )
    known = ("precision", "decoded", "checkpoint")
    config.labelvet = {**before, **{name: now[name] for name in known if name in now}}
    return [f"{reason}: all its labels were embedded again." for reason in reasons]


@dataclass(frozen=True, eq=False)
class _Run:
    """A run, and its labels as they are now."""

    samples: Any
    results: fbv.VisualizationResults
    method: Method
    record: RunRecord | None
    table: PatchTable
    seen: ObjectId | None
    others: list[FieldPoints]

    @property
    def pairs(self) -> NDArray[np.str_]:
        own = pair_ids(self.results.sample_ids, self.results.label_ids)
        return np.concatenate([own, *(one.pairs for one in self.others)]) if self.others else own

    @property
    def points(self) -> NDArray[np.float32]:
        own: NDArray[np.float32] = self.results.points
        return np.concatenate([own, *(one.points for one in self.others)]) if self.others else own


def _open(samples: Any, brain_key: str) -> _Run:
    seen = find_run(samples, brain_key)
    view, results = load_visualization(samples, brain_key)
    method = _method_of(results.config, brain_key)
    record = load_record(samples, brain_key)
    others = load_other_fields(samples, brain_key)
    if find_run(samples, brain_key) != seen:  # what was read may be of two
        raise StaleRun(
            f"The visualization '{brain_key}' was computed, updated or deleted in the meantime: "
            "try again."
        )
    how = getattr(results.config, "labelvet", None) or {}
    outlined = "precision" in how and CropSettings.of(how).needs_outlines
    fields = [results.config.patches_field, *(one.field for one in others)]
    table = read_patches_left(view, fields, outlines=outlined)
    check_ids(table)
    return _Run(view, results, method, record, table, seen, others)


def _compare(run: _Run) -> LabelChanges:
    now, old = match_ids(run.table.pairs, run.pairs)
    unchanged = _unchanged(run.record, old, run.table.boxes[now], None)
    unchanged[_replaced(run, now, old)] = False
    same = int(unchanged.sum())
    return LabelChanges(
        new=len(run.table) - len(now) - len(run.table.take(_others(run, now)).unusable_boxes()),
        changed=len(now) - same,
        deleted=len(run.pairs) - len(now),
        unchanged=same,
    )


def _replaced(run: _Run, now: NDArray[np.int64], old: NDArray[np.int64]) -> NDArray[np.int64]:
    """Returns which of the labels have another image file than was embedded, as far as this comes
    in ``_LOOK_SECONDS``; a file that cannot be seen from here tells nothing."""
    if run.record is None or run.record.keys is None:
        return np.empty(0, dtype=np.int64)
    table, deadline = run.table, time.monotonic() + _LOOK_SECONDS
    replaced = []
    by_image = np.argsort(table.media[now], kind="stable")
    for start in range(0, len(by_image), _LOOK_AT):
        if time.monotonic() > deadline:
            break
        some = by_image[start : start + _LOOK_AT]
        differ = some[run.record.keys[old[some]] != patch_keys(table, now[some])]
        paths = table.filepaths[table.media[now[differ]]]
        replaced.append(differ[[os.path.exists(str(path)) for path in paths]])
    return np.concatenate([np.empty(0, np.int64), *replaced])


def _others(run: _Run, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.setdiff1d(np.arange(len(run.table)), rows)


def _unchanged(
    record: RunRecord | None,
    old: NDArray[np.int64],
    boxes: NDArray[np.float64],
    keys: NDArray[np.void] | None,
) -> NDArray[np.bool_]:
    """Whether the labels of the run's rows ``old`` are those that were embedded, (len(old),)."""
    if record is None:
        return np.ones(len(old), dtype=bool)
    if keys is not None and record.keys is not None:
        return np.asarray(record.keys[old] == keys)
    return np.asarray((record.boxes[old] == boxes).all(axis=1))


def _method_of(config: Any, brain_key: str) -> Method:
    name = getattr(config, "method", None)
    if name not in METHODS:
        raise InvalidParameter(
            f"'{brain_key}' was not made by UMAP, t-SNE or PCA, so nothing can be added to it: "
            "compute a visualization with labelvet instead."
        )
    wanted = {each.name for each in fields(METHODS[name])}
    known = {key: value for key, value in config.serialize().items() if key in wanted}
    return make_method(name, **known)
