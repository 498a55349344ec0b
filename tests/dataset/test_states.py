"""The table of a label's states, in the code and in docs/auto-labeling.md, says what is so."""

import re

import pytest
from labelvet.core.versions import PLUGIN
from labelvet.dataset import states
from labelvet.dataset.states import LABEL_STATES, TAGS, TAKES_AWAY, state_of

DOCS = (PLUGIN / "docs" / "auto-labeling.md").read_text(encoding="utf-8")


def rows_in_docs():
    """``{state: (tag, words, tags that it takes away)}`` of the page."""
    table = DOCS[DOCS.index("| State | Tag |") :].split("\n\n")[0]
    cells = [[cell.strip() for cell in row.split("|")[1:-1]] for row in table.splitlines()[2:]]
    return {
        state: (tag.strip("`"), said.partition(":")[0], set(re.findall("`(.+?)`", said)))
        for state, tag, said in cells
    }


def rows_in_code():
    table = re.sub(
        r"\n +", " ", states.__doc__.split("\n\n")[2]
    )  # a word may go on in the next line
    lines = table.splitlines()[3:-1]
    cells = [re.split(r"  +", line, maxsplit=2) for line in lines]
    return {
        state: (tag.strip("`"), said.partition(":")[0], set(re.findall("``(.+?)``", said)))
        for state, tag, said in cells
    }


@pytest.mark.parametrize("rows", [rows_in_docs, rows_in_code])
def test_the_table_is_what_the_code_does(rows):
    found = rows()
    assert set(found) == set(LABEL_STATES)
    for state, tag in TAGS.items():
        assert found[state][0] == tag and found[state][2] == set(TAKES_AWAY[tag])
    assert found["open"][0] == "none"


def test_page_and_code_name_the_same_words():
    words = [
        {state: row[1].lower() for state, row in rows().items()}
        for rows in (rows_in_docs, rows_in_code)
    ]
    assert words[0] == words[1]


def test_of_several_tags_the_one_that_decides_is_lowest_in_the_table():
    order = list(rows_in_docs())
    for one in TAGS:
        for other in TAGS:
            lower = max(one, other, key=order.index)
            assert state_of([TAGS[one], TAGS[other]]) == lower
    assert state_of(None) == state_of(["mine"]) == "open"
