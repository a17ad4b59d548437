"""Which weight initializer to use, with intervals: parts make runs, runs make rows, rows make a report."""

__version__ = "0.1.0"
