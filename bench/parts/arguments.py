"""Arguments of initializers that take a word for something of the run: its activation, the blocks of its model.

In: nothing. Out: the arguments and their words. Touches: nothing; plans use it, so it imports no torch.
"""

GAINS = {"auto": "second_moment", "critical": "critical"}  # word of the argument `gain` -> kind of gain
BY_ACTIVATION = {"gain": (*GAINS,), "bias_std": ("critical",)}  # argument -> words for a number of the activation

RESIDUAL = "initializer.residual"  # the key of how the model joins a branch to its shortcut
SUM = "sum"  # where an initializer has no such argument

FANS = {  # how a law counts n_in and n_out, as the key `fans` of its yaml says
    "exact": "the connections: one group, one gate, one projection, a transposed layer from its inputs to its outputs",
    "torch": "torch's parameter as it is: outputs of all groups, gates and projections, a transposed layer reversed",
    "keras": "as torch, but all inputs of a depthwise kernel and one output of it, and one projection of attention",
    "jax": "outputs of all groups, one gate, one projection, a transposed layer from its inputs to its outputs",
    "paddle": "inputs and outputs of all groups",
}
