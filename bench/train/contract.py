"""The contract of a task: the methods that the suite calls on what a run does.

In: nothing. Out: the class that every task extends. Touches: nothing.

A task is a class with `@task` and a yaml, conf/task/NAME.yaml. Its arguments are the fields of a frozen dataclass. The
yaml names its report, since a report imports no torch and so no task. `report: comparison`: rows have the measure
test_accuracy, and arms are compared by it. `report: means`: the report lists the mean of each measure.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from bench import registry
from bench.schema import Machine, Row, Run


@dataclass(frozen=True)
class Cost:
    """What a run costs: the time of `steps` equal steps.

    `step(count, graphed)` returns a function that takes one step of `count` runs side by side, with all that belongs to
    it; it need not wait for the device. `key` names what the time of a step depends on besides the machine. A run whose
    task does not `stack` is always alone; so is one for which `try_stacking` raises an error, with the reason.
    """

    steps: float
    step: Callable[[int, bool], Callable[[], None]]
    key: str
    stacks: bool = True
    try_stacking: Callable[[], None] = lambda: None


class Task(ABC):
    """The work of a run. An instance has the arguments that conf/ and the command line give the task."""

    @abstractmethod
    def prepare(self, run: Run, machine: Machine) -> Any:
        """Build every part of the run, as the run itself does.

        A sweep calls this before anything is trained, once per combination of parts. Raises UserError for a mistake: an
        argument that a part refuses, data that are missing or corrupt.
        """

    @abstractmethod
    def cost(self, run: Run, machine: Machine, prepared: Any) -> Cost:
        """What the run costs; `prepared` is what `prepare` returned."""

    @abstractmethod
    def perform(self, runs: Sequence[Run], machine: Machine) -> list[Row]:
        """Do runs of one shape side by side; one row for each. A `Cost` that does not stack means one run at a time."""

    def check(self, run: Run) -> None:  # noqa: B027, most tasks have nothing to check beyond their types and bounds
        """Raise UserError for a mistake that can be found before anything is loaded.

        A sweep calls this once per combination of a shape with an optimizer and a schedule.
        """


def task_of(run: Run) -> Task:
    """The task of a run, with its arguments."""
    made: Task = registry.build(run, "task")()
    return made
