"""A source in FiftyOne, judged: imported anew only where its files changed."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import fiftyone as fo
import numpy as np

from ..core.errors import BadDataset, InvalidParameter
from ..core.progress import Report
from ..core.sentences import count
from ..core.versions import check_fiftyone
from ..dataset.records import as_tensor, delete_tensors, of_tensor, read_tensors, write_tensors
from ..folders.source import FileLabel, ImageFile, LabelSource, digest_file
from .export import Changed, corrected_texts, find_corrections, write_files
from .result import FIELD, PLACE, CheckResult, read_result

NAME = "check"
BRAIN_KEY = "labels_map"
_INFO = "labelvet_check"
# what was imported, which corrections the files hold since, and what was written into which file
_BUCKET = "labelvet_checks"
_WRITTEN = "written"
# a second of FiftyOne's
_LABELS_PER_WRITE = 2_500
_LONGEST_FIELD = 60  # characters
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

    def tells_missed(self) -> bool:
        """Whether objects without a label can be found: only uncertain labels tell of them."""
        return bool(self.seconds) or any(
            label.confidence is not None for image in self.source.images for label in image.labels
        )

    def is_as(self, kept: dict[str, Any]) -> bool:
        """Whether a dataset that was made of ``kept`` is one of the same."""
        sources = (self.source, *self.seconds)
        taken = (kept.get("source"), *kept.get("seconds", ()))
        return (
            (kept.get("lenient"), kept.get("fiftyone")) == (self.lenient, check_fiftyone())
            and len(sources) == len(taken)
            and all(one.is_as(then) for one, then in zip(sources, taken, strict=True))
        )


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
        from ..issues.box_checks import describe_geometry
        from ..issues.find import find_label_issues
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
            second_fields=_second_fields(dataset, settings),
            progress=_part(report, _MAP_SHARE, 1.0),
        )
        notes = [*issues.notes, describe_geometry(issues.geometry)]
        dataset.info[_INFO] = {**kept, "notes": notes}
        dataset.save()
    source = settings.source
    return dataset, read_result(
        dataset,
        FIELD,
        _second_fields(dataset, settings),
        f"{source.format} '{source.path}'",
        [*source.notes, *dataset.info[_INFO]["notes"]],
    )


def checked_dataset(source: LabelSource) -> tuple[fo.Dataset, LabelSource]:
    """Returns the dataset of a source that was checked, as it is now, and the source as it was.

    Files that an export has written, be it cut off, are taken as they were before it.

    Raises:
        InvalidParameter: if it was not checked, or its files were changed since by something else
    """
    if not fo.dataset_exists(NAME):
        raise InvalidParameter(
            f"'{source.path}' has not been checked yet: run labelvet check or labelvet open first."
        )
    dataset = fo.load_dataset(NAME)
    written = _kept(dataset, _WRITTEN) or {}
    source.before = {
        Path(file): _bytes(before)
        for file, (before, after) in written.items()
        if digest_file(Path(file)) in after
    }
    state = dataset.info.get(_INFO, {}).get("state", {})
    if not source.is_as(state.get("source")):
        raise InvalidParameter(
            f"The files of '{source.path}' changed since they were checked, so your corrections "
            "cannot be told apart from those changes. Nothing was written: restore the files and "
            "export again, or discard the corrections with labelvet check --start-over."
        )
    _keep_state(dataset, {**state, "source": source.fingerprint()})
    return dataset, _as_imported(dataset, source)


def write_back(dataset: fo.Dataset, source: LabelSource, changes: list[Changed]) -> list[Path]:
    """Writes corrections into the files that were checked, and returns those that changed.

    What they held and will hold is kept first, so that the next export finishes what is cut off.

    Args:
        dataset: what was corrected
        source: the files, as they were checked
        changes: the corrections

    Raises:
        InvalidParameter: if a correction, or a file, cannot be written
    """
    texts = unwritten(source, changes)
    if texts:
        written = _kept(dataset, _WRITTEN) or {}
        for file, text in texts.items():
            _, after = written.get(str(file), (None, []))
            digest = sha256(text.encode()).hexdigest()
            written[str(file)] = (_text(source.content(file)), [*after, digest])
        _keep(dataset, _WRITTEN, written)
        write_files(texts)
        for file in texts:
            if _is_needless(source, file, texts[file]):
                file.unlink()
    return list(texts)


def unwritten(source: LabelSource, changes: list[Changed]) -> dict[Path, str]:
    """Returns what the files are to hold that do not hold it yet.

    Raises:
        InvalidParameter: if a correction cannot be written
    """
    return {
        file: text
        for file, text in corrected_texts(source, changes).items()
        if digest_file(file) != sha256(text.encode()).hexdigest()
        and (file.exists() or not _is_needless(source, file, text))
    }


def _is_needless(source: LabelSource, file: Path, text: str) -> bool:
    """Whether a file was made by an export, and holds nothing again."""
    return not text and source.before.get(file, b"") is None


def mark_exported(dataset: fo.Dataset, source: LabelSource, changes: Sequence[Changed]) -> None:
    """Writes down that the files hold some corrections, which may be forgotten from now on.

    Args:
        dataset: what was corrected
        source: the files, as they are now
        changes: the corrections
    """
    _keep(dataset, "exported", _sentences(changes))
    dataset.info[_INFO] = {**dataset.info[_INFO], "exported": source.fingerprint()}
    dataset.save()


def _imported(settings: CheckSettings, report: Report) -> fo.Dataset:
    state = settings.state()
    if fo.dataset_exists(NAME):
        dataset = fo.load_dataset(NAME)
        kept = dataset.info.get(_INFO, {})
        if not settings.start_over and settings.is_as(kept.get("state", {})):
            _keep_state(dataset, state)
            return dataset
        if not settings.start_over:
            exported = settings.source.is_as(kept.get("exported"))
            lost = _count_corrections(dataset, settings.source, exported)
            if lost:
                raise InvalidParameter(
                    "The labels, the options or FiftyOne changed since the last check, and "
                    f"checking again would discard {count(lost, 'correction')} that you made in "
                    "the App. Export them first, where the files are as they were, or discard them "
                    "with --start-over."
                )
    # it gets its name once it is complete
    building = f"{NAME}-building"
    if fo.dataset_exists(building):
        _delete(building)
    dataset = fo.Dataset(building, persistent=True)
    report(0.0, "Importing labels")
    second_fields = _name_fields(settings.seconds, dataset)
    fields = (FIELD, *second_fields)
    by_field = [
        {image.path: image.labels for image in source.images}
        for source in (settings.source, *settings.seconds)
    ]
    images = [image.path for image in settings.source.images]
    counts = [1 + sum(len(labels.get(path, ())) for labels in by_field) for path in images]
    starts = np.flatnonzero(np.diff(np.cumsum(counts) // _LABELS_PER_WRITE, prepend=-1))
    for start, end in itertools.pairwise([*starts, len(images)]):
        dataset.add_samples(
            [
                fo.Sample(
                    filepath=str(path),
                    **{
                        name: _detections(labels.get(path, []), placed=name == FIELD)
                        for name, labels in zip(fields, by_field, strict=True)
                    },
                )
                for path in images[start:end]
            ],
            progress=False,
            dynamic=True,
        )
        report(
            _IMPORT_SHARE * end / len(images),
            f"Importing labels · {end:,} of {len(images):,} images",
        )
    _keep(
        dataset,
        "imported",
        [
            [str(image.path), [[label.place, label.name, *label.box] for label in image.labels]]
            for image in settings.source.images
        ],
    )
    dataset.info[_INFO] = {"state": state, "second_fields": second_fields}
    dataset.save()
    if fo.dataset_exists(NAME):
        _delete(NAME)
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


def _name_fields(seconds: Sequence[LabelSource], dataset: fo.Dataset) -> list[str]:
    """Returns a field for each file of predictions, named as it is, which reasons say."""
    taken = {FIELD, *dir(fo.Sample), *dir(dataset._sample_doc_cls)}
    fields = []
    for second in seconds:
        stem = re.sub(r"\W+", "_", second.path.stem)[:_LONGEST_FIELD].strip("_") or "second"
        names = itertools.chain([stem], (f"{stem}_{number}" for number in itertools.count(2)))
        fields.append(next(name for name in names if name not in taken))
        taken.add(fields[-1])
    return fields


def _second_fields(dataset: fo.Dataset, settings: CheckSettings) -> tuple[str, ...]:
    fields = dataset.info[_INFO].get("second_fields")
    if fields is None:  # a check of an older version
        numbers = range(2, len(settings.seconds) + 1)
        fields = ["second", *(f"second_{number}" for number in numbers)][: len(settings.seconds)]
    return tuple(fields)


def _count_corrections(dataset: fo.Dataset, source: LabelSource, exported: bool) -> int:
    """Returns how many corrections an export would write that the files do not hold.

    Args:
        dataset: what was corrected
        source: the files as they are, where what was imported is not known
        exported: whether the files are as the last export left them
    """
    source = _as_imported(dataset, source)
    now = _sentences(find_corrections(dataset, source))
    written = _kept(dataset, "exported") if exported else None
    # what was taken back since it was written is a correction too
    differ = set(now.items()) ^ set((written or {}).items())
    return len({label for label, _ in differ})


def _as_imported(dataset: fo.Dataset, source: LabelSource) -> LabelSource:
    """Returns a source with the labels that were imported, where that is known."""
    imported = _kept(dataset, "imported")
    if imported is None:
        return source
    now = {str(image.path): image for image in source.images}
    return replace(
        source,
        images=[
            replace(
                now.get(path) or ImageFile(Path(path), []),
                labels=[FileLabel(name, tuple(box), place) for place, name, *box in labels],
            )
            for path, labels in imported
        ],
    )


def _sentences(changes: Sequence[Changed]) -> dict[str, str]:
    """Returns corrections by what they are of."""
    found = {}
    for change in changes:
        one, said = change.correction, change.sentence()
        found[f"{one.image}\n{said if one.place is None else one.place}"] = said
    return found


def _keep_state(dataset: fo.Dataset, state: dict[str, Any]) -> None:
    """Keeps a state that is the same in a newer form."""
    if dataset.info[_INFO]["state"] != state:
        dataset.info[_INFO] = {**dataset.info[_INFO], "state": state}
        dataset.save()


def _text(content: bytes | None) -> str | None:
    return None if content is None else content.decode(errors="surrogateescape")


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else text.encode(errors="surrogateescape")


def _keep(dataset: fo.Dataset, name: str, content: Any) -> None:
    kept = read_tensors(_BUCKET, dataset._doc.id)
    tensors = {**(kept[0] if kept else {}), name: as_tensor(content)}
    write_tensors(_BUCKET, dataset._doc.id, tensors, {})


def _kept(dataset: fo.Dataset, name: str) -> Any:
    kept = read_tensors(_BUCKET, dataset._doc.id)
    if kept is None or name not in kept[0]:
        return None
    return of_tensor(kept[0][name])


def _delete(name: str) -> None:
    delete_tensors(_BUCKET, fo.load_dataset(name)._doc.id)
    fo.delete_dataset(name)


def _part(report: Report, begin: float, end: float) -> Report:
    return lambda fraction, line: report(begin + (end - begin) * fraction, line)
