"""Rows become findings: what is compared with what, and what the statistics say of it."""
