"""Labels by a model, and their approval: what a detector finds becomes ground truth.

``detectors`` are the models, ``auto_label`` runs one over a view, and ``runs`` keeps what is known
of every such run with the dataset.
"""
