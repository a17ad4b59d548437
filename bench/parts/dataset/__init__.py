"""Datasets, each one tensor in memory: checksummed, split, normalised by its training split."""
