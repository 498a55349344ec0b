"""Images of noise, each of which looks like no other."""

import numpy as np
from PIL import Image


def save_noise(path, seed):
    """Saves an image of 80 x 60 pixels."""
    noise = np.random.default_rng(seed).integers(0, 255, (60, 80, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
