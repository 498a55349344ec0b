"""Sends labels to an annotation tool through FiftyOne's own ``annotate``, and writes down what."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
from typing import Any

import fiftyone as fo
import fiftyone.core.media as fom
from fiftyone import ViewField as F

from ..core.errors import Cancelled, InvalidParameter, NoPatches
from ..core.progress import Report
from ..core.sentences import count
from ..core.user import current_user
from ..dataset.changes import unique_moment
from ..dataset.documents import hex_ids
from ..dataset.label_counts import count_labels
from ..dataset.label_views import filter_labels, has_tag
from ..dataset.patches import read_label_ids
from ..dataset.schema import check_writable
from ..dataset.states import APPROVED_TAG, FLAGGED_TAG, state_of
from ..dataset.storage import Storage, locate, storage_of
from ..issues.attributes import ISSUE, MISLABELED, MISPLACED, SUGGESTED, SUGGESTED_BOX
from .records import Handover, SentLabel, State, drop_handover, write_handover
from .tools import check_tool, images_per_run, run_options, speaking_to, title

_SAMPLES_PER_READ = 5_000


@dataclass(frozen=True)
class Sent:
    """What was sent.

    Attributes:
        handover: the record of it
        suggested: in how many labels a suggested class or box was sent
        left_out: why labels stayed here, and how many
    """

    handover: Handover
    suggested: int
    left_out: dict[str, int]

    def summary(self) -> str:
        """Says it in a few sentences."""
        sent = self.handover
        parts = [
            f"{count(sent.labels, 'label')} in {count(sent.images, 'image')} sent to "
            f"{title(sent.backend)} as '{sent.anno_key}'"
        ]
        if self.suggested:
            parts.append(f", {self.suggested:,} of them as suggested")
        if len(sent.runs) > 1:
            parts.append(f", in {len(sent.runs)} projects")
        parts.append(".")
        parts += [f" {number:,} {why}." for why, number in self.left_out.items() if number]
        return "".join(parts)


def list_sendable_fields(samples: Any) -> list[str]:
    """Returns the names of a collection's fields of Detections."""
    schema = samples.get_field_schema(ftype=fo.EmbeddedDocumentField)
    single = (fo.Detections, fo.Detection) if samples._dataset._is_patches else (fo.Detections,)
    return [name for name, field in schema.items() if field.document_type in single]


def flagged_labels(samples: Any, field: str) -> Any:
    """Returns the view of the labels that are tagged ``needs-review``."""
    return filter_labels(samples, field, tags=[FLAGGED_TAG])


def count_sendable(samples: Any, field: str, flagged: bool, whole_images: bool) -> int:
    """Counts the labels of a collection that :func:`send_for_correction` sends with these
    arguments, but for the others of their images."""
    shown = flagged_labels(samples, field) if flagged else samples
    named = F("label") != None  # noqa: E711
    # with all of an image they go along
    goes = named if whole_images else named & ~has_tag(APPROVED_TAG)
    return count_labels(shown, field, goes)


def send_for_correction(
    samples: fo.core.collections.SampleCollection,
    field: str,
    anno_key: str,
    backend: str | None = None,
    *,
    flagged: bool = True,
    whole_images: bool = False,
    suggestions: bool = True,
    by: str | None = None,
    progress: Report | None = None,
    cancelled: Event | None = None,
) -> Sent:
    """Sends boxes to Label Studio or CVAT, as the labels that its annotators begin with.

    The server and its credentials are those of FiftyOne's annotation config. Approved labels stay
    here, unless whole images are sent, as do labels without a class.

    Args:
        samples: the dataset or a view, a patches view too
        field: a field of Detections
        anno_key: names what is sent, and FiftyOne's annotation run
        backend: FiftyOne's name of the tool, ``labelstudio`` or ``cvat``; by default that of its
            annotation config
        flagged: whether only labels that are tagged ``needs-review`` are sent
        whole_images: whether the other labels of their images are sent, too, so that nobody draws
            anew what is there
        suggestions: whether a label goes with the class or box that *Find label issues* suggests
            for it, where it does
        by: who sends it; by default the user of this process
        progress: called with a fraction and a line
        cancelled: once set, no further project is sent

    Raises:
        InvalidParameter: if an argument cannot be used, or the images are not there
        UnknownField: if there is no such field
        NoPatches: if there is nothing to send
        ToolUnavailable: if the tool is not set up, or does not answer
        Cancelled: if it was
    """
    backend = backend or fo.annotation_config.default_backend
    dataset, storage = _checked(samples, field, anno_key, backend)
    shown = flagged_labels(samples, field) if flagged else samples
    sample_ids, ids = read_label_ids(shown, field)
    images = list(dict.fromkeys(hex_ids(sample_ids)))
    wanted = None if whole_images else set(zip(hex_ids(sample_ids), hex_ids(ids), strict=True))
    labels, left_out = _read(storage, field, images, wanted)
    if not labels:
        tagged = f" tagged {FLAGGED_TAG}" if flagged else ""
        raise NoPatches(
            f"No label of '{field}'{tagged} can be sent here{_because(left_out)}: choose others."
        )
    if suggestions:
        labels = _with_suggestions(storage, field, labels)
    images = list(dict.fromkeys(one.sample_id for one in labels))
    _check_files(storage, images)
    runs = list(_runs(dataset, anno_key, images, images_per_run(backend)))
    at = unique_moment(dataset)
    handover = Handover(
        anno_key, (), field, backend, by or current_user(), at, suggestions, len(labels),
        len(images),
    )  # fmt: skip
    write_handover(dataset, handover, labels)
    classes = _classes(storage, field, labels)
    for number, (run, some) in enumerate(runs):
        if progress is not None:
            progress(number / len(runs), f"Sending {count(len(images), 'image')}")
        try:
            if cancelled is not None and cancelled.is_set():
                raise Cancelled(f"Canceled: {number} of {len(runs)} projects were sent.")
            sent = [one for one in labels if one.sample_id in set(some)]
            _annotate(storage, handover, sent, run, classes)
        except BaseException:
            if run in dataset.list_annotation_runs():
                dataset.delete_annotation_run(run)
            if not handover.runs:
                drop_handover(dataset, anno_key)
            raise
        handover = replace(handover, runs=(*handover.runs, run))
        write_handover(dataset, handover)
    suggested = sum(one.sent != one.was for one in labels)
    return Sent(handover, suggested, left_out)


def check_key(dataset: fo.Dataset, anno_key: Any) -> None:
    """Checks that something may be sent under a key.

    Raises:
        InvalidParameter: if it is no name, or taken
    """
    if not isinstance(anno_key, str) or not anno_key.isidentifier():
        raise InvalidParameter(
            "An annotation key has letters, digits and underscores, and begins with no digit."
        )
    if anno_key in dataset.list_annotation_runs():
        raise InvalidParameter(
            f"The dataset has an annotation run '{anno_key}': choose another annotation key."
        )


def _checked(samples: Any, field: Any, anno_key: Any, backend: str) -> tuple[fo.Dataset, Storage]:
    """Refuses what cannot be sent, before anything is done."""
    dataset = samples._root_dataset
    check_key(dataset, anno_key)
    if storage_of(samples).frames or locate(dataset, field).frames:
        raise InvalidParameter(
            "Labels of frames are not sent from here: FiftyOne's own annotate() sends videos to "
            "CVAT."
        )
    kind = samples._get_label_field_type(field) if field in samples._get_label_fields() else None
    if kind is not None and field not in list_sendable_fields(samples):
        raise InvalidParameter(
            f"'{field}' holds {kind.__name__}, and only boxes (Detections) are sent for "
            "correction: choose another field."
        )
    check_writable(dataset, field)
    check_tool(backend)
    return dataset, locate(dataset, field)


def _read(
    storage: Storage, field: str, images: list[str], wanted: set[tuple[str, str]] | None
) -> tuple[list[SentLabel], dict[str, int]]:
    """Reads the labels that can be sent, as they are, and counts the others."""
    root, _ = storage.label_root(field)
    labels: list[SentLabel] = []
    approved = unnamed = 0
    names = ("id", "label", "bounding_box", "tags")
    for start in range(0, len(images), _SAMPLES_PER_READ):
        some = images[start : start + _SAMPLES_PER_READ]
        columns = storage.values(["id", *(f"{root}.{name}" for name in names)], some)
        for sample, *of_sample in zip(*columns, strict=True):
            for label_id, label, box, tags in zip(*(c or () for c in of_sample), strict=True):
                if (wanted is not None and (sample, label_id) not in wanted) or not box:
                    continue
                state = state_of(tags)
                # with all of an image they go along, to be seen
                stays = state == "approved" and wanted is not None
                approved += stays
                unnamed += label is None
                if not stays and label is not None:
                    was = State(label, tuple(box))
                    labels.append(SentLabel(sample, label_id, was, was, state))
    return labels, {"stay here as they are approved": approved, "have no class": unnamed}


def _because(left_out: dict[str, int]) -> str:
    reasons = [f"{number:,} {why}" for why, number in left_out.items() if number]
    return f" ({', '.join(reasons)})" if reasons else ""


def _with_suggestions(storage: Storage, field: str, labels: list[SentLabel]) -> list[SentLabel]:
    """Reads what is sent of labels from the very view that is sent."""
    root, _ = storage.label_root(field)
    view = _sent_view(storage, field, labels, True)
    names = ("id", "label", "bounding_box")
    columns = view.values(["id", *(f"{root}.{name}" for name in names)])
    sent = {
        (sample, label_id): State(label, tuple(box))
        for sample, *of_sample in zip(*columns, strict=True)
        for label_id, label, box in zip(*of_sample, strict=True)
    }
    return [replace(one, sent=sent[one.sample_id, one.label_id]) for one in labels]


def _sent_view(
    storage: Storage, field: str, labels: list[SentLabel], suggestions: bool
) -> fo.DatasetView:
    """The view of some labels, with what is suggested for them in their place."""
    images = list(dict.fromkeys(one.sample_id for one in labels))
    view = storage.view(images).select_labels(ids=[one.label_id for one in labels], fields=field)
    root, _ = storage.label_root(field)

    def there(name: str) -> bool:
        return storage.get_field(f"{root}.{name}") is not None

    if not suggestions or not there(ISSUE):
        return view
    if there(SUGGESTED):
        wrong = (F(ISSUE) == MISLABELED) & (F(SUGGESTED) != None)  # noqa: E711
        view = view.set_field(f"{root}.label", wrong.if_else(F(SUGGESTED), F("label")))
    if there(SUGGESTED_BOX):
        # a mask would not move with its box
        masked = (F("mask") != None) | (F("mask_path") != None)  # noqa: E711
        moved = (F(ISSUE) == MISPLACED) & (F(SUGGESTED_BOX) != None) & ~masked  # noqa: E711
        box = moved.if_else(F(SUGGESTED_BOX), F("bounding_box"))
        view = view.set_field(f"{root}.bounding_box", box)
    return view


def _check_files(storage: Storage, images: list[str]) -> None:
    view = storage.view(images)
    if view.media_type not in (fom.IMAGE, None):
        raise InvalidParameter(f"Only labels of images are sent, not of {view.media_type}.")
    files = view.values("filepath")
    missing = [file for file in files if not Path(file).is_file()]
    if missing or len(files) != len(images):
        what = missing[0] if missing else "of another slice"
        raise InvalidParameter(
            f"{count(len(images) - len(files) + len(missing), 'image')} cannot be read, the first "
            f"is {what}: send a view without them."
        )


def _runs(
    dataset: fo.Dataset, anno_key: str, images: list[str], most: int | None
) -> Iterator[tuple[str, list[str]]]:
    """Yields the keys of the annotation runs, and their images."""
    size = most or len(images)
    for number, start in enumerate(range(0, len(images), size), start=1):
        key = anno_key if number == 1 else f"{anno_key}_{number}"
        check_key(dataset, key)
        yield key, images[start : start + size]


def _classes(storage: Storage, field: str, labels: list[SentLabel]) -> list[str]:
    """The classes that annotators choose from: all of the field, and what is suggested."""
    root, _ = storage.label_root(field)
    dataset = storage.dataset
    named = dataset.classes.get(field) or dataset.default_classes or []
    there = storage.documents.distinct(f"{root}.label")
    return sorted({*named, *there, *(one.sent.label for one in labels)} - {None})


def _annotate(
    storage: Storage,
    handover: Handover,
    labels: list[SentLabel],
    run: str,
    classes: list[str],
) -> None:
    view = _sent_view(storage, handover.field, labels, handover.suggestions)
    name = f"{storage.dataset.name} {run}"
    with speaking_to(handover.backend):
        view.annotate(
            run,
            backend=handover.backend,
            label_field=handover.field,
            # named, as FiftyOne would leave out the boxes that have masks
            label_type="detections",
            classes=classes,
            attributes=False,
            **run_options(handover.backend, name),
        )
