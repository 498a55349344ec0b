"""A source in FiftyOne, judged: imported anew only where its files changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import fiftyone as fo

from ..core.errors import BadDataset, InvalidParameter
from ..core.progress import Report
from ..core.sentences import count
from ..core.versions import check_fiftyone
from ..folders.source import LabelSource
from ..review.answers import NOT_AN_OBJECT, WRONG_CLASS
from .result import PLACE, CheckResult, read_result

NAME = "check"
FIELD = "labels"
BRAIN_KEY = "labels_map"
_INFO = "labelvet_check"
_SAMPLES_PER_WRITE = 1000
# of the whole
_IMPORT_SHARE, _MAP_SHARE = 0.1, 0.75


@dataclass(frozen=True)
class CheckSettings:
    """What is asked of a check.

    Attributes:
        source: the labels
        seconds: predictions of other detectors for its images
        lenient: whether what is broken was left out
        mapped: whether a map for people is wanted, which takes longer
        start_over: whether answers that were given in the App and not exported may be lost
    """

    source: LabelSource
    seconds: Sequence[LabelSource] = ()
    lenient: bool = False
    mapped: bool = False
    start_over: bool = False

    def state(self) -> dict[str, Any]:
        """Returns what the dataset must have been made of to be used again."""
        return {
            "source": self.source.fingerprint(),
            "seconds": [second.fingerprint() for second in self.seconds],
            "lenient": self.lenient,
            "fiftyone": check_fiftyone(),
        }


def run_check(settings: CheckSettings, report: Report) -> tuple[fo.Dataset, CheckResult]:
    """Imports, embeds and judges what is not yet, and returns the dataset and what was found.

    Args:
        settings: what to check
        report: told of progress

    Raises:
        BadDataset: if an image turns out to be broken
        InvalidParameter: if the files changed, and answers would be lost
    """
    dataset = _imported(settings, report)
    kept = dataset.info[_INFO]
    method = "umap" if settings.mapped else "pca"
    known = dataset.get_brain_info(BRAIN_KEY) if dataset.has_brain_run(BRAIN_KEY) else None
    if "notes" not in kept or (settings.mapped and known and known.config.method != "umap"):
        # they load torch, which a run that finds all of it done does not need
        from ..issues.find import describe_geometry, find_label_issues
        from ..visualization.compute import compute_visualization

        run = compute_visualization(
            dataset,
            FIELD,
            BRAIN_KEY,
            method=method,
            seed=None if settings.mapped else 51,
            overwrite=True,
            progress=_part(report, _IMPORT_SHARE, _MAP_SHARE),
        )
        if run.unreadable and not settings.lenient:
            first = next(iter(run.unreadable))
            raise BadDataset(f"{count(len(run.unreadable), 'image')} cannot be read, as '{first}'.")
        issues = find_label_issues(
            dataset,
            BRAIN_KEY,
            second_fields=_second_fields(settings),
            progress=_part(report, _MAP_SHARE, 1.0),
        )
        notes = [*issues.notes, describe_geometry(issues.geometry)]
        dataset.info[_INFO] = {**kept, "notes": notes}
        dataset.save()
    source = settings.source
    return dataset, read_result(
        dataset,
        FIELD,
        _second_fields(settings),
        f"{source.format} '{source.path}'",
        [*source.notes, *dataset.info[_INFO]["notes"]],
    )


def checked_dataset(source: LabelSource) -> fo.Dataset:
    """Returns the dataset of a source that was checked, as it is now.

    Raises:
        InvalidParameter: if it was not checked, or its files changed since
    """
    if not fo.dataset_exists(NAME):
        raise InvalidParameter(
            f"'{source.path}' has not been checked yet: run labelvet check or labelvet open first."
        )
    dataset = fo.load_dataset(NAME)
    if dataset.info.get(_INFO, {}).get("state", {}).get("source") != source.fingerprint():
        raise InvalidParameter(
            f"The files of '{source.path}' changed since they were checked, so that corrections "
            "cannot be told from these changes: nothing was written."
        )
    return dataset


def mark_exported(dataset: fo.Dataset, source: LabelSource) -> None:
    """Writes down that the files hold every answer that was given until now."""
    dataset.info[_INFO] = {**dataset.info[_INFO], "exported": source.fingerprint()}
    dataset.save()


def _imported(settings: CheckSettings, report: Report) -> fo.Dataset:
    state = settings.state()
    if fo.dataset_exists(NAME):
        dataset = fo.load_dataset(NAME)
        kept = dataset.info.get(_INFO, {})
        if kept.get("state") == state and not settings.start_over:
            return dataset
        answers = _count_answers(dataset)
        exported = kept.get("exported") == state["source"]
        if answers and not exported and not settings.start_over:
            raise InvalidParameter(
                f"What is checked changed since, and {count(answers, 'correction')} that you made "
                "in the App would be lost: --start-over forgets them."
            )
    # it gets its name once it is complete
    building = f"{NAME}-building"
    if fo.dataset_exists(building):
        fo.delete_dataset(building)
    dataset = fo.Dataset(building, persistent=True)
    report(0.0, "Importing labels")
    fields = (FIELD, *_second_fields(settings))
    by_field = [
        {image.path: image.labels for image in source.images}
        for source in (settings.source, *settings.seconds)
    ]
    images = [image.path for image in settings.source.images]
    for start in range(0, len(images), _SAMPLES_PER_WRITE):
        some = images[start : start + _SAMPLES_PER_WRITE]
        dataset.add_samples(
            [
                fo.Sample(
                    filepath=str(path),
                    **{
                        name: _detections(labels.get(path, []), placed=name == FIELD)
                        for name, labels in zip(fields, by_field, strict=True)
                    },
                )
                for path in some
            ],
            progress=False,
            dynamic=True,
        )
        done = start + len(some)
        report(
            _IMPORT_SHARE * done / len(images),
            f"Importing labels · {done:,} of {len(images):,} images",
        )
    dataset.info[_INFO] = {"state": state}
    dataset.save()
    if fo.dataset_exists(NAME):
        fo.delete_dataset(NAME)
    dataset.name = NAME
    return dataset


def _detections(labels: Sequence[Any], placed: bool) -> fo.Detections:
    return fo.Detections(
        detections=[
            fo.Detection(
                label=label.name,
                bounding_box=list(label.box),
                confidence=label.confidence,
                **({PLACE: label.place} if placed else {}),
            )
            for label in labels
        ]
    )


def _second_fields(settings: CheckSettings) -> tuple[str, ...]:
    return tuple(
        "second" if number == 0 else f"second_{number + 1}"
        for number in range(len(settings.seconds))
    )


def _count_answers(dataset: fo.Dataset) -> int:
    root = f"{FIELD}.detections.review"
    if not dataset.has_field(root):
        return 0
    given = dataset.count_values(root)
    return int(given.get(WRONG_CLASS, 0) + given.get(NOT_AN_OBJECT, 0))


def _part(report: Report, begin: float, end: float) -> Report:
    return lambda fraction, line: report(begin + (end - begin) * fraction, line)
