"""The role of each layer in a model, and the residual branches.

In: a model. Out: names, and the modules behind them. Touches: nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from torch import nn

from bench.parts.initializer.fans import Layer
from bench.schema import UserError

ROLES = ("stem", "first", "middle", "last", "shortcut", "classifier", "other")
Norm = nn.modules.batchnorm._NormBase | nn.GroupNorm | nn.LayerNorm | nn.RMSNorm


@dataclass(frozen=True)
class Branch:
    """A residual branch: what a block adds to its input, or to the shortcut of its input."""

    name: str  # of the block, as in model.named_modules()
    layers: list[Layer]  # in order, without those of the shortcut
    norms: list[nn.Module]  # in order; those with parameters
    block: nn.Module
    stage: int  # from 1; blocks in one container make a stage


def roles(model: nn.Module) -> dict[str, str]:
    """The role of each convolution and linear layer, by its qualified name, in the order of registration.

    In a residual block: "first", "middle" or "last" of its branch (the only one is the last), or "shortcut". Outside:
    "stem" is the model's first convolution, "classifier" its last linear layer, and "other" is everything else,
    such as all inner convolutions of a plain net, which has no branches.
    """
    names = {module: name for name, module in model.named_modules() if isinstance(module, Layer)}
    found = dict.fromkeys(names.values(), "other")
    if linear := [name for module, name in names.items() if isinstance(module, nn.Linear)]:
        found[linear[-1]] = "classifier"
    if convolutions := [name for module, name in names.items() if not isinstance(module, nn.Linear)]:
        found[convolutions[0]] = "stem"
    for branch in branches(model):
        inside = (module for module in branch.block.modules() if isinstance(module, Layer))
        found |= {names[layer]: "shortcut" for layer in inside}
        found |= {names[layer]: "middle" for layer in branch.layers}
        found |= {names[branch.layers[0]]: "first", names[branch.layers[-1]]: "last"}
    return found


def branches(model: nn.Module) -> list[Branch]:
    """The residual branches in the order of registration; none in a plain net.

    A block is known by its `shortcut` (this package's) or its `downsample` (torchvision's, where None is the identity).
    """
    found: list[Branch] = []
    stages: list[str] = []
    for name, block in model.named_modules():
        inside = list(_branch(block))
        if layers := [module for module in inside if isinstance(module, Layer)]:
            norms: list[nn.Module] = [
                module for module in inside if isinstance(module, Norm) and module.weight is not None
            ]
            stages += [stage] if (stage := name.rpartition(".")[0]) not in stages else []
            found.append(Branch(name, layers, norms, block, stages.index(stage) + 1))
    return found


def residual_branches(model: nn.Module, scheme: str) -> list[Branch]:
    """The residual branches, for a scheme that needs them. Raises UserError where there are none."""
    if not (found := branches(model)):
        raise UserError(f"{scheme} acts on residual branches and this model has none; take a resnet")
    return found


def _branch(block: nn.Module) -> Iterator[nn.Module]:
    """The modules of a block's branch; none where the module is not a residual block."""
    skips = [name for name in ("shortcut", "downsample") if hasattr(block, name)]
    if skips and getattr(block, "shortcut", block) is not None:
        aside = {module for name in skips for module in getattr(getattr(block, name), "modules", tuple)()}
        yield from (module for module in block.modules() if module not in aside)
