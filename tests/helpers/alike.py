"""Samples that have the same fields."""

from __future__ import annotations

from collections.abc import Iterable

import fiftyone as fo


def add_alike(dataset: fo.Dataset, samples: Iterable[fo.Sample]) -> None:
    """Adds samples whose fields and attributes are those of the first.

    FiftyOne would look at each for new ones, and would load each that is held on to anew with every
    reload of the dataset: give a generator.
    """
    samples = iter(samples)
    dataset.add_sample(next(samples), dynamic=True)
    dataset.add_samples(samples, expand_schema=False)
