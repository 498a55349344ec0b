"""The operators: each reads its form, makes one call into the engine and shapes the answer."""

from __future__ import annotations

from typing import Any

from .approve_labels import ApproveLabels
from .audit_labels import ApproveToTarget, AuditLabels
from .auto_label import AutoLabel
from .bring_back import BringBack
from .check_boxes import CheckBoxes
from .compute_visualization import ComputeVisualization
from .delete_flagged import DeleteFlagged
from .exclude_tagged import ExcludeTagged
from .filter_labels import FilterLabels
from .find_label_issues import FindLabelIssues, RemoveLabelIssues
from .label_report import LabelReport
from .merge_classes import MergeClasses
from .save_tagged_view import SaveTaggedView
from .send_for_correction import SendForCorrection
from .tag_labels import TagLabels
from .update_visualization import UpdateVisualization

OPERATORS = (
    AutoLabel,
    ComputeVisualization,
    UpdateVisualization,
    FilterLabels,
    TagLabels,
    SaveTaggedView,
    ExcludeTagged,
    DeleteFlagged,
    ApproveLabels,
    FindLabelIssues,
    RemoveLabelIssues,
    AuditLabels,
    ApproveToTarget,
    LabelReport,
    CheckBoxes,
    MergeClasses,
    SendForCorrection,
    BringBack,
)


def register(plugin: Any) -> None:
    """Registers every operator with FiftyOne's plugin context."""
    for operator in OPERATORS:
        plugin.register(operator)
