"""Initializers: tensor laws applied to all layers of a model, and schemes for a whole model.

In: a model, a CPU generator, a batch. Out: the model, filled in place. Touches: the tensors it is handed.

Published, and left out: convolutional covariances (Trockman 2022), which are for the large depthwise filters of
ConvMixer and ConvNeXt, and a ResNet has none; RISOTTO (Gadhikar & Burkholz 2022) and the patch-maintain variant of
IDInit (Pan 2025), whose formulas could not be checked against a text or code; NIO (Yang 2022), for which neither was
found; scaled weight standardisation of NF-nets (Brock 2021), which is a layer that stays through training, and not
weights to start from (its gammas are gains of kind "variance", see bench/parts/gain.py); the learning rates of muP,
which are an optimizer's; and MXNet's orthogonal law, another draw of the same matrices.
"""
