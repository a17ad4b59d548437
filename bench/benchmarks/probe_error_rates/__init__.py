"""How often a diagnosis is wrong: on healthy models, on mutants that were trained, on the rows of studies."""
