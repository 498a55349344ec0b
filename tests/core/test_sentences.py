"""The words of sentences say nothing that is not so."""

from labelvet.core.sentences import whole_percent


def test_none_and_all_are_said_of_nothing_less():
    parts = [0, 0.0043, 0.01, 0.2, 0.985, 0.9957, 1]
    said = ["0%", "under 1%", "1%", "20%", "98%", "over 99%", "100%"]
    assert [whole_percent(part) for part in parts] == said
