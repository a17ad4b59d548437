"""Which weight initializer to use, with intervals on the answer: parts make runs, runs make rows, rows make a report."""

__version__ = "0.1.0"
