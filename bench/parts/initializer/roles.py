"""The role of each layer in a model, and the residual branches.

In: a model. Out: names, and the modules behind them. Touches: nothing.
"""

from dataclasses import dataclass

from torch import nn

from bench.parts.initializer.fans import Layer, origin_of
from bench.parts.initializer.joins import joins
from bench.parts.initializer.norms import is_norm
from bench.schema import Unfit

ROLES = ("stem", "first", "middle", "last", "shortcut", "classifier", "other")


@dataclass(frozen=True)
class Branch:
    """A residual branch: what a block adds to its input, or to the shortcut of its input."""

    name: str  # of the block, as in model.named_modules()
    layers: list[Layer]  # in the order of the forward pass
    norms: list[nn.Module]  # in order; those with parameters
    ending: nn.Module | None  # the last of them, where no layer follows it
    shortcut: list[Layer]  # one at most
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
    for branch in reversed(branches(model)):  # a branch within another comes before it, and so decides
        found |= {names[layer]: "shortcut" for layer in branch.shortcut}
        found |= {names[layer]: "middle" for layer in branch.layers}
        found |= {names[branch.layers[0]]: "first", names[branch.layers[-1]]: "last"}
    return found


def branches(model: nn.Module) -> list[Branch]:
    """The residual branches in the order of the forward pass; none in a plain net.

    A branch is the side of a sum with more layers, where both sides begin at one tensor and the other has one layer at
    most: that is the shortcut, whatever the attributes are called.
    """
    found: dict[tuple[Layer, ...], Branch] = {}
    stages: list[str] = []
    for join in joins(model):
        sides = [_parts(model, side) for side in join.sides]
        branch, shortcut = sorted(sides, key=lambda parts: len(_layers(parts)), reverse=True)
        layers, aside = _layers(branch), _layers(shortcut)
        if layers and len(aside) < 2:
            norms = [part for part in branch if getattr(part, "weight", None) is not None and is_norm(part)]
            ending = norms[-1] if norms and branch.index(norms[-1]) > branch.index(layers[-1]) else None
            stage = join.block.rpartition(".")[0]
            stages += [stage] if stage not in stages else []
            block = model.get_submodule(join.block)
            one = Branch(join.block, layers, norms, ending, aside, block, stages.index(stage) + 1)
            found.setdefault(tuple(layers), one)
    return [*found.values()]


def _parts(model: nn.Module, names: list[str]) -> list[nn.Module]:
    """The modules of these names and those within them, such as the projections of attention; the outputs' last."""
    parts = [part for name in names for part in sorted(model.get_submodule(name).modules(), key=_is_output)]
    return [*dict.fromkeys(parts)]


def _is_output(module: nn.Module) -> bool:
    return isinstance(module, Layer) and origin_of(module) is None


def _layers(parts: list[nn.Module]) -> list[Layer]:
    return [part for part in parts if isinstance(part, Layer)]


def residual_branches(model: nn.Module, scheme: str) -> list[Branch]:
    """The residual branches, for a scheme that needs them. Raises Unfit where there are none."""
    if not (found := branches(model)):
        sentence = f"{scheme} acts on residual branches and this model has none; take a resnet"
        raise Unfit("the model has no residual branches", sentence)
    return found
