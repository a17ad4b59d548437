"""Measurements of the suite itself: how fast runs train, weights are drawn, and commands answer."""
