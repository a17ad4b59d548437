import pytest
from statsmodels.stats.proportion import proportion_confint  # type: ignore[import-untyped]

from bench.report.statistics import wilson


@pytest.mark.parametrize(("count", "total"), [(1, 5), (4, 5), (2, 4), (17, 60)])
def test_wilsons_interval_is_that_of_statsmodels(count: int, total: int) -> None:
    found = wilson(count, total)
    assert (found.low, found.high) == pytest.approx(proportion_confint(count, total, method="wilson"), abs=1e-12)
    assert found.value == count / total


def test_the_interval_ends_where_a_rate_ends() -> None:
    assert (wilson(0, 5).low, wilson(5, 5).high) == (0, 1)
    assert wilson(0, 5).high == pytest.approx(1 - (wilson(5, 5).low or 0))


def test_what_is_no_rate_or_no_level_is_refused() -> None:
    for count, total in ((0, 0), (3, 2), (-1, 2)):
        with pytest.raises(ValueError, match="not a rate"):
            wilson(count, total)
    with pytest.raises(ValueError, match="level"):
        wilson(1, 2, level=95)
