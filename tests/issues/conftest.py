from __future__ import annotations

import pytest


@pytest.fixture
def flipped_labels(make_dataset):
    """A dataset of 120 labels with the map ``map``, and the ids of the 6 labels that are wrong."""
    from clusters import clusters, labeled_dataset

    return labeled_dataset(make_dataset(), *clusters()[:3])
