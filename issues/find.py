"""Judges the labels of a visualization, and writes what is suspected into them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from dataclasses import field as attribute
from threading import Event

import fiftyone as fo
import numpy as np
from numpy.typing import NDArray

from ..core.errors import InvalidParameter
from ..core.progress import WRITING, Progress
from ..core.sentences import agree, count
from ..dataset.brain_runs import first_field_notes, raise_if_deleted
from ..dataset.patches import PatchTable, label_path, list_comparable_fields, match_ids, read_stored
from ..dataset.schema import check_attributes
from ..dataset.storage import locate
from .attributes import ATTRIBUTES, GEOMETRY, ISSUES, OWNER
from .box_checks import describe_geometry, find_geometry_of
from .findings import save_findings
from .geometry import count_geometry, name_geometry
from .missed_tags import check_missed_field, missed_field, write_missed_tags
from .opinions import align, ask
from .reading import find_accepted, follow_labels, read_rejected, read_run, read_second
from .reasons import Reasons
from .suspicion import Suspicion, find_suspects
from .tags import MissedTag, TagReasons, find_tag_suspects, has_tags
from .writing import (
    MARKS,
    issue_columns,
    name_issues,
    of_all,
    write_columns,
    write_missed,
    writing_alone,
)


@dataclass(frozen=True)
class LabelIssues:
    """What :func:`find_label_issues` found and wrote.

    Attributes:
        patches_field: the field that was judged
        checked: how many labels were judged
        counts: ``{issue: labels}``
        missing: labels of the run that could not be judged, as their embeddings are gone or their
            boxes cannot be compared
        elsewhere: missed objects found in the second fields
        notes: sentences on what cannot be known
        geometry: ``{name: labels}`` of what is conspicuous about boxes and masks, judged or not
        missed_tags: ``{class: images}`` of the classes that images with several probably miss
    """

    patches_field: str
    checked: int
    counts: dict[str, int]
    missing: int
    elsewhere: int
    notes: list[str]
    geometry: dict[str, int] = attribute(default_factory=dict)
    missed_tags: dict[str, int] = attribute(default_factory=dict)

    def summary(self) -> str:
        """Returns a few sentences that tell what was found."""
        found = ", ".join(f"{number:,} {issue}" for issue, number in self.counts.items() if number)
        sentences = [f"{count(self.checked, 'label')} checked: {found or 'nothing stands out'}."]
        if self.elsewhere:
            sentences.append(
                f"{count(self.elsewhere, 'label')} in other fields may show "
                f"{agree(self.elsewhere, 'an object', 'objects')} that no accepted label shows."
            )
        if missed := sum(self.missed_tags.values()):
            are = agree(missed, "is", "are")
            sentences.append(
                f"{count(missed, 'class', 'classes')} of images {are} probably missed: "
                f"'{missed_field(self.patches_field)}' has {agree(missed, 'it', 'them')}."
            )
        if any(self.geometry.values()):
            sentences.append(describe_geometry(self.geometry))
        if self.missing:
            sentences.append(
                f"{count(self.missing, 'label')} {agree(self.missing, 'was', 'were')} not "
                "checked: the embedding is gone, or the box cannot be compared."
            )
        return " ".join(sentences + self.notes)


@dataclass(frozen=True, eq=False)
class Judged:
    """What was found of the labels of a run.

    Attributes:
        table: the labels
        found: what is suspected of them
        reasons: what speaks against them
        missed: the classes that their images probably miss, where these have several
        others: the labels of the second fields
        asked: those second fields that say anything
        accepted: the accepted labels of the field, judged or not, with the images of ``others``
    """

    table: PatchTable
    found: Suspicion
    reasons: Reasons | TagReasons
    missed: Sequence[MissedTag] = ()
    others: Sequence[PatchTable] = ()
    asked: Sequence[str] = ()
    accepted: PatchTable | None = None


def find_label_issues(
    samples: fo.core.collections.SampleCollection,
    brain_key: str,
    *,
    second_fields: str | Sequence[str] | None = None,
    progress: Callable[[float, str], None] | None = None,
    cancelled: Event | None = None,
) -> LabelIssues:
    """Judges the labels of a visualization and writes what is suspected into them.

    What an earlier call wrote is replaced.

    Args:
        samples: the dataset, or any view of it
        brain_key: a visualization with a patches field; of several fields, the labels of the first
            are judged
        second_fields: other label fields of the same images (other models', ground truth, another
            annotator's), one or several: what they say of each label is weighed by how reliable
            they prove to be, and their boxes that no accepted label covers are missed objects
        progress: called with the finished fraction and a line on what happens
        cancelled: once set, the call ends, unless it is writing already

    Returns:
        the :class:`LabelIssues`

    Raises:
        LabelvetError: see :mod:`labelvet.core.errors`; nothing was written then
    """
    dataset = samples._root_dataset
    tracker = Progress(progress, cancelled)
    read: list[str] = []
    with tracker.stage("Reading labels and embeddings", 0.2):
        table, vectors, graph, missing, every = read_run(dataset, brain_key, read)
        field = str(table.patches_field)
        tagged = has_tags(every)
        names = _second_fields(dataset, field, second_fields)
        rejected = None if tagged else read_rejected(dataset, table)
        for name in (field, *names):
            storage = locate(dataset, name)
            root = label_path(storage, storage.local(name))
            check_attributes(storage, root, ATTRIBUTES if name == field else MARKS, OWNER)
        if tagged:
            _check_tags(dataset, field, names)
        tracks = None if tagged else follow_labels(dataset, table, vectors)
        seconds = [read_second(dataset, name, table, read) for name in names]
        table, others = align(table, seconds)
        opinions = ask(table, others)
        accepted = table
        if not table.of_whole_images and names:
            accepted, others = find_accepted(dataset, brain_key, every, table, seconds)
    if tagged:
        judged = _judge_tags(dataset, table, vectors, every, tracker)
    else:
        found = find_suspects(
            table, vectors, rejected, graph=graph, opinions=opinions, progress=tracker, share=0.5,
            tracks=tracks,
        )  # fmt: skip
        judged = Judged(
            table, found, Reasons(table, found, opinions), others=others, asked=opinions.names,
            accepted=accepted,
        )  # fmt: skip
    judged.found.notes.extend(read)
    issues = write_label_issues(dataset, brain_key, judged, tracker, 0.3)
    raise_if_deleted(dataset)
    notes = [*issues.notes, *first_field_notes(dataset, brain_key, "was judged")]
    return replace(issues, missing=missing, notes=notes)


def _second_fields(
    dataset: fo.Dataset, field: str, names: str | Sequence[str] | None
) -> tuple[str, ...]:
    """Returns the second fields, each once."""
    given = [names] if isinstance(names, str) else names or ()
    chosen = tuple(dict.fromkeys(locate(dataset, name).path(name) for name in given))
    if field in chosen:
        raise InvalidParameter("A second field must differ from the run's own field.")
    fields = list_comparable_fields(dataset, field)
    for name in chosen:
        if name not in fields:
            raise InvalidParameter(
                f"'{name}' has no labels that '{field}' can be compared with: choose from "
                f"{', '.join(fields) or 'none'}."
            )
    return chosen


def _check_tags(dataset: fo.Dataset, field: str, names: Sequence[str]) -> None:
    """Checks that images with several classes can be judged."""
    if names:
        raise InvalidParameter(
            f"Images have several classes in '{field}', and other fields are asked about one: "
            "leave the second fields out."
        )
    storage = locate(dataset, field)
    check_missed_field(storage, storage.local(field))


def _judge_tags(
    dataset: fo.Dataset,
    table: PatchTable,
    vectors: NDArray[np.float32],
    every: PatchTable,
    progress: Progress,
) -> Judged:
    """Judges the labels of a run by all labels that their images have, on the map or not."""
    rows, own = match_ids(every.pairs, table.pairs)
    table, vectors = every.take(rows), vectors[own]
    others = np.setdiff1d(np.flatnonzero(np.isin(every.sample_ids, table.sample_ids)), rows)
    rejected = read_rejected(dataset, every)[np.append(rows, others)]
    tags = find_tag_suspects(
        table, vectors, rejected, every.take(others), progress=progress, share=0.5
    )
    tags.found.notes.extend(_notes_of_untagged(dataset, table))
    return Judged(table, tags.found, tags.reasons, tags.missed)


def _notes_of_untagged(dataset: fo.Dataset, table: PatchTable) -> list[str]:
    """Says of how many images nothing is known, as they have no class and so no embedding."""
    field = str(table.patches_field)
    images = len(locate(dataset, field).values(["id"])[0])
    without = images - len(np.unique(table.sample_ids))
    if not without:
        return []
    lack = f"{count(without, 'image')} {agree(without, 'has', 'have')} no class in '{field}'"
    return [f"{lack} and so no embedding: what is missed there is not known."]


def write_label_issues(
    dataset: fo.Dataset,
    brain_key: str,
    judged: Judged,
    progress: Progress | None = None,
    share: float = 1.0,
) -> LabelIssues:
    """Writes what is suspected into the labels, and keeps with the run what a review needs.

    Args:
        dataset: the dataset
        brain_key: the visualization
        judged: what was found of its labels
        progress: where to report, as a stage that takes ``share`` of the whole
        share: see ``progress``
    """
    table, found = judged.table, judged.found
    field = str(table.patches_field)
    tracker = progress or Progress()
    # what cannot be embedded, as it lies outside its image, is what boxes are looked at for
    every = read_stored(locate(dataset, field), field)
    geometry = find_geometry_of(dataset, every, tracker, share / 2)
    with tracker.stage(WRITING, share / 2, len(every), "labels") as stage, writing_alone(dataset):
        issues = name_issues(found)
        columns = of_all(issue_columns(found, table, issues, judged.reasons), table, every)
        columns[GEOMETRY] = name_geometry(geometry)
        write_columns(dataset, every, columns, stage.advance)
        elsewhere = 0
        for other in judged.others:
            asked = other.patches_field in judged.asked
            elsewhere += write_missed(dataset, other, judged.accepted if asked else None, field)
        missed = write_missed_tags(dataset, field, judged.missed)
        save_findings(dataset, brain_key, table, found)
    counts = {name: int((issues == name).sum()) for name in ISSUES}
    return LabelIssues(
        field, len(table), counts, 0, elsewhere, found.notes, count_geometry(geometry),
        dict(Counter(one.label for one in missed)),
    )  # fmt: skip
