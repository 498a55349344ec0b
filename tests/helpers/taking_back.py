"""Answers that are taken back, as an undo in the App does."""

from __future__ import annotations

from labelvet.dataset.changes import find_change
from labelvet.review.answers import take_back_change


def take_back(dataset, token):
    """Takes the answers of a token back."""
    return take_back_change(find_change(dataset, token))
