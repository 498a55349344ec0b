"""The methods of the panel that find patches which look like something that is not on the map."""

from __future__ import annotations

from typing import Any

from ...maps.search import MOST_BYTES, open_search, searches_of
from ..message import Nothing
from ..web_panel import exposed
from . import messages
from .open_map import open_map


class SearchMethods:
    """The part of *Label embeddings* that searches by images and words."""

    @exposed
    def searches(self, ctx: Any, request: messages.RunRequest) -> messages.Searches:
        """What the patches of a run can be searched by."""
        found = searches_of(ctx.dataset, open_map(ctx, request))
        return messages.Searches.like(found, most_bytes=MOST_BYTES)

    @exposed
    def load_backbone(self, ctx: Any, request: messages.RunRequest) -> Nothing:
        """Loads what a search needs, which takes seconds; a search does so too where it was not."""
        open_search(ctx.dataset, open_map(ctx, request))
        return Nothing()

    @exposed
    def similar_to_image(self, ctx: Any, request: messages.ImageRequest) -> messages.Similar:
        """The rows nearest to an image."""
        search = open_search(ctx.dataset, open_map(ctx, request))
        rows = search.near_image(request.image, request.count)
        return messages.Similar(rows=rows.tolist(), source="neighbors", note=search.note)

    @exposed
    def similar_to_words(self, ctx: Any, request: messages.WordsRequest) -> messages.Similar:
        """The rows nearest to what words say."""
        search = open_search(ctx.dataset, open_map(ctx, request))
        rows = search.near_words(request.words, request.count)
        return messages.Similar(rows=rows.tolist(), source="neighbors", note=search.note)
