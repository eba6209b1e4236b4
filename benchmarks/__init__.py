"""Measurements of Sojourn beside other session layers, in one run: `python -m benchmarks`."""
