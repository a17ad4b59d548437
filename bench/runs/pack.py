"""Packs: the runs that one process is handed.

In: runs. Out: packs, and their text for a launched job. Touches: nothing.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict

from bench.schema import Run

# runs that differ in these alone cost the same
FREE_OF_SHAPE = ("seed", "order_seed", "initializer", "optimizer", "schedule")


def shape(run: Run) -> tuple[tuple[str, str], ...]:
    """What decides the tensors of a run and so its cost: runs of one shape could train side by side."""
    return tuple(
        sorted((key, repr(value)) for key, value in run.choices.items() if key.partition(".")[0] not in FREE_OF_SHAPE)
    )


def packs(runs: Iterable[Run], size: int) -> list[list[Run]]:
    """The runs in packs of one shape and at most `size`, in the order of their first runs."""
    by_shape: dict[object, list[list[Run]]] = {}
    everything: list[list[Run]] = []
    for run in runs:
        own = by_shape.setdefault(shape(run), [])
        if not own or len(own[-1]) == size:
            own.append([])
            everything.append(own[-1])
        own[-1].append(run)
    return everything


def as_override(pack: Sequence[Run], sweep: str) -> str:
    """A pack, and the sweep it belongs to, as one override of a launched job: JSON in Hydra's quotes."""
    text = json.dumps({"sweep": sweep, "runs": [asdict(run) for run in pack]})
    return "pack='" + text.replace("'", "\\u0027").replace("$", "\\u0024") + "'"  # the two that Hydra would read


def from_text(text: str) -> tuple[list[Run], str]:
    """The runs of a pack and their sweep, as a launched job reads them."""
    read = json.loads(text)
    return [Run(**fields) for fields in read["runs"]], read["sweep"]
