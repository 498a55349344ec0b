"""What every room speaks: the patch table, errors, progress, words.

It knows neither FiftyOne nor torch.
"""
