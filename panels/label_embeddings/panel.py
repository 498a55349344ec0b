"""The Python half of *Label embeddings*.

It checks what the browser asks, calls the engine once, and encodes the answer."""

from __future__ import annotations

from typing import Any

from ...core.errors import InvalidParameter
from ...dataset.app_view import base_view, view_without_selection
from ...dataset.brain_runs import load_neighbor_graph
from ...dataset.documents import hex_ids
from ...dataset.patches import is_patches_view, label_path
from ...dataset.tags import check_tag, describe, tag_labels, tag_samples, undo
from ...dataset.views import LEVELS, exclude_tagged, save_tagged_view
from ...maps.clusters import find_clusters, name_clusters
from ...maps.columns import list_attributes, load_column
from ...maps.map import Map, list_maps, load_map
from ...maps.selection import select_stages, visible_rows
from ...maps.similar import similar_by_graph, similar_by_map
from ...maps.thumbnails import make_thumbnails
from .. import arguments
from ..web_panel import Answer, WebPanel, answers
from . import wire
from .computing import computing_runs
from .reviewing import Reviewing

TARGETS = ("labels", "samples")

_MAX_CROPS = 100
_MAX_SIMILAR = 10_000


class LabelEmbeddings(Reviewing, WebPanel):
    """A map of patches on which labels are seen, lassoed, judged and tagged."""

    name = "label_embeddings"
    label = "Label embeddings"
    icon = "workspaces"
    help = "Find wrong labels on a map of their patches: lasso, look, tag."
    component = "LabelEmbeddings"

    @answers
    def list_runs(self, ctx: Any) -> Answer:
        """All visualization runs of the dataset, those that are being computed too."""
        computing = computing_runs(ctx.dataset._doc.id)
        keys = {run["key"] for run in computing}
        runs = []
        for info in list_maps(ctx.dataset):
            run = wire.run(info)
            if not info.ready:
                if info.key in keys:
                    continue
                run["problem"] = "It has no results: it is still being computed, or it failed."
            runs.append(run)
        return {"runs": [*computing, *runs]}

    @answers
    def open_run(self, ctx: Any) -> Answer:
        """The points of a run, and what they can be colored by."""
        shown = load_map(ctx.dataset, arguments.text(ctx.params, "key"))
        field = shown.info.patches_field
        attributes = list_attributes(ctx.dataset, shown.info)
        paths = {attribute.path for attribute in attributes}
        root = label_path(ctx.dataset, field) if field is not None else None
        label, confidence = f"{root}.label", f"{root}.confidence"
        return {
            "run": wire.run(shown.info, *shown.points.shape),
            "geometry": wire.column(shown.points, "f4"),
            "attributes": [wire.attribute(attribute) for attribute in attributes],
            "labelPath": label if label in paths else None,
            "confidencePath": confidence if confidence in paths else None,
        }

    @answers
    def color_column(self, ctx: Any) -> Answer:
        """The values of an attribute."""
        path = arguments.text(ctx.params, "path")
        return wire.color_column(path, load_column(ctx.dataset, arguments.shown_map(ctx), path))

    @answers
    def visible_rows(self, ctx: Any) -> Answer:
        """The rows in the App's view under its filters."""
        shown = arguments.shown_map(ctx)
        visible = visible_rows(shown, _view(ctx))
        if visible is None or visible.all():
            return {"mask": None, "count": len(shown)}
        return {"mask": wire.mask(visible), "count": int(visible.sum())}

    @answers
    def select_rows(self, ctx: Any) -> Answer:
        """The view stages that make the App's grid show exactly some rows."""
        shown, rows = _selection(ctx)
        if len(rows) == len(shown):
            return {"stages": None, "count": len(rows)}
        stages = select_stages(shown, rows, _view(ctx))
        return {"stages": stages, "count": len(rows)}

    @answers
    def crops(self, ctx: Any) -> Answer:
        """Pictures of some rows."""
        shown = arguments.shown_map(ctx)
        rows = arguments.row_list(ctx.params, "rows", len(shown), _MAX_CROPS)
        size = arguments.whole_number(ctx.params, "size", 32, 512, 128)
        margin = arguments.number(ctx.params, "margin", 0, 1, 0.25)
        thumbnails = make_thumbnails(ctx.dataset, shown, rows, size, margin)
        return {"crops": [wire.crop(thumbnail) for thumbnail in thumbnails]}

    @answers
    def tag(self, ctx: Any) -> Answer:
        """Adds a tag to the selected labels or samples, or removes it."""
        shown, rows = _selection(ctx)
        tag = check_tag(ctx.params.get("tag"))
        target = arguments.choice(ctx.params, "target", TARGETS, "labels")
        remove = arguments.flag(ctx.params, "remove")
        field = shown.info.patches_field
        labels = field is not None and target == "labels"
        if labels:
            assert field is not None
            ids = shown.sample_ids[rows], shown.ids[rows]
            done = tag_labels(ctx.dataset, field, *ids, tag, remove)
        else:
            done = tag_samples(ctx.dataset, shown.sample_ids[rows], tag, remove)
        ctx.ops.reload_samples()
        return {
            "changed": done.changed,
            "unchanged": done.unchanged,
            "undo": done.token,
            "sentence": describe(done, tag, "label" if labels else "sample", remove),
        }

    @answers
    def undo(self, ctx: Any) -> Answer:
        """Takes a change of tags back."""
        undone = undo(ctx.dataset, ctx.params.get("token"))
        ctx.ops.reload_samples()
        return {"changed": undone.changed, "sentence": undone.sentence}

    @answers
    def save_tagged_view(self, ctx: Any) -> Answer:
        """Saves the view of what has a tag."""
        shown = arguments.shown_map(ctx)
        tag = check_tag(ctx.params.get("tag"))
        target = arguments.choice(ctx.params, "target", TARGETS, "labels")
        field = shown.info.patches_field if target == "labels" else None
        name = arguments.optional_text(ctx.params, "name")
        saved = save_tagged_view(ctx.dataset, tag, field, name)
        if saved.created:
            ctx.ops.reload_dataset()  # the App reads its list of saved views with the dataset
        return {"name": saved.name, "created": saved.created, "sentence": saved.sentence}

    @answers
    def exclude_tagged(self, ctx: Any) -> Answer:
        """Leaves what has a tag out of the App's view."""
        shown = arguments.shown_map(ctx)
        field = shown.info.patches_field
        level = arguments.choice(ctx.params, "level", LEVELS, "labels")
        if field is None:
            level = "images"
        tag = check_tag(ctx.params.get("tag"))
        # the sidebar's filters stay on top of the new view
        base = base_view(ctx.dataset, ctx.request_params)
        view, sentence = exclude_tagged(base, tag, field, level)
        ctx.ops.set_view(view)
        return {"sentence": sentence}

    @answers
    def similar(self, ctx: Any) -> Answer:
        """The rows nearest to the selected ones."""
        shown, rows = _selection(ctx)
        if not len(rows):
            raise InvalidParameter("Select a patch first: its nearest ones are found from it.")
        count = arguments.whole_number(ctx.params, "count", 1, _MAX_SIMILAR, 50)
        graph = load_neighbor_graph(ctx.dataset, shown.info.key)
        if graph is not None and len(graph.indices) == len(shown):
            return {"rows": similar_by_graph(graph, rows, count).tolist(), "source": "neighbors"}
        return {"rows": similar_by_map(shown.points, rows, count).tolist(), "source": "map"}

    @answers
    def clusters(self, ctx: Any) -> Answer:
        """The clusters of the map, named by an attribute."""
        shown = arguments.shown_map(ctx)
        path = arguments.text(ctx.params, "path")
        labels = load_column(ctx.dataset, shown, path)
        if labels.codes is None:
            raise InvalidParameter(
                f"Clusters are named by classes, and '{path}' holds numbers: choose another field."
            )
        codes = find_clusters(shown.points)
        clusters = name_clusters(shown.points, codes, labels)
        return {
            "codes": wire.column(codes, "u2"),
            "clusters": [wire.cluster(cluster) for cluster in clusters],
        }

    @answers
    def open_sample(self, ctx: Any) -> Answer:
        """Opens a row's image, or its patch in a patches view, in the modal."""
        shown = arguments.shown_map(ctx)
        row = arguments.row(ctx.params, "row", len(shown))
        view = _view(ctx)
        own = is_patches_view(view) and shown.info.patches_field in view._label_fields
        ids = shown.ids if own else shown.sample_ids
        (id_,) = hex_ids(ids[row : row + 1])
        if is_patches_view(view) and not own:
            id_ = view.select_by("sample_id", id_).first().id
        ctx.ops.open_sample(id=id_)
        return {}


def _view(ctx: Any) -> Any:
    return view_without_selection(ctx.dataset, ctx.request_params)


def _selection(ctx: Any) -> tuple[Map, Any]:
    shown = arguments.shown_map(ctx)
    return shown, arguments.rows(ctx.params, "rows", len(shown))
