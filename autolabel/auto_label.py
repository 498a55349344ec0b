"""Labels the images of a view with a detector: decoded once, detected in batches, written in bulk.

Beside its labels, each image gets a mark of the run, in the same update of the database. So a run
that was cut off at any moment goes on with the images that have no mark, and labels none twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from threading import Event
from typing import Any

import fiftyone as fo
from bson import ObjectId
from pymongo import UpdateOne

from ..core.errors import Cancelled, InvalidParameter, NoPatches, UnknownRun
from ..core.progress import Progress, Report
from ..core.sentences import agree, count, first_line
from ..dataset.alone import alone
from ..dataset.brain_runs import raise_if_deleted
from ..dataset.changes import unique_moment
from ..dataset.checked_writes import write_checked
from ..dataset.documents import now, reload_samples, samples_of
from ..dataset.expressions import keep
from ..dataset.label_fields import LabelField
from ..dataset.label_types import LABEL_TYPES
from ..dataset.patches import as_images, sample_id_path
from ..dataset.removed import drop_empty, prepare, removed_field
from ..dataset.reporting import raising_if_deleted, reporting
from ..dataset.schema import Attribute, declare_attributes, declare_labels
from ..dataset.storage import home_of
from ..embeddings.decoding import DecodingThreads, UnreadableImage, num_workers_beside, read_pixels
from ..embeddings.hardware import Hardware
from .detectors import Detector, load_detector
from .replacing import (
    MARK,
    begin_replacement,
    mark_replaced,
    marked_labels,
    marked_since,
    of_run,
    open_replacement,
    replaced,
)
from .runs import (
    DEFAULT_CONFIDENCE,
    REPLACE,
    RUN_ATTRIBUTE,
    RUN_CANCELED,
    RUN_FAILED,
    RUN_GENERATING,
    RUN_IN_REVIEW,
    AutoLabelRun,
    asks_the_same,
    check_existing,
    check_label_field,
    check_ours,
    get_run,
    heartbeat,
    save_run,
    taken,
)
from .tracking import INDEX_ATTRIBUTE, Tracked, check_trackable, track_labels

_ATTRIBUTES = {RUN_ATTRIBUTE: Attribute(fo.StringField, "The run of auto labeling that found it")}
_BATCH_CPU, _BATCH_GPU = 8, 32
_DROPPED_AT_ONCE = 10_000
_SHARE_LOAD, _SHARE_DETECT, _SHARE_TRACK = 0.03, 0.97, 0.1
_KEEP = "the images before it keep their labels"


@dataclass(frozen=True)
class AutoLabeled:
    """What :func:`auto_label` did.

    Attributes:
        run: the run, with its labels counted
        images: how many images were labeled now
        before: how many had been labeled by this run before
        unreadable: ``{filepath: reason}`` of the images that were skipped
        tracked: which tracks the run has in the videos of these images, None where it follows none
    """

    run: AutoLabelRun
    images: int
    before: int
    unreadable: dict[str, str] = field(default_factory=dict)
    tracked: Tracked | None = None

    def summary(self) -> str:
        """Returns a few sentences that tell how the run went."""
        labels = f"{count(self.run.labels, 'label')} of '{self.run.name}'"
        sentences = [f"{labels} in '{self.run.label_field}', in {count(self.run.images, 'image')}."]
        if self.before:
            sentences.append(f"{count(self.before, 'image')} had been labeled before.")
        if self.tracked:
            tracks, videos = self.tracked.tracks, self.tracked.videos
            were = agree(tracks, "was", "were")
            sentences.append(
                f"{count(tracks, 'track')} {were} followed in {count(videos, 'video')}."
            )
        if self.unreadable:
            sentences.append(
                f"{count(len(self.unreadable), 'image')} could not be read and "
                f"{agree(len(self.unreadable), 'was', 'were')} skipped."
            )
        return " ".join(sentences)


@dataclass(frozen=True)
class _Task:
    """What a run does.

    Attributes:
        dataset: where it labels
        of: the field that gets the labels
        run: the run
        moment: of the replacement that it makes, None where it replaces nothing
        unreadable: ``{filepath: reason}`` of the images that it skipped so far
    """

    dataset: fo.Dataset
    of: LabelField
    run: AutoLabelRun
    moment: datetime | None
    unreadable: dict[str, str] = field(default_factory=dict)


def auto_label(
    samples: fo.core.collections.SampleCollection,
    model: str | Any,
    label_field: str,
    run_name: str,
    *,
    classes: Sequence[str] | None = None,
    confidence: float = DEFAULT_CONFIDENCE,
    existing: str | None = None,
    track: bool = False,
    device: str | None = None,
    batch_size: int | None = None,
    num_workers: int | None = None,
    user: str | None = None,
    progress: bool | Report | None = None,
    cancelled: Event | None = None,
) -> AutoLabeled:
    """Finds objects in images and writes them as labels, beside the labels that are there.

    A run of this name that did not finish is gone on with.

    Example::

        done = labelvet.auto_label(dataset, "yolov8s-world.pt", "yolow_detections", "first_pass",
                                   classes=["car", "traffic sign"])
        print(done.summary())

    Args:
        samples: a dataset or a view of images; of a view of frames, the frames get the labels
        model: see :func:`labelvet.autolabel.detectors.load_detector`
        label_field: a field of the type that the model finds, new or existing; an image that has a
            label of another source keeps it alone where the field has room for one. Into one of
            Classifications a classifier writes all classes that it is sure enough of
        run_name: the name of the run, an identifier
        classes: what to look for, None for all that the model knows
        confidence: labels below it are left out, in [0, 1]
        existing: where a run of this name has finished: ``"replace"`` its labels, which
            :func:`labelvet.autolabel.replacing.undo_replacement` brings back, or label
            ``"only_new"`` images
        track: whether to follow objects through the frames of their videos, and give the labels of
            each one ``index``; see :mod:`labelvet.autolabel.tracking`
        device: a torch device; by default a GPU where there is one
        batch_size: images per forward pass
        num_workers: threads that decode images
        user: who asks for it, kept with the run
        progress: whether to draw a progress line in the terminal, or a function that takes a
            fraction and a line; None follows ``fiftyone.config.show_progress_bars``
        cancelled: an event that, once set, stops the run; the images that are done stay labeled

    Returns:
        an :class:`AutoLabeled`

    Raises:
        LabelvetError: if an argument or the model cannot be used; nothing was written then
        Cancelled: if the run was cancelled
    """
    samples = as_images(samples, "Objects can only be found in")
    dataset = home_of(samples)
    name = model if isinstance(model, str) else type(model).__name__
    wanted = tuple(dict.fromkeys(classes)) if classes else None
    hardware = Hardware(device, batch_size=batch_size, num_workers=num_workers)
    run = AutoLabelRun(
        run_name, label_field, name, wanted, confidence, track=bool(track), user=user
    )
    if run.track:
        check_trackable(dataset)
    check_label_field(dataset, label_field)
    before = check_existing(dataset, run, existing)

    with reporting(progress, cancelled) as tracker, raising_if_deleted(samples):
        images = _images_of(samples)
        with tracker.stage("Loading the model", _SHARE_LOAD):
            labels = dataset.get_field(label_field)
            several = getattr(labels, "document_type", None) is fo.Classifications
            detector = load_detector(model, wanted, confidence, device, several)
        check_label_field(dataset, label_field, detector.finds)
        of = LabelField(label_field, LABEL_TYPES[detector.finds])
        if run.track and of.type.is_of_whole_images:
            raise InvalidParameter(
                f"'{name}' tells classes of whole images, which cannot be followed: leave the "
                "tracks out, or choose a model that finds objects."
            )
        with alone(dataset, f"begin {run_name}", taken(run_name)):
            # another process may have begun while the model was loaded
            earlier = check_existing(dataset, run, existing)
            if _moved(before, earlier):
                raise InvalidParameter(taken(run_name))
            _declare(dataset, of, run)
            began = unique_moment(dataset).replace(tzinfo=timezone.utc)
            run = replace(run, created=began, seen=began)
            task = _Task(dataset, of, *_begin(dataset, run, earlier, existing))
        tracked = None
        try:
            with heartbeat(dataset, task.run):
                if task.run.replacing and task.moment is not None:
                    mark_replaced(dataset, task.run, task.moment)
                labeled, done = _label_images(task, images, detector, hardware, tracker)
                _drop_unmarked(task)
                if task.run.track:
                    tracked = track_labels(
                        dataset, of, task.run, list(images), tracker, share=_SHARE_TRACK
                    )
        except BaseException as error:
            raise_if_deleted(samples)
            reason = _reason(error, task.moment is not None)
            state = RUN_CANCELED if isinstance(error, Cancelled) else RUN_FAILED
            _finish(task, state=state, why=reason)
            if isinstance(error, Cancelled):
                raise Cancelled(reason) from error
            raise
        run = _finish(task, state=RUN_IN_REVIEW)
    return AutoLabeled(run, labeled, done, task.unreadable, tracked)


def _moved(before: AutoLabelRun | None, now: AutoLabelRun | None) -> bool:
    """Whether somebody else began or ended a run since it was read."""
    if before is None or now is None:
        return now is not None
    return (before.state, before.created) != (now.state, now.created)


def _begin(
    dataset: fo.Dataset, run: AutoLabelRun, earlier: AutoLabelRun | None, existing: str | None
) -> tuple[AutoLabelRun, datetime | None]:
    """Writes the record of a run; returns it, and the moment of the replacement that it makes or
    goes on with, None where it replaces nothing."""
    if earlier is not None and existing == REPLACE and not _is_unfinished(earlier, run):
        run = replace(run, replacing=True)
        return run, begin_replacement(dataset, earlier, run).what["moment"]
    replacement = None
    if earlier is not None:
        by = earlier.user or run.user
        run = replace(run, created=earlier.created, user=by, replacing=earlier.replacing)
        # one that was cut off goes on as it was begun
        replacement = open_replacement(dataset, run)
        if replacement is not None:
            prepare(dataset, run.label_field)
    save_run(dataset, run)
    return run, None if replacement is None else replacement.what["moment"]


def _images_of(samples: Any) -> dict[str, str]:
    """Returns the paths of images by their samples' ids.

    Raises:
        NoPatches: if there are none
    """
    # a patches view has an image several times
    ids, paths = samples.values([sample_id_path(samples), "filepath"])
    if not ids:
        raise NoPatches("There are no images in this view: choose another target view.")
    return dict(zip(ids, paths, strict=True))


def _label_images(
    task: _Task, images: dict[str, str], detector: Detector, hardware: Hardware, tracker: Progress
) -> tuple[int, int]:
    """Labels the images without a mark; returns how many these were, and how many had one."""
    of, run = task.of, task.run
    which: list[dict[str, Any]] = [{f"{run.label_field}.{MARK}": run.name}]
    # where nothing is replaced, nor what an image that could not be read kept
    if task.moment is None:
        which.append({f"{of.root}.{RUN_ATTRIBUTE}": run.name})
    if of.type.items is None:
        which.append(_taken(of, run))
    marked = samples_of(task.dataset).find({"$or": which}, {"_id": 1})
    done = {str(document["_id"]) for document in marked}
    missing = [(id_, path) for id_, path in images.items() if id_ not in done]
    size = hardware.batch_size or (_BATCH_CPU if detector.device == "cpu" else _BATCH_GPU)
    labeled, share = 0, _SHARE_DETECT - (_SHARE_TRACK if run.track else 0)

    def read(image: tuple[str, str]) -> Any:
        return detector.prepare(read_pixels(image[1]))

    with (
        tracker.stage("Finding objects", share, len(images), "images") as stage,
        DecodingThreads(hardware.num_workers or num_workers_beside(detector.device)) as threads,
    ):
        stage.set(len(images) - len(missing))
        batch: list[tuple[str, Any]] = []
        for (id_, path), image in threads.work_ahead(read, missing):
            if isinstance(image, UnreadableImage):
                task.unreadable[path] = str(image)
                stage.advance()
                continue
            batch.append((id_, image))
            if len(batch) == size:
                labeled += _label_batch(task, detector, batch)
                stage.advance(len(batch))
                batch = []
        if batch:
            labeled += _label_batch(task, detector, batch)
            stage.advance(len(batch))
    return labeled, len(images) - len(missing)


def _taken(of: LabelField, run: AutoLabelRun) -> dict[str, Any]:
    """The filter of the images where a label of another source has all the room."""
    return {f"{of.root}._id": {"$exists": True}, f"{of.root}.{RUN_ATTRIBUTE}": {"$ne": run.name}}


def _label_batch(task: _Task, detector: Detector, batch: list[tuple[str, Any]]) -> int:
    dataset, of, run, moment = task.dataset, task.of, task.run, task.moment
    found = detector.detect([image for _, image in batch])
    check_ours(dataset, run)
    updates: dict[ObjectId, Any] = {}
    for (id_, _), labels in zip(batch, found, strict=True):
        some = [labels] if of.type.items is None else labels[of.type.items]
        some = [label for label in some if label is not None]
        for label in some:
            label[RUN_ATTRIBUTE] = run.name
        updates[ObjectId(id_)] = _labeling(of, run, moment, [label.to_dict() for label in some])

    def write(there: dict[str, Any]) -> None:
        # another process of the run may have come to an image meanwhile, and somebody reviewed it
        asked = {f"{run.label_field}.{MARK}": {"$ne": run.name}, **there}
        if of.type.items is None:
            asked["$nor"] = [_taken(of, run)]
        bulk = [UpdateOne({"_id": id_, **asked}, update) for id_, update in updates.items()]
        samples_of(dataset).bulk_write(bulk, ordered=False)

    removing = None if moment is None else run.label_field
    fields = [run.label_field, *([] if removing is None else [removed_field(removing)])]
    images = {"_id": {"$in": list(updates)}}
    write_checked(dataset, fields, images, write, before=_KEEP, removing=removing)
    reload_samples(dataset, [id_ for id_, _ in batch])
    return len(batch)


def _labeling(
    of: LabelField, run: AutoLabelRun, moment: datetime | None, documents: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """The update that gives an image a run's labels and its mark, in place of the labels that the
    run gave it before, which can come back; labels of others stay."""
    kept = keep(of.labels(), {"$not": [of_run("$$l", run.name)]})
    marks = [run.name, *([] if moment is None else [marked_since(run.name, moment)])]
    labels = {"$concatArrays": [kept, {"$literal": documents}]}
    marked = marked_labels(of, labels, lambda there: {"$setUnion": [there, marks]})
    update = {of.name: marked, "last_modified_at": now()}
    return [{"$set": update if moment is None else {**update, **replaced(of, run.name, moment)}}]


def _drop_unmarked(task: _Task) -> None:
    """Drops what a replaced run left in images that the new one does not have; those that could not
    be read keep it."""
    dataset, of, run, moment = task.dataset, task.of, task.run, task.moment
    if moment is None:
        return
    path = run.label_field
    rest = of.where_there(keep(of.labels(), {"$not": [of_run("$$l", run.name)]}))
    update = {path: rest, "last_modified_at": now(), **replaced(of, run.name, moment)}
    unmarked = {
        f"{path}.{MARK}": {"$ne": run.name},
        f"{of.root}.{RUN_ATTRIBUTE}": run.name,
    }
    # a query cannot name all that may be unreadable: it holds 16 MB
    found = samples_of(dataset).find(unmarked, {"filepath": 1})
    ids = [image["_id"] for image in found if image["filepath"] not in task.unreadable]
    for start in range(0, len(ids), _DROPPED_AT_ONCE):
        left = {**unmarked, "_id": {"$in": ids[start : start + _DROPPED_AT_ONCE]}}

        def write(there: dict[str, Any], left: dict[str, Any] = left) -> None:
            samples_of(dataset).update_many({"$and": [left, there]}, [{"$set": update}])

        write_checked(
            dataset, [path, removed_field(path)], left, write, before=_KEEP, removing=path
        )
    drop_empty(dataset, path, moment)


def _finish(task: _Task, *, state: str, why: str | None = None) -> AutoLabelRun:
    """Writes how the run ended, with its labels counted as the database has them."""
    dataset, of, run = task.dataset, task.of, task.run
    labels = keep(of.labels(), of_run("$$l", run.name))
    counts = samples_of(dataset).aggregate(
        [
            {"$match": {f"{of.name}.{MARK}": run.name}},
            {"$group": {"_id": None, "images": {"$sum": 1}, "labels": {"$sum": {"$size": labels}}}},
        ]
    )
    found = next(iter(counts), {"images": 0, "labels": 0})
    try:
        record = get_run(dataset, run.name)
    except UnknownRun:  # it was deleted meanwhile
        record = run
    run = replace(
        run,
        state=state,
        seen=record.seen,  # as its heartbeat wrote
        labels=found["labels"],
        images=found["images"],
        unreadable=len(task.unreadable),
        error=why,
        replacing=run.replacing and state != RUN_IN_REVIEW,
    )
    if record.created == run.created:
        save_run(dataset, run)
    return run


def _declare(dataset: fo.Dataset, of: LabelField, run: AutoLabelRun) -> None:
    """Adds the field and the attributes of the run to the schema, where they are not there.

    Raises:
        UnknownField: if another run made a field of another type of it meanwhile
    """
    dataset.reload()
    declare_labels(dataset, of.name, of.type.document)
    check_label_field(dataset, of.name, of.type.document)
    declare_attributes(dataset, of.root, _ATTRIBUTES | (INDEX_ATTRIBUTE if run.track else {}))


def _is_unfinished(earlier: AutoLabelRun, run: AutoLabelRun) -> bool:
    # a replacement that was killed, cancelled or failed goes on, and does not start over
    is_unfinished = earlier.state == RUN_GENERATING or (
        earlier.state in (RUN_FAILED, RUN_CANCELED) and earlier.replacing
    )
    return is_unfinished and asks_the_same(earlier, run)


def _reason(error: BaseException, replaces: bool) -> str:
    if isinstance(error, Cancelled) and replaces:
        return (
            "Canceled: the images that were done have new labels, the rest keep their old ones. "
            "Undo restores everything that was replaced."
        )
    if isinstance(error, Cancelled):
        return "Canceled: the images that were done keep their labels."
    return f"{first_line(error)}."
