"""Rows: the store that writes and reads them, leases, checkpoints, merging, verification and the W&B mirror."""
