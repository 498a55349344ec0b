"""What becomes of a label whose object is in the ground truth already."""

from __future__ import annotations

# rule of merging → what the form says of it
RULES = {
    "keep": "Keep the existing label",
    "replace": "Replace it with the approved one",
    "refuse": "Approve nothing if any object exists",
}
# boxes that overlap by so much are the same object
IOU = 0.7
