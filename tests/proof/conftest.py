import pytest


@pytest.fixture
def judged(flipped_labels):
    """A dataset whose label issues were found, and the ids of its labels that are wrong."""
    from labelvet.issues.find import find_label_issues

    dataset, flipped = flipped_labels
    find_label_issues(dataset, "map")
    return dataset, set(flipped)
