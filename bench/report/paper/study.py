"""A study as it goes into a paper: what it declares, its rows, and what they say.

In: a study's yaml and its rows. Out: a Study. Touches: nothing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from bench.report import summarize_study
from bench.report.analysis import pairs as decisions
from bench.report.analysis.blocks import Block, blocks
from bench.report.analysis.pairs import DIFFERENT
from bench.report.analysis.summary import Summary
from bench.schema import Row

Line = dict[str, Any]  # of a frame: its fields by name, None where there is no number


@dataclass(frozen=True, eq=False)
class Study:
    """`about` is its yaml: law, source, question, axes. `suffix` tells its tables and figures from another study's."""

    name: str
    about: Mapping[str, Any]
    rows: list[Row]
    summary: Summary
    suffix: str = ""

    @cached_property
    def blocks(self) -> dict[str, Block]:
        """The blocks by the choices that tell each from the others (resnet20/batch/relu), in the summary's order."""
        found = {_key(block.choices, self.columns): block for block in blocks(self.rows)}
        return {line["name"]: found[_key(line, self.columns)] for line in records(self.summary.blocks)}

    @cached_property
    def columns(self) -> list[str]:
        """The choices that make a block: model, normalization, activation, and whatever else varies."""
        return [str(column) for column in self.summary.blocks.columns[: self.summary.blocks.columns.get_loc("label")]]

    @cached_property
    def about_blocks(self) -> dict[str, Line]:
        """The fields of summary.About of each block, by its name."""
        return dict(zip(self.blocks, records(self.summary.blocks), strict=True))

    @cached_property
    def lines(self) -> list[tuple[str, Line]]:
        """The name of the block and the fields of tables.Line, for each arm in each block."""
        return [(self._named(line), line) for line in records(self.summary.table)]

    @cached_property
    def by_arm(self) -> dict[tuple[str, str], Line]:
        """The lines by block and arm."""
        return {(block, line["initializer"]): line for block, line in self.lines}

    @cached_property
    def pairs(self) -> dict[tuple[str, str, str], Line]:
        """The fields of decisions.Pair by block, arm and other arm, each pair as seen from either arm."""
        found = {}
        for line in records(self.summary.pairs):
            name, arm, other = self._named(line), line["initializer"], line["other"]
            found[name, arm, other], found[name, other, arm] = line, turned(line)
        return found

    @cached_property
    def arms(self) -> list[str]:
        """Every arm of the study, sorted."""
        return sorted({line["initializer"] for _, line in self.lines})

    def runs(self, block: str, *arms: str) -> tuple[str, ...]:
        """The ids of the runs of some arms in a block."""
        return tuple(row.id for arm in arms for row in self.blocks[block].arms[arm])

    def arms_of(self, block: str) -> list[str]:
        """The arms of a block, a hidden control not among them."""
        return [arm for arm in self.blocks[block].arms if (block, arm) in self.by_arm]

    def fewest(self, block: str) -> int:
        """The number of converged runs of the arm that has the fewest in a block."""
        return min(int(line["converged"]) for name, line in self.lines if name == block)

    @cached_property
    def sizes(self) -> list[int]:
        """The numbers of runs that an arm has in a block, each once, the smallest first."""
        return sorted({line["runs"] for _, line in self.lines})

    def all_runs(self, arm: str) -> tuple[str, ...]:
        """The ids of an arm's runs in all blocks."""
        return tuple(row.id for block in self.blocks.values() for row in block.arms.get(arm, ()))

    def keeps_up(self, block: str, arm: str) -> bool:
        """Whether the arm has a mean in the block, never diverged, and is not shown to be worse than the leader."""
        line = self.by_arm.get((block, arm))
        pair = self.pairs.get((block, arm, str(self.about_blocks[block]["leader"])))
        worse = pair is not None and pair["verdict"] == DIFFERENT and (pair["difference_points"] or 0.0) < 0
        return line is not None and bool(line["converged"]) and not line["diverged"] and not worse

    def digits(self, block: str) -> int:
        """Decimals of a percentage that mean something in a block."""
        return decisions.digits(self.about_blocks[block]["margin_points"])

    @cached_property
    def _names(self) -> dict[str, str]:
        return {_key(block.choices, self.columns): name for name, block in self.blocks.items()}

    def _named(self, line: Line) -> str:
        return self._names[_key(line, self.columns)]


def study_of(
    rows: Iterable[Row], settings: Mapping[str, Any], suffix: str = "", simulated: Iterable[Row] = ()
) -> Study:
    """The study of some rows. `settings` are those of the command line: the margin, and the study's yaml.

    `simulated` are the rows of `python -m bench coverage`. Raises UserError where the rows cannot be summarized.
    """
    rows = sorted(rows, key=lambda row: row.id)
    about = settings["study"]
    return Study(str(about["name"]), about, rows, summarize_study(rows, settings, simulated), suffix)


def turned(pair: Line) -> Line:
    """The same pair seen from the other arm."""
    value, low, high = (
        None if pair[key] is None else -pair[key] for key in ("difference_points", "high_points", "low_points")
    )
    other = {"initializer": pair["other"], "other": pair["initializer"]}
    return {**pair, **other, "difference_points": value, "low_points": low, "high_points": high}


def records(table: pd.DataFrame) -> list[Line]:
    """The lines of a frame as dictionaries, None where there is no number."""
    return [
        {str(key): None if value != value else value for key, value in line.items()}
        for line in table.to_dict("records")
    ]


def _key(line: Mapping[str, Any], columns: list[str]) -> str:
    return repr([line[column] for column in columns])
