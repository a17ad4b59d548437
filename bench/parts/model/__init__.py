"""Networks built for an image shape, with the activation and the normalization of the run.

In: a shape, a number of classes, two callables. Out: modules. Touches: torch's global generator, as torch's layers do.
"""
