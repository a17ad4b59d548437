"""The tables of a paper, each a function from a study to a Table; every cell holds the ids of its runs."""
