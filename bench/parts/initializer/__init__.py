"""Initializers: tensor laws lifted over the layers of a model, and schemes for a whole model.

In: a model, a CPU generator, a batch. Out: the model, filled in place. Touches: the tensors it is handed.
"""
