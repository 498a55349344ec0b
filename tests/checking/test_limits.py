"""``--fail-if``: what it reads, and when a limit is passed."""

from __future__ import annotations

import pytest
from labelvet.checking.limits import parse_limit
from labelvet.checking.result import CheckResult, Issue
from labelvet.core.errors import InvalidParameter


@pytest.mark.parametrize(
    "rule, count, labels, passed",
    [
        ("wrong > 2%", 20, 1000, False),
        ("wrong > 2%", 21, 1000, True),
        ("wrong>=2 %", 20, 1000, True),
        ("mislabeled > 0", 0, 10, False),
        ("missed > .5", 1, 10, True),
        ("wrong > 2%", 0, 0, False),
    ],
)
def test_limits(rule, count, labels, passed):
    assert parse_limit(rule).passed(count, labels) == passed


@pytest.mark.parametrize(
    "rule", ["", "wrong", "right > 2", "wrong > two", "wrong < 2", "wrong > -1"]
)
def test_what_is_no_limit_says_how_one_looks(rule):
    with pytest.raises(InvalidParameter, match="for example 'wrong > 2%'"):
        parse_limit(rule)


def test_a_limit_reads_as_it_was_given():
    assert str(parse_limit("wrong>2.50%")) == "wrong > 2.5%"


def test_the_table_calls_nothing_certain():
    box = [0.1, 0.1, 0.2, 0.2]
    issue = Issue("a.jpg", "cat", box, "duplicate", 0.9984, None, None, None, "a.txt:1")
    assert "  over 99%  a.txt:1" in CheckResult("YOLO", 1, {"cat": 1}, [issue], []).table(1)
