"""Labels by a model: the detectors, a run of one over a view, and what is known of each run."""
