"""Labels by a model, and their approval: what a detector finds becomes ground truth.

``detectors`` are the models, ``auto_label`` runs one over a view, and ``runs`` keeps what is known
of every such run with the dataset.
``review`` counts what there is to approve, ``basket`` holds what was chosen, ``approval`` makes it
ground truth, ``finalizing`` removes the rest, ``loop`` says how far all of it is, and ``undo``
takes any step back.
"""
