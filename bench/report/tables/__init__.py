"""The tables of a paper, each a function from a study to a Table; every cell knows the runs it was made of."""
