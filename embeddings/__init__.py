"""The engine: a patch table in, embeddings, a neighbor graph and points out.

It knows torch and nothing of FiftyOne's documents. The modules are the stages, in the order of the
data flow: ``decoding`` → ``crops`` → ``backbones`` → ``embedder`` → ``neighbors`` → ``projection``.
"""
