"""What is wrong with a network at initialization: the place, what was measured, what was expected, and what repairs it.

In: a measurement. Out: problems, none for a healthy network. Touches: nothing.

Each threshold stands beside the reason for it; `python -m bench probe_error_rates` measures how often they are wrong.
"""

import math
import statistics
from collections.abc import Iterator
from dataclasses import dataclass

from bench.signal.flow import Flow
from bench.signal.measure import Measurement
from bench.signal.operations import ACTIVATION, Operation

# Of the nets of probe_error_rates on which thresholds were chosen, and of the runs of the study question.
SLOW = 3e-3  # learning rate times tangent kernel: nets of small weights fail at 1.5e-3 and less, and train from 8e-3 on
FIXED = 3e-5  # of its own size, by which a step changes a weight: runs stall at 6e-6 and less, and train from 1.4e-4 on
CLIPPED = (
    0.2  # of the values of an activation flat at both ends: nets fail at 0.39 and more, and train at 0.08 and less
)
UNSTABLE = 10.0  # learning rate times sharpness, without norms: a net trains at 9, another diverges at 12; plain
# gradient descent overshoots from 2 on
STEEP = 3.0  # times log(classes): the loss of a network that is sure of wrong answers before it has learned
ALIKE = 1e-3  # 1 - cosine of two examples' features: the last layer then sees one input
KEPT = 0.05  # of log2 of the signal, per layer: less is not named as a cause
DEAD = 0.99  # of the units of an activation
TINY = 1e-12  # in place of a smaller quotient


Factor = tuple[Operation, float, float, float]  # a layer, its gain, the needed gain, log2 of its factor on the signal


@dataclass(frozen=True)
class Problem:
    """One thing that keeps a network from learning.

    kind: not_finite, silent, steep, unstable, saturated, alike, slow or dead. layer: its name in the model. what: what
    was measured there. expected: what a healthy network has. fix: the line that repairs it, "" where none was found.
    """

    kind: str
    layer: str
    what: str
    expected: str
    fix: str = ""

    @property
    def text(self) -> str:
        """In two sentences."""
        return f"{self.layer}: {self.what}. Expected: {self.expected}."


def problems(measured: Measurement) -> list[Problem]:
    """The problems of a network, the first cause first: what is not finite hides the rest."""
    flow = Flow(measured)
    for rule in (_not_finite, _silent, _steep, _unstable, _saturated, _alike, _slow, _dead):
        if found := [*rule(flow)]:
            return found
    return []


def risk(measured: Measurement) -> float:
    """How far a network is beyond the threshold that it is nearest to or farthest beyond, in powers of ten.

    Above 0 it has a problem. For ranking networks, also those without a problem.
    """
    flow = Flow(measured)
    if not all(one.finite for one in flow.operations):
        return math.inf
    pairs = [(_loss_ratio(flow), STEEP), (flow.steepness, UNSTABLE), (_clipped(flow), CLIPPED)]
    pairs += [(ALIKE, max(one, TINY)) for one in [_distance(flow)] if one is not None]
    pairs += [(least, max(one, TINY)) for least, one in ((FIXED, _update(flow)), (SLOW, flow.speed)) if one is not None]
    return max((math.log10(value / most) for value, most in pairs if value > 0), default=-math.inf)


def _loss_ratio(flow: Flow) -> float:
    """The loss in units of the loss of a guess, 0 where there is no loss."""
    measured = flow.measured
    return measured.loss / math.log(measured.classes) if measured.loss and measured.classes else 0.0


def _distance(flow: Flow) -> float | None:
    """1 - the cosine of two examples before the last layer."""
    last = flow.source(flow.layers[-1]) if flow.layers else None
    return None if last is None or last.correlation is None else 1 - last.correlation


def _update(flow: Flow) -> float | None:
    """The median relative change of the weights in a step, over layers whose branch is open.

    None behind a head that starts at zero, which passes no gradient on at first.
    """
    if any(flow.weight(layer).std == 0 and flow.is_head(layer) for layer in flow.layers):
        return None
    closed = flow.closed_branches
    found = [flow.weight(layer).update for layer in flow.layers if layer.place not in closed]
    known = [one for one in found if one is not None]
    return statistics.median(known) if known else None


def _not_finite(flow: Flow) -> Iterator[Problem]:
    for one in flow.operations:
        if not one.finite:
            yield Problem("not_finite", one.name, "its output is not finite", "finite numbers")
            return


def _silent(flow: Flow) -> Iterator[Problem]:
    """A layer of zeros, or an output of zeros, that is not the end of a residual branch or of the model."""
    for layer in flow.layers:
        weight = flow.weight(layer)
        if weight.std == 0 and not flow.is_meant_to_be_zero(layer):
            yield Problem("silent", layer.name, "all its weights are 0", "weights that differ")
        elif weight.std > 0 and weight.shape[0] > 1 and weight.is_constant:
            yield Problem(
                "silent",
                layer.name,
                "all its units have the same weights and learn the same",
                "weights that differ",
            )


def _steep(flow: Flow) -> Iterator[Problem]:
    """Logits so large that the loss before training is far above that of a guess."""
    classes = flow.measured.classes
    if classes and _loss_ratio(flow) > STEEP:
        where, cause = _growth(flow)
        guess = f"about log({classes}) = {math.log(classes):.3g}"
        yield Problem("steep", where, f"the loss before training is {flow.measured.loss:.3g}{cause}", guess)


def _unstable(flow: Flow) -> Iterator[Problem]:
    """A loss so curved that steps of this size overshoot, and no norm that makes weights, and so steps, smaller."""
    if flow.steepness > UNSTABLE:
        where, cause = _growth(flow)
        yield Problem(
            "unstable",
            where,
            f"the learning rate {flow.measured.learning_rate:g} times the sharpness of the loss is "
            f"{flow.steepness:.3g}{cause}",
            "about 2 or less",
        )


def _clipped(flow: Flow) -> float:
    """The median over activations of the share of values at flat ends; 0 where one end is not flat, as relu's."""
    return statistics.median([one.clipped or 0.0 for one in flow.operations if one.kind == ACTIVATION] or [0.0])


def _saturated(flow: Flow) -> Iterator[Problem]:
    """Activations most of whose values are where they are flat, so that gradients do not pass."""
    if _clipped(flow) > CLIPPED:
        first = next(one for one in flow.operations if (one.clipped or 0.0) > CLIPPED)
        _, cause = _growth(flow)
        yield Problem(
            "saturated",
            first.name,
            f"{100 * (first.clipped or 0.0):.0f} % of its values are where it is flat{cause}",
            f"less than {100 * CLIPPED:.0f} %",
        )


def _alike(flow: Flow) -> Iterator[Problem]:
    """Features that are the same for all inputs."""
    distance = _distance(flow)
    if distance is None or distance > ALIKE:
        return
    where = next(one for one in flow.operations if one.correlation is not None and 1 - one.correlation <= ALIKE)
    yield Problem(
        "alike",
        where.name,
        f"from here on two inputs look alike: their cosine is {where.correlation:.5f}, and {1 - distance:.6f} before "
        "the last layer",
        f"a cosine below {1 - ALIKE}",
    )


def _slow(flow: Flow) -> Iterator[Problem]:
    """Gradients so small that steps change nothing, or change it for all inputs alike."""
    update, speed, rate = _update(flow), flow.speed, flow.measured.learning_rate
    where, cause = _decay(flow)
    if update is not None and update < FIXED:
        what = f"a step at learning rate {rate:g} changes the weights by {update:.1g} of their size"
        yield Problem("slow", where, what + cause, f"more than {FIXED:g}")
    elif speed is not None and speed < SLOW:
        what = f"a step at learning rate {rate:g} moves an output by {speed:.1g} of its way to the target"
        yield Problem("slow", where, what + cause, f"more than {SLOW:g}")


def _dead(flow: Flow) -> Iterator[Problem]:
    for one in flow.operations:
        if (
            one.kind == ACTIVATION
            and one.dead is not None
            and one.dead > DEAD
            and one.place not in flow.closed_branches
        ):
            yield Problem(
                "dead",
                one.name,
                f"{100 * one.dead:.0f} % of its units have one output for the whole batch",
                "units that vary with the input",
            )
            return


def _factors(flow: Flow) -> list[Factor]:
    """The layers whose scale no norm cancels."""
    found = []
    for layer in flow.layers:
        needed = flow.needed_gain(layer)
        gain = flow.weight(layer).gain
        if needed and gain and not flow.is_normalized(layer):
            found.append((layer, gain, needed, 2 * math.log2(gain / needed)))
    return found


def _decay(flow: Flow) -> tuple[str, str]:
    return _trend(flow, -1)


def _growth(flow: Flow) -> tuple[str, str]:
    joins = [(one, factor) for one, factor in flow.blocks() if factor > 1]
    total = math.prod(factor for _, factor in joins)
    trend = [one for one in _factors(flow) if one[3] > KEPT]
    if joins and total > 2 ** sum(one[3] for one in trend):
        each = total ** (1 / len(joins))
        return joins[0][0].name, (
            f"; each of {len(joins)} sums of a branch and a shortcut makes the signal {each:.2g} times larger, "
            f"{total:.1g} times in all"
        )
    return _trend(flow, 1)


def _trend(flow: Flow, sign: int) -> tuple[str, str]:
    """The first of the layers that shrink (-1) or enlarge (1) the signal, and how fast they do it together."""
    found = [one for one in _factors(flow) if sign * one[3] > KEPT]
    if not found:
        return flow.layers[0].name if flow.layers else "the model", ""
    per_layer = statistics.fmean(abs(one[3]) for one in found)
    layer, gain, needed, _ = max(found, key=lambda one: sign * one[3]) if len(found) < 3 else _inner(flow, found)
    fed = flow.source(layer)
    by = f"{fed.function} needs" if fed is not None and fed.kind == ACTIVATION else "the layer needs"
    verb = "halves" if sign < 0 else "doubles"
    pace = f"every {1 / per_layer:.2g} layers" if per_layer < 1 else f"{per_layer:.2g} times per layer"
    return layer.name, f"; the signal {verb} {pace} from here on: gain {gain:.2f} where {by} {needed:.2f}"


def _inner(flow: Flow, found: list[Factor]) -> Factor:
    """The first of the layers that an activation feeds, which says what its gain must make up for."""
    return next((one for one in found if (fed := flow.source(one[0])) and fed.kind == ACTIVATION), found[0])
