"""What travels between *Label embeddings* and its web half."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field

from ...dataset.documents import parse_ids
from ...dataset.label_views import LEVELS
from ...dataset.tags import check_tag
from ...review.class_pairs import REASONS, SOURCES
from ...review.many import WAYS
from ...review.verdicts import VERDICTS
from ..binary import Codes, Counts, FileContent, Floats, Mask, RowSet
from ..message import ClassName, Id, Moment, OneOf, Reply, Request, Text

if TYPE_CHECKING:
    from ...maps.columns import Column
    from ...maps.map import Map, MapInfo
    from ...maps.thumbnails import Thumbnail
    from ...proof.results import Questions
    from ...review import queue

TARGETS = ("labels", "samples")

RunState = Annotated[str, OneOf(("ready", "computing", "empty"))]
AttributeKind = Annotated[str, OneOf(("categorical", "continuous", "boolean", "tags"))]
Scope = Annotated[str, OneOf(("label", "sample"))]
Target = Annotated[str, OneOf(TARGETS)]
Level = Annotated[str, OneOf(LEVELS)]
Source = Annotated[str, OneOf(("neighbors", "map"))]
Verdict = Annotated[str, OneOf(VERDICTS)]
Way = Annotated[str, OneOf(WAYS)]
LooksBy = Annotated[str, OneOf(SOURCES)]
Similarity = Annotated[str, OneOf(REASONS)]
Tag = Annotated[str, AfterValidator(check_tag)]
Row = Annotated[int, Field(ge=0)]
Count = Annotated[int, Field(ge=1, le=10_000)]
# x, y, width and height, relative to an image
Box = Annotated[list[float], Field(min_length=4, max_length=4)]
# x and y, relative to a picture
Point = Annotated[list[float], Field(min_length=2, max_length=2)]


class OpenRunRequest(Request):
    """Which run to open.

    Attributes:
        key: its brain key
    """

    key: Text


class RunRequest(OpenRunRequest):
    """What is asked of a run that is open.

    Attributes:
        run: its identity, see `Run`
    """

    run: Text


class ColumnRequest(RunRequest):
    """An attribute of a run.

    Attributes:
        path: the path of one of its attributes
    """

    path: Text


class ColumnsRequest(RunRequest):
    """Some attributes of a run, all that a page needs at once.

    Attributes:
        paths: the paths of some of its attributes
    """

    paths: list[Text] = Field(min_length=1, max_length=10)


class RowsRequest(RunRequest):
    """Some rows of a run."""

    rows: RowSet


class SimilarRequest(RowsRequest):
    """Rows whose nearest ones are wanted.

    Attributes:
        count: how many
    """

    count: Count = 50


class ImageRequest(RunRequest):
    """An image whose nearest rows are wanted.

    Attributes:
        image: the content of its file, in base64
        count: how many
    """

    image: FileContent
    count: Count = 50


class WordsRequest(RunRequest):
    """Words whose nearest rows are wanted.

    Attributes:
        count: how many
    """

    words: str = Field(max_length=200)
    count: Count = 50


class TagRequest(RowsRequest):
    """A tag for the labels or samples of some rows.

    Attributes:
        remove: whether it is removed instead of added
    """

    tag: Tag
    target: Target = "labels"
    remove: bool = False


class CropsRequest(RunRequest):
    """Rows to see pictures of.

    Attributes:
        size: the longest side in pixels
        margin: the context on each side, as a part of the patch's own size
        around: of each row another box that the picture shows too; null for none
    """

    rows: list[Row] = Field(max_length=100)
    size: int = Field(128, ge=32, le=1024)
    margin: float = Field(0.25, ge=0, le=100)
    around: list[Box | None] = Field([], max_length=100)


class OpenSampleRequest(RunRequest):
    """A row of a run whose image is opened, and whether to annotate it."""

    row: Row
    annotate: bool = False


class SaveTaggedViewRequest(RunRequest):
    """What has a tag, as a saved view.

    Attributes:
        name: of the view; null for a name like the tag's
    """

    tag: Tag
    target: Target = "labels"
    name: Text | None = None


class ExcludeTaggedRequest(RunRequest):
    """What has a tag, to be left out of the view."""

    tag: Tag
    level: Level = "labels"


class NextIssuesRequest(RunRequest):
    """How many labels to look at next.

    Attributes:
        audit: whether those of the audit's random order are asked for, not the most suspicious
    """

    count: int = Field(40, ge=1, le=200)
    audit: bool = False


class BeginAuditRequest(RunRequest):
    """An audit of the run's labels.

    Attributes:
        anew: whether one that goes on makes room for a new one
    """

    anew: bool = False


class GivenAnswer(Request):
    """What a reviewer says of a label.

    Attributes:
        id: of the label
        seen: the class that the reviewer saw
        label: the class that it should be, for a wrong one
        box: where it should be, for a badly placed one
        seen_box: the box that the reviewer saw, null where that does not matter
    """

    id: Id
    sample_id: Id
    seen: ClassName | None = None
    verdict: Verdict
    label: ClassName | None = None
    box: Box | None = None
    seen_box: Box | None = None


class AnswerRequest(RunRequest):
    """What a reviewer says of some labels.

    Attributes:
        again: whether they are second answers that an audit asks for
        along: whether each is for the other labels of its track, too, that the same is asked of
    """

    answers: list[GivenAnswer] = Field(min_length=1, max_length=100)
    again: bool = False
    along: bool = False


class AnswerManyRequest(RowsRequest):
    """One answer for the labels of some rows.

    Attributes:
        way: whether they get a class, are rejected, or get what is suggested for each
        label: the class that they get
    """

    way: Way
    label: ClassName | None = None


class MergeRequest(RunRequest):
    """A class whose labels all become another one's.

    Attributes:
        field: the field of the labels, one of the map's; null for the first
        label: the class that goes
        into: the class that it becomes
    """

    label: ClassName
    into: ClassName
    field: Text | None = None


class Run(Reply):
    """A visualization run of the dataset, by whomever it was computed.

    Attributes:
        key: its brain key
        run: the identity of this very run, null while it is computed: another one may come under
            the same key
        method: "umap", "tsne", "pca", "manual" or another
        patches_field: the label field, of several the first; null for whole images
        fields: all of its label fields
        num_points: null where it is not known before the run is read
        created: in ISO 8601
        progress: the finished part, in [0, 1]
        problem: why it cannot be opened
        note: what of it is not on the map any more, null where all of it is
    """

    key: str
    run: str | None
    method: str | None
    model: str | None
    patches_field: str | None
    fields: list[str]
    num_points: int | None
    num_dims: int | None
    created: Moment | None
    state: RunState
    progress: float | None = None
    progress_label: str | None = None
    problem: str | None = None
    note: str | None = None

    @classmethod
    def of(cls, info: MapInfo, shape: tuple[int, ...] | None = None, **others: Any) -> Run:
        """Makes one of a run of the list, with the shape of its points once they are loaded."""
        if shape is not None:
            others |= {"num_points": shape[0], "num_dims": shape[1]}
        return cls.like(info, state="ready" if info.ready else "empty", **others)


class Runs(Reply):
    """The visualization runs of the dataset, those that are being computed first."""

    runs: list[Run]


class Attribute(Reply):
    """What points can be colored by.

    Attributes:
        path: the field's path in the dataset, or what stands for those of several fields
        name: the path without what all attributes of the labels have in common
        kind: "tags" are lists of names
        is_filtered_here: whether its values are hidden in the map alone, as the sidebar has no
            filter that does
    """

    path: str
    name: str
    kind: AttributeKind
    scope: Scope
    is_filtered_here: bool


class OpenedRun(Reply):
    """The points of a run, and what they can be colored by.

    Attributes:
        points: of each row its two or three coordinates
        label_path, confidence_path: null where there are none
        field_path: the attribute that tells the fields apart; null where there is one
    """

    run: Run
    points: Floats
    attributes: list[Attribute]
    field_path: str | None
    label_path: str | None
    confidence_path: str | None


class ColorColumn(Reply):
    """A value for every row: codes into categories, or numbers.

    Attributes:
        codes: 0 for none, else one more than a place in `categories`; null for numbers
        values: NaN for none; null for categories
    """

    path: str
    kind: AttributeKind
    codes: Codes | None
    categories: list[str]
    values: Floats | None

    @classmethod
    def of(cls, path: str, column: Column) -> ColorColumn:
        """Makes one of the column of a path."""
        return cls.like(column, path=path, categories=list(column.categories))


class ColorColumns(Reply):
    """Values for every row of some attributes, in the order of the question."""

    columns: list[ColorColumn]


class VisibleRows(Reply):
    """The rows in the App's view under its filters.

    Attributes:
        mask: null where that is all of them
    """

    mask: Mask | None
    count: int


class Stages(Reply):
    """The view stages that make the App's grid show exactly some rows.

    Attributes:
        stages: by the path of their class; null where no restriction is needed
    """

    stages: dict[str, dict[str, Any]] | None
    count: int


class Shape(Reply):
    """The shape of a label over its picture.

    Attributes:
        lines: the points of each line
        closed: whether each line ends where it begins
        filled: whether the label is what lies within an odd number of the lines
        points: points beside the lines
    """

    lines: list[list[Point]]
    closed: bool
    filled: bool
    points: list[Point]


class Crop(Reply):
    """A picture of a row, or why there is none.

    Attributes:
        id, sample_id: of the label and its sample
        image: a `data:` URI
        box: the label's box, relative to the picture: x, y, width and height
        window: what the picture shows of the image, relative to the image
        tags: of the label, or the sample's
        field: the field of the label, null where the map has one
        shape: the label's shape, null where it has no more than its box
        shape_problem: why its shape is not there
    """

    row: int
    id: str
    sample_id: str
    image: str | None
    box: tuple[float, float, float, float] | None
    window: tuple[float, float, float, float] | None
    label: str | None
    confidence: float | None
    tags: list[str]
    field: str | None
    problem: str | None
    shape: Shape | None
    shape_problem: str | None

    @classmethod
    def of(cls, thumbnail: Thumbnail) -> Crop:
        """Makes one of a thumbnail."""
        drawn = thumbnail.shape
        shape = None if drawn is None else Shape.like(drawn)
        return cls.like(thumbnail, tags=list(thumbnail.tags), shape=shape)


class Crops(Reply):
    """Pictures of some rows."""

    crops: list[Crop]


class Done(Reply):
    """What was done.

    Attributes:
        sentence: says so
        undo: the token that takes it back, null where that is not possible
    """

    sentence: str
    undo: str | None = None


class Changed(Done):
    """What was changed.

    Attributes:
        changed: how many labels or samples
    """

    changed: int


class Answered(Done):
    """What came of some answers.

    Attributes:
        changed: how many labels they were written into
        refused: how many were changed or deleted since the reviewer saw them
    """

    changed: int
    refused: int = 0


class Plan(Reply):
    """What one answer for many labels would do.

    Attributes:
        count: how many labels it would change
        sentence: asks whether to, or says why none
    """

    count: int
    sentence: str


class SavedView(Done):
    """A saved view.

    Attributes:
        created: whether it is new
    """

    name: str
    created: bool


class Searches(Reply):
    """What the patches of a run can be searched by.

    Attributes:
        images: whether images, as is known which backbone embedded the patches
        words: whether words, as that backbone embeds them too
        most_bytes: how large the file of an image may be
    """

    images: bool
    words: bool
    most_bytes: int


class Similar(Reply):
    """The rows nearest to some, or to something else, nearest first.

    Attributes:
        source: whether by their embeddings, or on the map
        note: which rows were not compared, null where all were
    """

    rows: list[int]
    source: Source
    note: str | None = None


class Cluster(Reply):
    """A cluster of points.

    Attributes:
        code: its code in the column of codes
        label: the class that most of its points have, null where they have none
        purity: the part of its labeled points that have that class
        strangers: rows of its points of another class
    """

    code: int
    size: int
    label: str | None
    purity: float
    center: list[float]
    strangers: Counts


class Clusters(Reply):
    """The clusters of a map.

    Attributes:
        codes: of each row, 0 for none
    """

    codes: Codes
    clusters: list[Cluster]


class ConfusedClasses(Reply):
    """The labels of one class that look like another.

    Attributes:
        rows: these labels
        of: how many labels of the class the map has
    """

    label: str
    looks_like: str
    rows: Counts
    of: int


class SimilarClasses(Reply):
    """Two classes of a field that may be one.

    Attributes:
        field: the field, as the dataset calls it
        label, into: the rarer, and the more frequent, which it would be merged into
        labels, into_labels: how many labels the field has of each
        reason: what makes them alike
        mixing: how many neighbors have the other class, as a part of what chance would have if the
            two were one; null where that is little, or not known
    """

    field: str
    label: str
    into: str
    labels: int
    into_labels: int
    reason: Similarity
    mixing: float | None


class ClassPairs(Reply):
    """Pairs of classes.

    Attributes:
        source: what says which class a label looks like
        confused: the most labels first
        similar: the likeliest first
    """

    source: LooksBy
    confused: list[ConfusedClasses]
    similar: list[SimilarClasses]


class Item(Reply):
    """A label to look at.

    Attributes:
        suggested: the class that it should be, null where it cannot be known
        suggestions: the three likeliest other classes, the likeliest first
        box: its box, relative to the image; null where it is an outline
        suggested_box: where it should be, null where nobody says so
        issue: its main problem, null where nothing stands out
        suspicion: probability that it is wrong, as learned so far
        flagged: whether somebody tagged it for a review
        neighbors, examples: rows of the most similar patches, and of those of the suggested class
        again: whether an audit asks for a second answer, which is not written into the label
        along: how many other labels of its track the same is asked of, and not asked about
        needless: whether another label shows its object
        whole: whether it is said of the whole image
        fixed: why its box is not moved, null where it can be
    """

    row: int
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
    neighbors: list[int]
    examples: list[int]
    again: bool
    along: int
    needless: bool
    whole: bool
    fixed: str | None

    @classmethod
    def of(cls, item: queue.Item, shown: Map) -> Item | None:
        """Makes one of an item; None where the map has no such row any more."""
        (row,) = _rows([item.id], shown) or (None,)
        if row is None:
            return None
        near = {"neighbors": _rows(item.neighbors, shown), "examples": _rows(item.examples, shown)}
        return cls.like(item, row=row, **near)


class Queue(Reply):
    """What is left to review, the most suspicious first; of an audit, in its random order.

    Attributes:
        reviewed: how many answers there are; of an audit, those that count so far, and second ones
        expected: how many issues are expected to be left; of an audit, how many answers more would
            halve its interval
        notes: what cannot be known in this dataset; what else the audit says
    """

    items: list[Item]
    reviewed: int
    expected: float
    stop: bool
    sentence: str
    classes: list[str]
    notes: list[str]

    @classmethod
    def of(cls, queue: queue.Queue, shown: Map) -> Queue:
        """Makes one of a queue; patches beside a label are rows of the map."""
        estimate = queue.estimate
        return cls.like(
            queue,
            items=[item for one in queue.items if (item := Item.of(one, shown)) is not None],
            classes=list(queue.classes),
            expected=estimate.left,
            stop=estimate.stop,
        )

    @classmethod
    def of_audit(cls, asked: Questions, shown: Map) -> Queue:
        """Makes one of what an audit asks next."""
        result = asked.result
        return cls(
            items=[item for one in asked.items if (item := Item.of(one, shown)) is not None],
            reviewed=result.answers + result.seconds,
            expected=result.more,
            stop=False,
            sentence=result.sentence,
            classes=list(asked.classes),
            notes=asked.notes,
        )


class NextIssues(Reply):
    """The labels to look at next, ranked by all that is known now.

    Attributes:
        queue: null where label issues were not looked for yet, or no audit goes on
    """

    queue: Queue | None


def _rows(ids: list[str], shown: Map) -> list[int]:
    return [row for row in shown.rows_of(parse_ids(ids)).tolist() if row >= 0] if ids else []
