import numpy as np


class MeanColor:
    """A backbone whose embeddings are the mean color of a crop, some times over."""

    name, fingerprint, precision, device = "mean", "0", "float32", "cpu"

    def __init__(self, times=4):
        self.times = times

    def prepare(self, crop):
        return np.tile(crop.mean(axis=(0, 1)), self.times)

    def embed(self, inputs):
        return np.array(inputs, dtype=np.float32)
