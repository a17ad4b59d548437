"""Rows: the store that writes them, the environment they carry, the W&B mirror that replays them."""
