"""The Python half of *Label embeddings*.

It checks what the browser asks, calls the engine once, and encodes the answer."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core.errors import InvalidParameter
from ...core.packed import unpack_rows
from ...dataset.app_view import base_view, view_without_selection
from ...dataset.documents import hex_ids
from ...dataset.label_views import exclude_tagged, save_tagged_view
from ...dataset.patches import is_patches_view, sample_id_path
from ...dataset.storage import shown_name
from ...dataset.tags import NO_FRAME_TAGS, describe, tag_fields, tag_samples
from ...maps.clusters import find_clusters, name_clusters
from ...maps.columns import FIELD, label_column, list_attributes, load_column
from ...maps.map import Map, list_maps, load_map
from ...maps.selection import check_frames, select_stages, visible_rows
from ...maps.similar import neighbors_of, similar_by_graph, similar_by_map
from ...maps.thumbnails import ThumbnailSettings, make_thumbnails
from ..message import Nothing
from ..undoing import Undoing
from ..web_panel import WebPanel, exposed
from . import messages
from .class_methods import ClassMethods
from .open_map import check_rows, labels_of, open_map
from .pending_runs import pending_runs
from .review_methods import ReviewMethods
from .search_methods import SearchMethods


class LabelEmbeddings(ReviewMethods, ClassMethods, SearchMethods, Undoing, WebPanel):
    """A map of patches on which labels are seen, lassoed, judged and tagged."""

    name = "label_embeddings"
    label = "Label embeddings"
    icon = "workspaces"
    help = "Find wrong labels on a map of their patches: lasso, look, tag."
    component = "LabelEmbeddings"

    @exposed
    def list_runs(self, ctx: Any) -> messages.Runs:
        """All visualization runs of the dataset, those that are being computed too."""
        computing = pending_runs(ctx.dataset._doc.id)
        keys = {run.key for run in computing}
        problem = "It has no results: it is still being computed, or it failed."
        runs = [
            messages.Run.of(info, problem=None if info.ready else problem)
            for info in list_maps(ctx.dataset)
            if info.ready or info.key not in keys
        ]
        return messages.Runs(runs=[*computing, *runs])

    @exposed
    def open_run(self, ctx: Any, request: messages.OpenRunRequest) -> messages.OpenedRun:
        """The points of a run, and what they can be colored by."""
        shown = load_map(ctx.dataset, request.key)
        attributes = list_attributes(ctx.dataset, shown.info)
        paths = {attribute.path for attribute in attributes}
        label = confidence = None
        if shown.info.fields:
            label = label_column(ctx.dataset, shown.info, "label")
            confidence = label_column(ctx.dataset, shown.info, "confidence")
        return messages.OpenedRun(
            run=messages.Run.of(shown.info, shown.points.shape),
            points=shown.points,
            attributes=[messages.Attribute.like(attribute) for attribute in attributes],
            label_path=label if label in paths else None,
            confidence_path=confidence if confidence in paths else None,
            field_path=FIELD if FIELD in paths else None,
        )

    @exposed
    def color_columns(self, ctx: Any, request: messages.ColumnsRequest) -> messages.ColorColumns:
        """The values of some attributes."""
        shown = open_map(ctx, request)
        return messages.ColorColumns(
            columns=[
                messages.ColorColumn.of(path, load_column(ctx.dataset, shown, path))
                for path in request.paths
            ]
        )

    @exposed
    def visible_rows(self, ctx: Any, request: messages.RunRequest) -> messages.VisibleRows:
        """The rows in the App's view under its filters."""
        shown = open_map(ctx, request)
        visible = visible_rows(shown, _view(ctx))
        if visible is None or visible.all():
            return messages.VisibleRows(mask=None, count=len(shown))
        return messages.VisibleRows(mask=visible, count=int(visible.sum()))

    @exposed
    def select_rows(self, ctx: Any, request: messages.RowsRequest) -> messages.Stages:
        """The view stages that make the App's grid show exactly some rows."""
        shown, rows = _selection(ctx, request)
        if len(rows) == len(shown):
            return messages.Stages(stages=None, count=len(rows))
        stages = select_stages(shown, rows, _view(ctx))
        return messages.Stages(stages=stages, count=len(rows))

    @exposed
    def crops(self, ctx: Any, request: messages.CropsRequest) -> messages.Crops:
        """Pictures of some rows."""
        shown = open_map(ctx, request)
        rows = check_rows(request.rows, shown)
        settings = ThumbnailSettings(request.size, request.margin)
        thumbnails = make_thumbnails(ctx.dataset, shown, rows, settings, request.around)
        return messages.Crops(crops=[messages.Crop.of(one) for one in thumbnails])

    @exposed
    def tag(self, ctx: Any, request: messages.TagRequest) -> messages.Changed:
        """Adds a tag to the selected labels or samples, or removes it."""
        shown, rows = _selection(ctx, request)
        tag, remove, field = request.tag, request.remove, shown.info.field
        if field is not None and request.target == "labels":
            none = {field: (shown.sample_ids[:0], shown.ids[:0])}
            labels = labels_of(shown, rows) or none
            kind, done = "label", tag_fields(ctx.dataset, labels, tag, remove)
        elif shown.info.frames:
            raise InvalidParameter(NO_FRAME_TAGS)
        else:
            kind, done = "sample", tag_samples(ctx.dataset, shown.sample_ids[rows], tag, remove)
        ctx.ops.reload_samples()
        sentence = describe(done, tag, kind, remove)
        return messages.Changed.like(done, undo=done.token, sentence=sentence)

    @exposed
    def save_tagged_view(
        self, ctx: Any, request: messages.SaveTaggedViewRequest
    ) -> messages.SavedView:
        """Saves the view of what has a tag."""
        shown = open_map(ctx, request)
        fields = shown.info.stored_fields if request.target == "labels" else []
        saved = save_tagged_view(ctx.dataset, request.tag, fields or None, request.name)
        if saved.created:
            ctx.ops.reload_dataset()  # the App reads its list of saved views with the dataset
        return messages.SavedView.like(saved)

    @exposed
    def exclude_tagged(self, ctx: Any, request: messages.ExcludeTaggedRequest) -> messages.Done:
        """Leaves what has a tag out of the App's view."""
        fields = open_map(ctx, request).info.stored_fields
        level = request.level if fields else "images"
        # the sidebar's filters stay on top of the new view
        view = base_view(ctx.dataset, ctx.request_params)
        names: list[str | None] = [shown_name(view, field) for field in fields]
        if len(names) > 1:  # patches have labels of one field
            names = [name for name in names if view.get_field(name) is not None] or names
        sentences = []
        for name in names or [None]:
            view, sentence = exclude_tagged(view, request.tag, name, level)
            sentences.append(sentence)
        ctx.ops.set_view(view)
        return messages.Done(sentence=" ".join(sentences))

    @exposed
    def similar(self, ctx: Any, request: messages.SimilarRequest) -> messages.Similar:
        """The rows nearest to the selected ones."""
        shown, rows = _selection(ctx, request)
        if not len(rows):
            raise InvalidParameter("Select a patch first to find others like it.")
        graph = neighbors_of(ctx.dataset, shown)
        if graph is not None:
            near = similar_by_graph(graph, rows, request.count)
            return messages.Similar(rows=near.tolist(), source="neighbors")
        near = similar_by_map(shown.points, rows, request.count)
        return messages.Similar(rows=near.tolist(), source="map")

    @exposed
    def clusters(self, ctx: Any, request: messages.ColumnRequest) -> messages.Clusters:
        """The clusters of the map, named by an attribute."""
        shown = open_map(ctx, request)
        labels = load_column(ctx.dataset, shown, request.path)
        if labels.codes is None:
            raise InvalidParameter(
                f"Clusters are named after classes, but '{request.path}' holds numbers: choose "
                "another field."
            )
        codes = find_clusters(shown.points)
        clusters = name_clusters(shown.points, codes, labels)
        return messages.Clusters(
            codes=codes,
            clusters=[messages.Cluster.like(one, center=list(one.center)) for one in clusters],
        )

    @exposed
    def open_sample(self, ctx: Any, request: messages.OpenSampleRequest) -> Nothing:
        """Opens a row's image, or its patch in a patches view, in the modal."""
        shown = open_map(ctx, request)
        (row,) = check_rows([request.row], shown)
        view = _view(ctx)
        check_frames(shown, view)
        ((number, _, _),) = shown.split(np.array([row]))
        field = shown.parts[number].info.patches_field
        own = is_patches_view(view) and field in view._label_fields
        ids = shown.ids if own else shown.sample_ids
        (id_,) = hex_ids(ids[row : row + 1])
        if is_patches_view(view) and not own:
            id_ = view.select_by(sample_id_path(view), id_).first().id
        # as ctx.ops.open_sample does, which knows nothing of the mode; older Apps have none
        mode = "annotate" if request.annotate else "explore"
        ctx.trigger("open_sample", {"id": id_, "mode": mode})
        return Nothing()


def _view(ctx: Any) -> Any:
    return view_without_selection(ctx.dataset, ctx.request_params)


def _selection(ctx: Any, request: messages.RowsRequest) -> tuple[Map, Any]:
    shown = open_map(ctx, request)
    return shown, unpack_rows(request.rows, len(shown))
