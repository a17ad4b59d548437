"""What theory expects along a measured network, from its input on: its operations as the steps of `propagate`.

Layers, activations, norms and sums of two paths are steps that theory knows. Whatever else the signal passes, such as
pooling or attention, is taken as it was measured, and theory goes on from there.

In: a flow. Out: for each operation, what is expected. Touches: nothing.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.schema import UserError
from bench.signal.flow import INPUT, Flow
from bench.signal.operations import ACTIVATION, JOIN, LAYER, NORM, Operation
from bench.signal.steps import Activation, Batch, Expected, Given, Norm, Residual, Step, Weights
from bench.signal.theory import propagate

NORM_KINDS = {"batch_norm": "batch", "layer_norm": "layer", "group_norm": "layer", "rms_norm": "rms"}
SAME = 1e-3  # relative: an operation that keeps the second moment, such as a reshape, is no step


@dataclass(frozen=True)
class Node:
    """An operation as a step; of a residual sum, with the nodes of both paths. `below` is the place that feeds it."""

    operation: Operation
    step: Step
    below: int
    branch: "tuple[Node, ...]" = ()
    shortcut: "tuple[Node, ...]" = ()


@dataclass(frozen=True)
class Theory:
    """Expected second moment with its band of 95 % of nets, cosine of two examples, gradient as in `.layers`."""

    second_moment: float
    band: tuple[float, float]
    correlation: float
    gradient: float | None


def theory(flow: Flow) -> dict[int, Theory]:
    """By the place of the operation; empty where an output is not finite, or an activation not elementwise."""
    given = flow.measured.given
    if not flow.operations or not all(one.finite for one in flow.operations):
        return {}
    nodes = _path(flow, flow.operations[-1].place, INPUT)
    start = Given(given.second_moment, _cosine(given), _width(given), given.mean)
    try:
        _, *rest = propagate(start, [node.step for node in nodes], Batch(flow.measured.examples))
    except UserError:
        return {}
    return {place: one for place, one in _matched(nodes, rest, None) if math.isfinite(one.second_moment)}


def _matched(
    nodes: Sequence[Node], expected: Sequence[Expected], reference: float | None
) -> Iterator[tuple[int, Theory]]:
    """Each node with what is expected; gradients are relative to the last step, or to where they are unknown next."""
    for node, one in reversed([*zip(nodes, expected, strict=True)]):
        measured = node.operation.gradient
        if reference is None:
            reference = measured
        gradient = None
        if one.gradient is not None and reference is not None:
            gradient = math.sqrt(one.gradient.mean * reference)
        yield (
            node.operation.place,
            Theory(one.second_moment.mean, one.second_moment.band(), one.correlation, gradient),
        )
        yield from _matched(node.branch, one.branch, reference)
        yield from _matched(node.shortcut, one.shortcut, reference)
        if isinstance(node.step, Given) and node.step.gradient is None:
            reference = None


def _path(flow: Flow, place: int, start: int) -> tuple[Node, ...]:
    """The steps from an operation, which is none of them, to another."""
    found: list[Node] = []
    while place != start and place != INPUT:
        one = flow.operations[place]
        node = _node(flow, one)
        if not _keeps(flow, one):
            found.append(node)
        place = node.below
    return tuple(reversed(found))


def _keeps(flow: Flow, one: Operation) -> bool:
    """Whether an operation changes nothing that theory counts: a reshape, a copy."""
    below = flow.before(one)
    return (
        one.kind not in (LAYER, ACTIVATION, NORM, JOIN)
        and math.prod(one.shape) == math.prod(below.shape)
        and math.isclose(one.second_moment, below.second_moment, rel_tol=SAME)
    )


def _node(flow: Flow, one: Operation) -> Node:
    if one.kind == JOIN and (start := _parting(flow, one)) is not None:
        branch, shortcut = sorted((_path(flow, place, start) for place in one.inputs), key=_weighted, reverse=True)
        try:
            step = Residual([node.step for node in branch], shortcut=[node.step for node in shortcut])
            return Node(one, step, start, branch, shortcut)
        except UserError:
            return Node(one, _as_measured(flow, one), start)
    return Node(one, _step(flow, one) or _as_measured(flow, one), one.inputs[0])


def _weighted(path: Sequence[Node]) -> int:
    return sum(isinstance(node.step, Weights) for node in path)


def _parting(flow: Flow, join: Operation) -> int | None:
    """The place where the two paths into a sum part."""
    if len(join.inputs) != 2:
        return None
    one, other = ([*_spine(flow, place)] for place in join.inputs)
    return next((place for place in one if place in {*other}), None)


def _spine(flow: Flow, place: int) -> Iterator[int]:
    """The places from an operation back to the input and with it, by what each takes first."""
    yield place
    while place != INPUT:
        place = flow.operations[place].inputs[0]
        yield place


def _step(flow: Flow, one: Operation) -> Step | None:
    below = flow.before(one)
    if one.kind == LAYER and one.weight in flow.measured.weights:
        weight = flow.weight(one)
        n_in = one.connections or weight.n_in
        n_out = n_in * math.prod(one.shape) / math.prod(below.shape)
        return Weights(n_in, n_out, weight.std, _width(one), weight.bias_std or 0.0)
    if one.kind == ACTIVATION and one.call is not None:
        return Activation(one.call)
    if one.kind == NORM and one.function in NORM_KINDS:
        return Norm(NORM_KINDS[one.function], math.sqrt(one.second_moment))
    return None


def _as_measured(flow: Flow, one: Operation) -> Given:
    below = flow.before(one)
    ratio = below.gradient / one.gradient if below.gradient and one.gradient else None
    return Given(one.second_moment, _cosine(one), _width(one), one.mean, ratio)


def _cosine(one: Operation) -> float:
    return 1.0 if one.correlation is None else one.correlation


def _width(one: Operation) -> float:
    """Channels of an image, units otherwise."""
    return one.shape[1] if len(one.shape) == 4 else [1, *one.shape][-1]
