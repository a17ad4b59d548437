"""Findings become sentences: the one place that puts numbers and lists into words."""
