"""What a process that trains does: one task for each run, each of which leaves a row."""
