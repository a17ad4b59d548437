"""Findings become sentences; `format` is the one place that puts numbers and lists into words."""
