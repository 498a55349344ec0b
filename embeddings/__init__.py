"""The engine: patches in, embeddings, neighbours, points and brain runs out.

It speaks to FiftyOne's data API and to torch, and knows nothing of operators or panels.
:func:`labelvet.embeddings.visualization.compute_visualization` is the one entry point; the other
modules are its stages, in the order of the data flow: ``patches`` → ``crops`` → ``backbones`` →
``embedder`` → ``neighbors`` → ``projection`` → ``runs``.
"""
