"""What each command does, in terms of runs, rows and reports: one module per kind of command."""
