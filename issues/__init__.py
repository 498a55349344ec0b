"""Label issues: how suspicious every label of a run is, why, and what reviews teach about the rest.

``suspicion`` joins the parts (``classes``, ``boxes``), ``review`` learns from answers, and
``attributes`` writes the scores to the labels.
"""
