"""The review queue: which labels to look at next, and how many issues are expected to be left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import fiftyone as fo
import numpy as np
from numpy.typing import NDArray

from ..core.sentences import agree, count
from ..dataset.brain_runs import first_field_notes
from ..dataset.documents import Ids, hex_ids, read_labels
from ..dataset.label_shapes import find_masked
from ..dataset.label_types import mean_confidence
from ..dataset.patches import is_of_whole_images
from ..dataset.storage import locate
from ..issues.attributes import DUPLICATE, ISSUE, MISPLACED, REASON, SUGGESTED_BOX
from ..issues.findings import Findings, load_findings
from .boxes import why_fixed
from .known import Known, read_documents, read_known
from .learning import Estimate, Learned, learn
from .verdicts import BADLY_PLACED

_SHOWN = (
    "label",
    "confidence",
    "bounding_box",
    SUGGESTED_BOX,
    ISSUE,
    REASON,
    "review",
    "box_before",
)


@dataclass(frozen=True)
class Item:
    """A label to look at.

    Attributes:
        id, sample_id: the label as the database has it now
        label, confidence: of it
        suggested: the class that it should be, if it is mislabeled; None where it cannot be known
        suggestions: the three likeliest other classes, the likeliest first
        box: its box ``[x, y, width, height]``, relative to the image; None where it is an outline
        suggested_box: where it should be, if it is badly placed; None where nobody says so
        issue: its main problem; None where nothing stands out
        reason: what speaks against it
        suspicion: probability that it is wrong, as learned so far
        flagged: whether somebody tagged it for a review
        neighbors: ids of the most similar patches
        examples: ids of the most similar patches of the suggested class
        again: whether an audit asks for a second answer, which is not written into the label
        along: how many other labels of its track the same is asked of, and not asked about
        needless: whether another label shows its object: a duplicate, or one that is badly placed
            beside the label that fits
        whole: whether it is said of the whole image
        fixed: why its box is not moved; None where it can be
    """

    id: str
    sample_id: str
    label: str | None
    confidence: float | None
    suggested: str | None
    suggestions: list[str]
    box: list[float] | None
    suggested_box: list[float] | None
    issue: str | None
    reason: str | None
    suspicion: float
    flagged: bool
    neighbors: list[str]
    examples: list[str]
    again: bool = False
    along: int = 0
    needless: bool = False
    whole: bool = False
    fixed: str | None = None


@dataclass(frozen=True)
class Queue:
    """What is left to review.

    Attributes:
        items: the first labels to look at
        left: how many labels nobody answered for
        reviewed: how many have an answer
        estimate: how many issues are expected to be left
        passed: how many of those without an answer were changed or deleted since they were judged
        classes: the names of all classes
        notes: what cannot be known in this dataset, or is not asked about
    """

    items: list[Item]
    left: int
    reviewed: int
    estimate: Estimate
    passed: int
    classes: tuple[str, ...]
    notes: list[str]

    @property
    def sentence(self) -> str:
        """One sentence or two for the reviewer."""
        if not self.passed:
            return self.estimate.sentence
        what = f"{count(self.passed, 'label')} {agree(self.passed, 'was', 'were')}"
        return (
            f"{self.estimate.sentence} {what} changed or deleted since: run Find label issues "
            "again to judge them."
        )


def next_issues(dataset: fo.Dataset, brain_key: str, count: int) -> Queue | None:
    """Ranks what is left by what is known now, and returns the first of it.

    Args:
        dataset: the dataset
        brain_key: the visualization whose labels were judged
        count: how many labels to return

    Returns:
        the :class:`Queue`, None where label issues were not looked for yet
    """
    kept = load_findings(dataset, brain_key)
    if kept is None:
        return None
    known = read_known(dataset, kept.patches_field)

    def read(gone: NDArray[np.int64] | None = None) -> tuple[Learned, list[Item], int]:
        learned, asking = rank(kept, known, gone)
        items, passed = read_items(
            dataset, kept, learned.queue, learned.suspicion, count, asking=asking, once=True
        )
        return learned, items, passed

    learned, items, passed = read()
    if passed:  # all are read only then, as that takes longer than to rank them
        gone = np.setdiff1d(learned.queue, _find_unchanged(dataset, kept))
        learned, items, again = read(gone)
        passed = len(gone) + again
    notes = [*first_field_notes(dataset, brain_key, "is reviewed"), *kept.found.notes]
    return Queue(
        items, len(learned.queue), known.reviewed, learned.estimate, passed, kept.classes, notes
    )


def _find_unchanged(dataset: fo.Dataset, kept: Findings) -> NDArray[np.int64]:
    """Returns the rows of the labels that are there with the class that was judged."""
    storage = locate(dataset, kept.patches_field)
    root, listed = storage.label_root(storage.local(kept.patches_field))
    samples, ids, labels = read_labels(storage.documents, [], root, not listed, "label")
    rows = kept.rows_of(samples, ids)
    code_of: dict[str | None, int] = {name: code for code, name in enumerate(kept.classes)}
    code_of[None] = -1
    codes = np.array([code_of.get(label, -2) for label in labels], dtype=np.int64)
    unchanged = (rows >= 0) & (kept.codes[rows] == codes)
    return np.asarray(rows[unchanged])


def rank(
    kept: Findings, known: Known, gone: NDArray[np.int64] | None = None
) -> tuple[Learned, NDArray[np.bool_]]:
    """Ranks the labels by what is known; those that are flagged for a review come first.

    Args:
        kept: what was found of n labels
        known: the answers
        gone: rows of labels that were changed or deleted since, which are not asked about

    Returns:
        a tuple of what was learned and which of the n labels are flagged
    """
    rows = kept.rows_of(known.sample_ids, known.ids)
    there = rows >= 0
    taught = there & known.learned
    skipped = rows[there & ~known.learned & ~known.asking]
    learned = learn(
        kept.found,
        rows[taught],
        known.wrong[taught],
        skipped,
        rows[there & known.asking],
        gone=gone,
        questions=kept.questions,
    )
    asking = np.zeros(len(kept), dtype=bool)
    asking[rows[there & known.asking]] = True
    return learned, asking


def read_items(
    dataset: fo.Dataset,
    kept: Findings,
    queue: NDArray[np.int64],
    suspicion: NDArray[np.floating],
    count: int,
    *,
    asking: NDArray[np.bool_] | None = None,
    again: bool = False,
    once: bool = False,
) -> tuple[list[Item], int]:
    """Reads the first labels of a queue as a reviewer sees them.

    Args:
        dataset: the dataset
        kept: what was found of its n labels
        queue: (m,) the rows to look at, the first one first
        suspicion: (n,) probability that each is wrong
        count: how many are wanted
        asking: (n,) labels that are flagged; by default none
        again: whether they are asked a second time, and shown as they were before the answer
        once: whether of labels that are one question one is read

    Returns:
        a tuple of the labels, and how many were passed over, as they were changed or deleted since
        they were judged
    """
    storage = locate(dataset, kept.patches_field)
    path = storage.label_root(storage.local(kept.patches_field))
    whole = is_of_whole_images(dataset, kept.patches_field)
    items: list[Item] = []
    questions = kept.questions if once else None
    questions = np.arange(len(kept)) if questions is None else questions
    sizes, asked, passed = np.bincount(questions[queue]), set(), 0
    # some may be passed over, so a few more are read
    for rows in (queue[: count + 20], queue[count + 20 : 10 * count]):
        if len(items) >= count or not len(rows):
            break
        ids = list(zip(hex_ids(kept.sample_ids[rows]), hex_ids(kept.ids[rows]), strict=True))
        documents = read_documents(storage, path, ids, _SHOWN)
        masked = find_masked(storage, path, ids)
        for row, (sample_id, label_id) in zip(rows.tolist(), ids, strict=True):
            question = int(questions[row])
            if question in asked:
                continue
            document = documents.get((sample_id, label_id))
            was = kept.class_named(int(kept.codes[row]))
            if document is None or (document.get("label") != was and not again):
                passed += 1
            elif len(items) < count:
                asked.add(question)
                confidence = mean_confidence(document.get("confidence"))
                suggested = kept.classes_named(kept.found.suggested[row])
                issue = document.get(ISSUE)
                box = _box_before(document) if again else document.get("bounding_box")
                beside = issue == MISPLACED and kept.found.holder[row] >= 0
                items.append(
                    Item(
                        label_id,
                        sample_id,
                        was,
                        confidence if np.isfinite(confidence) else None,
                        suggested[0] if suggested else None,
                        suggested,
                        box,
                        document.get(SUGGESTED_BOX),
                        issue,
                        document.get(REASON),
                        float(suspicion[row]),
                        asking is not None and bool(asking[row]),
                        _ids(kept.ids, kept.found.neighbors[row]),
                        _ids(kept.ids, kept.found.examples[row]),
                        again,
                        int(sizes[question]) - 1,
                        bool(issue == DUPLICATE or beside),
                        whole,
                        why_fixed(box, (sample_id, label_id) in masked),
                    )
                )
    return items, passed


def _box_before(document: dict[str, Any]) -> list[float] | None:
    moved = document.get("review") == BADLY_PLACED
    box: list[float] | None = document.get("box_before" if moved else "bounding_box")
    return box


def _ids(ids: Ids, rows: NDArray[np.int32]) -> list[str]:
    return hex_ids(ids[rows[rows >= 0]])
