"""What is written about a label that was judged: the attributes, and the names of the issues.

Everything that reads or writes them takes their names from here.
"""

from __future__ import annotations

import fiftyone as fo

from ..dataset.schema import Attribute

MISLABELED, SPURIOUS, MISSED, DUPLICATE = "mislabeled", "spurious", "missed", "duplicate"
ISSUES = (MISLABELED, SPURIOUS, MISSED, DUPLICATE)

ISSUE, REASON, EVIDENCE = "issue", "issue_reason", "issue_evidence"
SUSPICION, SUGGESTED = "suspicion", "suggested_label"

ATTRIBUTES = {
    ISSUE: Attribute(fo.StringField, f"The main problem: {', '.join(ISSUES[:-1])} or {ISSUES[-1]}"),
    REASON: Attribute(fo.StringField, "What speaks against the label"),
    EVIDENCE: Attribute(
        fo.ListField, "Ids of the labels that the reason speaks of", items=fo.StringField
    ),
    SUSPICION: Attribute(fo.FloatField, "Probability that the label is wrong in any way"),
    MISLABELED: Attribute(fo.FloatField, "Probability that the class is wrong"),
    SUGGESTED: Attribute(fo.StringField, "The class that it should be, if it is mislabeled"),
    SPURIOUS: Attribute(fo.FloatField, "Probability that it is a false positive"),
    MISSED: Attribute(
        fo.FloatField, "Probability that a label which is not accepted shows an object"
    ),
    DUPLICATE: Attribute(fo.FloatField, "How much it repeats another label"),
}
OWNER = "label issues"
