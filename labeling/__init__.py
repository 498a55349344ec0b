"""Labels by a model, and their approval: what a detector finds becomes ground truth.

``detectors`` are the models, ``auto_label`` runs one over a view, and ``runs`` keeps what is known
of every such run with the dataset. ``candidates`` are the labels to decide on, ``review`` counts
them, ``basket``, ``approval`` and ``finalizing`` are the steps to ground truth, and ``loop`` says
how far it is.
"""
