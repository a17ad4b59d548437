"""A study becomes runs, runs are handed to processes, and each leaves a row."""
