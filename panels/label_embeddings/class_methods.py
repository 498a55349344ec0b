"""The methods of the panel about pairs of classes: what is confused, and merging two into one."""

from __future__ import annotations

from typing import Any

from ...core.errors import InvalidParameter
from ...core.sentences import listed
from ...core.user import user_of
from ...review.class_pairs import find_class_pairs
from ...review.merging import merge_classes
from ..web_panel import exposed
from . import messages
from .open_map import open_map

# more rows than this nobody reads
_LISTED = 200


class ClassMethods:
    """The part of *Label embeddings* that compares the classes of a map."""

    @exposed
    def class_pairs(self, ctx: Any, request: messages.RunRequest) -> messages.ClassPairs:
        """Which classes are confused, and which may be one."""
        found = find_class_pairs(ctx.dataset, open_map(ctx, request).info.key)
        return messages.ClassPairs(
            source=found.source,
            confused=[messages.ConfusedClasses.like(one) for one in found.confused[:_LISTED]],
            similar=[messages.SimilarClasses.like(one) for one in found.similar[:_LISTED]],
        )

    @exposed
    def merge_classes(self, ctx: Any, request: messages.MergeRequest) -> messages.Changed:
        """Gives all labels of a class the name of another."""
        fields = open_map(ctx, request).info.stored_fields
        if not fields:
            raise InvalidParameter("Whole images have no classes to merge.")
        field = fields[0] if request.field is None else request.field
        if field not in fields:
            raise InvalidParameter(f"'{field}' is no field of this map: {listed(fields)} are.")
        user = user_of(ctx)
        done = merge_classes(ctx.dataset, field, request.label, request.into, by=user)
        ctx.ops.reload_samples()
        return messages.Changed.like(done, undo=done.token)
