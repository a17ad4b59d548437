"""A row per kind of studies, the same whatever else is simulated."""

from typing import Any

import pytest

from bench import catalogue
from bench.benchmarks.error_rates.kinds import EQUAL, SMALL, Kind
from bench.benchmarks.error_rates.measure import measure, rates
from bench.benchmarks.settings import ErrorRatesSettings
from bench.report.analysis.rules import Rules
from bench.report.statistics import wilson
from bench.schema import Row, UserError

COUNT = 40


@pytest.fixture
def simulate(configuration: dict[str, Any]) -> Any:
    own = catalogue.load(catalogue.CONF / "error_rates.yaml")
    keys = {key: own[key] for key in ("scenario", "sd", "n", "seed")}

    def simulate(**settings: Any) -> list[Row]:
        composed = {**configuration, **keys, "simulations": COUNT, **settings}
        return list(measure(ErrorRatesSettings.read(composed)))

    return simulate


def test_a_cell_is_the_same_whatever_else_is_simulated_and_as_drawn_again(simulate: Any, settings: Any) -> None:
    both = {row.choices["n"]: row for row in simulate(scenario="two_modes", n=[3, 5])}
    (alone,) = simulate(scenario="two_modes", n=5)
    assert (both[5].id, both[5].measures) == (alone.id, alone.measures)
    assert both[3].measures["false_matters"] == 0  # accuracies of three seeds are undecided
    assert rates(Kind("two_modes", 0.6, 5), Rules.of(settings.study), COUNT, seed=0) == alone.measures
    assert rates(Kind("two_modes", 0.6, 5), Rules.of(settings.study), COUNT, seed=1) != alone.measures


def test_a_share_has_the_wilson_interval_of_as_many_studies(settings: Any) -> None:
    found = rates(Kind(EQUAL, 1.2, 3, size=SMALL), Rules.of(settings.study), COUNT, seed=0)
    for name in ("false_matters", "false_different", "false_question", "found_equal_in_accuracy"):
        expected = wilson(round(found[name] * COUNT), COUNT)  # type: ignore[operator]
        assert (found[f"{name}_low"], found[f"{name}_high"]) == (expected.low, expected.high)


def test_studies_that_are_not_simulated_are_a_mistake(simulate: Any) -> None:
    with pytest.raises(UserError, match="no studies are simulated"):
        simulate(scenario="two_modes", n=80)
