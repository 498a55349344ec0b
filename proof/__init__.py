"""The proof of a label set: how many labels are wrong, and the largest set that meets a target."""
