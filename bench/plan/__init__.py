"""A study becomes runs, and runs become jobs."""
