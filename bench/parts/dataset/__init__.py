"""Datasets: raw data read into tensors, then checked, split and normalized by their training split."""
