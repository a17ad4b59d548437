"""Rows become findings: blocks, arms, pairs, a finding per block, and the summary of a study."""
