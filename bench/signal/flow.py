"""How the operations of a measured network hang together: what feeds a layer, what cancels its scale, where zeros are
meant to be, and what theory expects at each place.

In: a measurement. Out: a Flow. Touches: nothing.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from bench.parts.gain import expectation, square
from bench.schema import UserError
from bench.signal.maps import MeanField
from bench.signal.measure import Measurement, Weight
from bench.signal.operations import ACTIVATION, JOIN, LAYER, NORM, OTHER, Operation

INPUT = -1  # the place of the model's input
ENOUGH = 16  # examples: the loss of fewer is sharper than that of a batch
CLOSED = 1e-8  # of a sum's second moment: a residual branch below this is closed at first


@dataclass(frozen=True, eq=False)
class Flow:
    """The operations of a measurement as a graph."""

    measured: Measurement

    @cached_property
    def operations(self) -> tuple[Operation, ...]:
        """All of them, in the order of the forward pass."""
        return self.measured.operations

    @cached_property
    def layers(self) -> list[Operation]:
        """The operations with a weight."""
        return [one for one in self.operations if one.kind == LAYER and one.weight in self.measured.weights]

    @cached_property
    def consumers(self) -> dict[int, list[Operation]]:
        """The operations that take the output of each."""
        found: dict[int, list[Operation]] = {one.place: [] for one in self.operations}
        for one in self.operations:
            for place in one.inputs:
                found.setdefault(place, []).append(one)
        return found

    def weight(self, layer: Operation) -> Weight:
        """The weight of a layer."""
        return self.measured.weights[str(layer.weight)]

    @cached_property
    def steepness(self) -> float:
        """The learning rate times the sharpness; 0 under norms and for few examples, where sharpness says little."""
        if any(one.kind == NORM for one in self.operations) or self.measured.examples < ENOUGH:
            return 0.0
        return self.measured.learning_rate * max(self.measured.sharpness or 0.0, 0.0)

    @property
    def speed(self) -> float | None:
        """The learning rate times the tangent kernel: how much of its way to the target a step moves an output."""
        kernel = self.measured.tangent_kernel
        return None if kernel is None else self.measured.learning_rate * kernel

    def owner(self, name: str) -> str:
        """The module that holds the weight of the layer of this name, which may be a later call of it."""
        return next(str(one.weight).rpartition(".")[0] for one in self.layers if one.name == name)

    def source(self, one: Operation) -> Operation | None:
        """What feeds an operation, past reshapes, pools and the like; None for the input of the model."""
        place = one.inputs[0]
        while place != INPUT and self.operations[place].kind == OTHER:
            place = self.operations[place].inputs[0]
        return None if place == INPUT else self.operations[place]

    def is_normalized(self, layer: Operation) -> bool:
        """Whether a norm cancels the scale of the layer's output, whatever it is."""
        users = self.consumers[layer.place]
        return bool(users) and all(
            user.kind == NORM or (user.kind == OTHER and self.is_normalized(user)) for user in users
        )

    def needed_gain(self, layer: Operation) -> float | None:
        """The gain that keeps the second moment from one layer to the next, through the activation between them.

        At the size that the activation's input has. None where the integral does not exist.
        """
        fed = self.source(layer)
        if fed is None or fed.kind != ACTIVATION or fed.call is None:
            return 1.0
        q = self.moment(fed.inputs[0])
        if not q or not math.isfinite(q):
            return None
        try:
            moment = expectation(square(MeanField(fed.call, 1.0).phi), q)
        except UserError:
            return None
        return math.sqrt(q / moment) if 0 < moment < math.inf else None

    def before(self, one: Operation) -> Operation:
        """What feeds an operation first: another one, or the model's input."""
        place = one.inputs[0]
        return self.measured.given if place == INPUT else self.operations[place]

    def moment(self, place: int) -> float | None:
        """The second moment of an output; None for the input of the model."""
        return None if place == INPUT else self.operations[place].second_moment

    def is_meant_to_be_zero(self, layer: Operation) -> bool:
        """Whether a layer of zeros ends a residual branch or the model, as Fixup and zero heads have it."""
        return self.weight(layer).std == 0 and self._ends(layer)

    def is_head(self, one: Operation) -> bool:
        """Whether the output of an operation is the model's, but for reshapes and the like."""
        return all(user.kind == OTHER and self.is_head(user) for user in self.consumers[one.place])

    def _ends(self, one: Operation) -> bool:
        users = self.consumers[one.place]
        return all(user.kind == JOIN or (user.kind in (NORM, OTHER) and self._ends(user)) for user in users)

    @cached_property
    def closed_branches(self) -> set[int]:
        """The places of operations that a sum, or the model's end, hardly sees yet: their branch starts near zero."""
        found: set[int] = set()
        for one in reversed(self.operations):
            users = self.consumers[one.place]
            ends = one.kind in (LAYER, NORM, OTHER) and self._is_constant(one) and self._ends(one)
            if ends or (users and all(user.place in found or self._ignores(user, one) for user in users)):
                found.add(one.place)
        return found

    def _is_constant(self, one: Operation) -> bool:
        """Whether an output is zero, or the bias of a layer whose weights are: nothing passes through it yet."""
        weight = self.measured.weights.get(str(one.weight)) if one.kind == LAYER else None
        return one.second_moment == 0 or (weight is not None and weight.std == 0)

    def _ignores(self, user: Operation, one: Operation) -> bool:
        """Whether a sum has a term beside which this one is next to nothing, as layer scales of 1e-6 make it."""
        return user.kind == JOIN and one.second_moment <= CLOSED * user.second_moment

    def blocks(self) -> Iterator[tuple[Operation, float]]:
        """Each join, and the factor by which it is larger than the larger of what it adds."""
        for one in self.operations:
            if one.kind == JOIN:
                sides = [q for place in one.inputs if (q := self.moment(place))]
                if sides:
                    yield one, one.second_moment / max(sides)
