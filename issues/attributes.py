"""What is written about a label that was judged: the attributes, and the names of the issues.

Everything that reads or writes them takes their names from here.
"""

from __future__ import annotations

import fiftyone as fo

from ..dataset.schema import Attribute

MISLABELED, MISPLACED, SPURIOUS = "mislabeled", "misplaced", "spurious"
DUPLICATE, MISSED = "duplicate", "missed"
ISSUES = (MISLABELED, MISPLACED, SPURIOUS, DUPLICATE, MISSED)

ISSUE, REASON, EVIDENCE = "issue", "issue_reason", "issue_evidence"
SUSPICION, SUGGESTED, SUGGESTED_ALL = "suspicion", "suggested_label", "suggested_labels"
SUGGESTED_BOX = "suggested_box"
GEOMETRY = "geometry"

ATTRIBUTES = {
    ISSUE: Attribute(fo.StringField, f"The main problem: {', '.join(ISSUES[:-1])} or {ISSUES[-1]}"),
    REASON: Attribute(fo.StringField, "Why the label is suspected"),
    EVIDENCE: Attribute(
        fo.ListField, "Ids of the labels that the reason refers to", items=fo.StringField
    ),
    SUSPICION: Attribute(fo.FloatField, "Probability that the label is wrong in any way"),
    MISLABELED: Attribute(fo.FloatField, "Probability that the class is wrong"),
    MISPLACED: Attribute(fo.FloatField, "Probability that the box is badly placed"),
    SPURIOUS: Attribute(
        fo.FloatField, "Probability that there is no object, or that the image is not of the class"
    ),
    DUPLICATE: Attribute(fo.FloatField, "Probability that another label shows the same object"),
    MISSED: Attribute(
        fo.FloatField, "Probability that a label that is not accepted shows an object"
    ),
    SUGGESTED: Attribute(fo.StringField, "The class that it should be, if it is mislabeled"),
    SUGGESTED_ALL: Attribute(
        fo.ListField, "The most likely other classes, most likely first", items=fo.StringField
    ),
    SUGGESTED_BOX: Attribute(
        fo.ListField,
        "The box of the object in another field, if this one is badly placed: x, y, width, height",
        items=fo.FloatField,
    ),
    GEOMETRY: Attribute(
        fo.ListField,
        "What is conspicuous about the box itself: sliver, tiny, nested, cut off, outside, no "
        "area, odd size, odd shape; and about its mask: loose box, empty mask, full mask, holes, "
        "islands, covers another, unreadable mask",
        items=fo.StringField,
    ),
}
OWNER = "label issues"
