"""The runs of auto labeling of a dataset: FiftyOne's own custom runs, readable without labelvet.

Each label that a run wrote has the run's name in its attribute ``auto_label_run``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime, timedelta, timezone
from threading import Event, Thread
from typing import Any

import fiftyone as fo
import fiftyone.constants as foc
import fiftyone.core.odm as foo
from fiftyone.core.odm.runs import RunDocument
from pymongo.errors import PyMongoError

from ..core.checks import check_name
from ..core.errors import InvalidParameter, UnknownField, UnknownRun
from ..dataset.documents import run_documents
from ..dataset.run_keys import give_key
from ..dataset.schema import check_writable, missing_fields
from ..dataset.storage import Storage

# labels that a detector is less sure of are left out
DEFAULT_CONFIDENCE = 0.25

RUN_ATTRIBUTE = "auto_label_run"

# what models find: boxes with and without masks, rotated boxes, points, classes of images
FOUND = (fo.Detections, fo.Polylines, fo.Keypoints, fo.Classification, fo.Classifications)

RUN_GENERATING, RUN_IN_REVIEW = "generating", "in_review"
RUN_APPROVED, RUN_FAILED, RUN_CANCELED = "approved", "failed", "canceled"
RUN_STATES = (RUN_GENERATING, RUN_IN_REVIEW, RUN_APPROVED, RUN_FAILED, RUN_CANCELED)

# what to do where a run of the same name exists
REPLACE, ONLY_NEW = "replace", "only_new"

_METHOD = "labelvet_auto_label"
_LONGEST_NAME = 200
_SEEN_EVERY_SECONDS = 5.0
_CUT_OFF_AFTER = timedelta(minutes=1)
_NOW = {"$dateToString": {"date": "$$NOW", "format": "%Y-%m-%dT%H:%M:%S.%L+00:00"}}


def _now() -> datetime:
    return datetime.now(timezone.utc)


@dataclass(frozen=True)
class AutoLabelRun:
    """A run of auto labeling.

    Attributes:
        name: its key among the dataset's runs, an identifier
        label_field: the field that its labels are in
        model: the name or file of the model
        classes: the classes that were asked for, None for all of the model
        confidence: the least confidence, in [0, 1]
        track: whether its objects are followed from frame to frame of their videos
        state: one of ``RUN_STATES``; a run that is killed stays "generating", and is ``cut_off``
        created: when it was started, in UTC, by the database's clock
        seen: when its process was last alive, in UTC, by the database's clock; later states do not
            change it
        labels: how many labels it wrote
        images: how many images it went through, the unreadable ones left out
        unreadable: how many images could not be read
        error: why it failed, or what was kept when it was canceled, a sentence
        user: who started it
        replacing: whether it has yet to replace labels of an earlier run of its name
        read_at: when it was read, in UTC, by the database's clock
    """

    name: str
    label_field: str
    model: str
    classes: tuple[str, ...] | None
    confidence: float
    track: bool = field(default=False, kw_only=True)
    state: str = RUN_GENERATING
    created: datetime = field(default_factory=_now)
    seen: datetime = field(default_factory=_now)
    labels: int = 0
    images: int = 0
    unreadable: int = 0
    error: str | None = None
    user: str | None = None
    replacing: bool = False
    read_at: datetime = field(default_factory=_now, compare=False)

    @property
    def finished(self) -> bool:
        """Whether it went through all its images."""
        return self.state in (RUN_IN_REVIEW, RUN_APPROVED)

    @property
    def cut_off(self) -> bool:
        """Whether its process ended without a word; a moment that lies ahead is none."""
        return self.state == RUN_GENERATING and abs(self.read_at - self.seen) > _CUT_OFF_AFTER


def check_run_name(dataset: fo.Dataset, name: Any) -> None:
    """Checks that a run of auto labeling may have a name; one that exists may be that run.

    Raises:
        InvalidParameter: if it is not a valid name, or belongs to a run of another kind
    """
    check_name(name, "run name", "first_pass", _LONGEST_NAME)
    document = run_documents(dataset, "runs").get(name)
    if document is not None and document["config"].get("method") != _METHOD:
        raise InvalidParameter(
            f"The run name '{name}' belongs to another kind of run: choose another name."
        )


def check_label_field(dataset: fo.Dataset, label_field: Any, finds: type | None = None) -> None:
    """Checks that labels can be written to a field, or that a new one may have the name.

    Args:
        dataset: the dataset, or the storage of its frames
        label_field: the field
        finds: FiftyOne's class of the labels that a model finds, None where that is not known yet

    Raises:
        UnknownField: if it holds anything but what is found
        InvalidParameter: if no field can have the name, or it is read-only
    """
    schema_field = dataset.get_field(label_field) if isinstance(label_field, str) else None
    frames = isinstance(dataset, Storage) and dataset.frames
    if frames and dataset.dataset.get_field(str(label_field)) is not None:
        raise InvalidParameter(
            f"'{label_field}' is a field of the videos themselves: choose another name for the "
            "labels of their frames."
        )
    if schema_field is None:
        if not isinstance(label_field, str) or not label_field.isidentifier():
            raise InvalidParameter(
                f"The label field '{label_field}' must be letters, digits and underscores, and "
                "must not start with a digit: for example 'yolow_detections'."
            )
        return
    found = FOUND if finds is None else (finds,)
    if getattr(schema_field, "document_type", None) not in found:
        names = [one.__name__ for one in found]
        raise UnknownField(
            f"The field '{label_field}' does not hold {' or '.join(names)}: choose one that does, "
            "or a new name."
        )
    check_writable(dataset, label_field)


def check_existing(
    dataset: fo.Dataset, run: AutoLabelRun, existing: str | None
) -> AutoLabelRun | None:
    """Returns the run that has a run's name already, if it may be replaced or gone on with.

    Raises:
        InvalidParameter: if it has finished and nobody says what to do with it, or it is another,
            or a process labels images for it now with other settings
    """
    if existing not in (None, REPLACE, ONLY_NEW):
        raise InvalidParameter(f"existing must be '{REPLACE}' or '{ONLY_NEW}', not '{existing}'.")
    check_run_name(dataset, run.name)
    found = [each for each in list_runs(dataset) if each.name == run.name]
    if not found:
        return None
    earlier = found[0]
    if earlier.label_field != run.label_field:
        raise InvalidParameter(
            f"The run '{run.name}' is in '{earlier.label_field}': label that field, or choose "
            "another name."
        )
    if not asks_the_same(earlier, run):
        check_not_labeling(earlier)
    if existing is None and earlier.finished:
        raise InvalidParameter(
            f"The run '{run.name}' exists already: replace it, label only new images, or choose "
            "another name."
        )
    if existing != REPLACE and not asks_the_same(earlier, run):
        raise InvalidParameter(
            f"The run '{run.name}' was made with {_settings(earlier, run)}: go on with the same, "
            "replace it, or choose another name."
        )
    return earlier


def check_not_labeling(run: AutoLabelRun) -> None:
    """Checks that no process labels images for a run now.

    Raises:
        InvalidParameter: if one does
    """
    if run.state == RUN_GENERATING and not run.cut_off:
        raise InvalidParameter(
            f"The run '{run.name}' is still labeling images: wait until it ends, or cancel it."
        )


def asks_the_same(one: AutoLabelRun, other: AutoLabelRun) -> bool:
    """Whether two runs ask the same of the same model."""
    return (one.model, one.classes, one.confidence, one.track) == (
        other.model, other.classes, other.confidence, other.track
    )  # fmt: skip


def list_runs(dataset: fo.Dataset) -> list[AutoLabelRun]:
    """Returns the runs of auto labeling, newest first, as the database has them now."""
    runs = [
        run_from({**document["config"], "name": name, "read_at": document["read_at"]})
        for name, document in run_documents(dataset, "runs").items()
        if document["config"].get("method") == _METHOD
    ]
    return sorted(runs, key=lambda run: run.created, reverse=True)


def get_run(dataset: fo.Dataset, name: str) -> AutoLabelRun:
    """Returns a run as the database has it now.

    Raises:
        UnknownRun: if there is no run of this name
    """
    for run in list_runs(dataset):
        if run.name == name:
            return run
    raise UnknownRun(f"There is no auto labeling run '{name}' in this dataset any more.")


def save_run(dataset: fo.Dataset, run: AutoLabelRun) -> None:
    """Writes a run, in place of an earlier state of it.

    Raises:
        InvalidParameter: see :func:`check_run_name`, or if it is new and another took its name
    """
    check_run_name(dataset, run.name)
    values = as_stored(run)
    del values["name"]
    config = dataset.init_run(method=_METHOD, **values).serialize()
    document = run_documents(dataset, "runs").get(run.name)
    if document is not None:
        foo.get_db_conn().runs.update_one({"_id": document["_id"]}, {"$set": {"config": config}})
        return
    # FiftyOne's register_run() replaces a run that somebody registered meanwhile
    new = RunDocument(
        dataset_id=dataset._doc.id,
        key=run.name,
        version=foc.VERSION,
        timestamp=run.created.replace(tzinfo=None),
        config=config,
    ).save()
    if not give_key(dataset, run.name, new.id, None, "runs"):
        new.delete()
        missing_fields(dataset, ())  # of a dataset that was deleted it says so
        raise InvalidParameter(taken(run.name))
    dataset.reload()


def check_ours(dataset: fo.Dataset, run: AutoLabelRun) -> None:
    """Checks that nobody replaced a run, or undid that, while its process did not answer.

    Raises:
        InvalidParameter: if somebody did
    """
    with suppress(UnknownRun):  # whoever deleted its record keeps its labels
        if get_run(dataset, run.name).created != run.created:
            raise InvalidParameter(
                f"The run '{run.name}' was replaced by another process, as this one had not "
                "answered for a minute: it stopped, and the record is the other one's."
            )


def taken(name: str) -> str:
    """Says that another process began a run of a name, or changed it, since that was checked."""
    return (
        f"The run '{name}' was begun or replaced by another process in the meantime: nothing was "
        "written. Choose another name, or wait until that run ends."
    )


def settle_state(dataset: fo.Dataset, run: AutoLabelRun, state: str) -> None:
    """Writes another state of a run, unless it has another one than it was read with by now."""
    document = run_documents(dataset, "runs").get(run.name)
    if document is not None:
        foo.get_db_conn().runs.update_one(
            {"_id": document["_id"], "config.state": run.state}, {"$set": {"config.state": state}}
        )


@contextmanager
def heartbeat(dataset: fo.Dataset, run: AutoLabelRun) -> Iterator[None]:
    """Has the record of a run say that its process is alive, until the block ends; one whose record
    is deleted goes on without."""
    document = run_documents(dataset, "runs").get(run.name, {"_id": None})
    done = Event()

    def say() -> None:
        # a database that is away for a while does not stop a run
        with suppress(PyMongoError):
            foo.get_db_conn().runs.update_one(
                {"_id": document["_id"]}, [{"$set": {"config.seen": _NOW}}]
            )

    def go_on() -> None:
        while not done.wait(_SEEN_EVERY_SECONDS):
            say()

    say()
    thread = Thread(target=go_on, name="labelvet-seen", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        say()


def as_stored(run: AutoLabelRun) -> dict[str, Any]:
    """Turns a run into what is stored of it."""
    values = asdict(run)
    del values["read_at"]
    return values | {"created": run.created.isoformat(), "seen": run.seen.isoformat()}


def run_from(config: dict[str, Any]) -> AutoLabelRun:
    """Makes a run of what is stored of it."""
    known = {attribute.name for attribute in fields(AutoLabelRun)}
    values = {key: value for key, value in config.items() if key in known}
    values["created"] = datetime.fromisoformat(values["created"])
    values["seen"] = datetime.fromisoformat(config.get("seen") or config["created"])
    if "read_at" in values:
        values["read_at"] = values["read_at"].replace(tzinfo=timezone.utc)
    if values["classes"] is not None:
        values["classes"] = tuple(values["classes"])
    return AutoLabelRun(**values)


def _settings(run: AutoLabelRun, other: AutoLabelRun) -> str:
    classes = f"the classes {', '.join(run.classes)}" if run.classes else "all its classes"
    tracks = ""
    if run.track != other.track:
        tracks = ", with tracks" if run.track else ", without tracks"
    return f"'{run.model}', {classes} and a confidence of {run.confidence}{tracks}"
