"""Judging labels: how suspicious every label of a run is, and why.

``suspicion`` joins the parts (``classes``, ``boxes``, ``missed``), ``find`` judges the labels of a
dataset and writes what it found into them, ``findings`` keeps the evidence beside the run.
"""
