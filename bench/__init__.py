"""Measurements, not tests: ``make bench NAME=embed`` writes ``bench/results/embed.json``."""
