"""Arguments of initializers that take a word for something of the run: its activation, the blocks of its model.

In: nothing. Out: the arguments and their words. Touches: nothing; plans use it, so it imports no torch.
"""

GAINS = {"auto": "second_moment", "critical": "critical"}  # word of the argument `gain` -> kind of gain
BY_ACTIVATION = {"gain": (*GAINS,), "bias_std": ("critical",)}  # argument -> words for a number of the activation

RESIDUAL = "initializer.residual"  # the key of how the model joins a branch to its shortcut
SUM = "sum"  # where an initializer has no such argument
