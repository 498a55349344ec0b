"""One life of a label: its states, the tags that say them, and the words that lead to them.

The review, the tags, the basket, the approval and the panels all follow this table, which
docs/auto-labeling.md has too:

=========  ================  ======================================================================
state      tag               the word that leads to it, and the tags that it takes away
=========  ================  ======================================================================
open       none              any undo or tag that is removed
reviewed   ``reviewed``      *right*, *wrong class*, *badly placed*: ``needs-review``, ``rejected``
basket     ``for-approval``  *add for approval*: ``needs-review``, ``rejected``
flagged    ``needs-review``  *flag*: ``rejected``, ``reviewed``
rejected   ``rejected``      *not an object*, *not needed*: ``for-approval``, ``needs-review``,
                             ``reviewed``
approved   ``approved``      *approve*: ``for-approval``, ``not-approved``
=========  ================  ======================================================================

The last word wins, and undo goes back one word. A label that has several of the tags is in the
lowest state of the table: one that is flagged in the basket is flagged, and in the basket again
once somebody says that it is right. What is reviewed can go into the basket and be approved. What
is approved stays approved until that is undone.
"""

from __future__ import annotations

from collections.abc import Iterable

APPROVED_TAG, REJECTED_TAG, FLAGGED_TAG = "approved", "rejected", "needs-review"
BASKET_TAG, REVIEWED_TAG = "for-approval", "reviewed"

# what an approval leaves behind has this tag: it is no state, and decides nothing
NOT_APPROVED_TAG = "not-approved"

# state → its tag, in the order in which they decide
TAGS = {
    "approved": APPROVED_TAG,
    "rejected": REJECTED_TAG,
    "flagged": FLAGGED_TAG,
    "basket": BASKET_TAG,
    "reviewed": REVIEWED_TAG,
}
LABEL_STATES = (*TAGS, "open")

# as the loop of approval counts them: what was reviewed is open until it is in the basket
LOOP_STATES = (*LABEL_STATES[:4], "open")

# tag that a word says → the tags that it takes away
TAKES_AWAY = {
    REVIEWED_TAG: (FLAGGED_TAG, REJECTED_TAG),
    BASKET_TAG: (FLAGGED_TAG, REJECTED_TAG),
    FLAGGED_TAG: (REJECTED_TAG, REVIEWED_TAG),
    REJECTED_TAG: (BASKET_TAG, FLAGGED_TAG, REVIEWED_TAG),
    APPROVED_TAG: (BASKET_TAG, NOT_APPROVED_TAG),
}


def state_of(tags: Iterable[str] | None) -> str:
    """Returns the state of a label with some tags."""
    there = set(tags or ())
    return next((state for state, tag in TAGS.items() if tag in there), "open")
