import pytest
from statsmodels.stats.proportion import proportion_confint  # type: ignore[import-untyped]

from bench.report.statistics import jeffreys, wilson


@pytest.mark.parametrize(("count", "total"), [(1, 5), (4, 5), (2, 4), (17, 60)])
def test_jeffreys_interval_is_that_of_statsmodels_where_both_are_open(count: int, total: int) -> None:
    found = jeffreys(count, total)
    assert (found.low, found.high) == pytest.approx(proportion_confint(count, total, method="jeffreys"), abs=1e-12)
    assert found.value == count / total


def test_jeffreys_interval_ends_where_a_rate_ends() -> None:
    assert (jeffreys(0, 5).low, jeffreys(5, 5).high) == (0, 1)
    assert jeffreys(0, 5).high == pytest.approx(1 - (jeffreys(5, 5).low or 0))


@pytest.mark.parametrize("rate", [jeffreys, wilson])
def test_what_is_no_rate_or_no_level_is_refused(rate) -> None:  # type: ignore[no-untyped-def]
    for count, total in ((0, 0), (3, 2), (-1, 2)):
        with pytest.raises(ValueError, match="not a rate"):
            rate(count, total)
    with pytest.raises(ValueError, match="level"):
        rate(1, 2, level=95)
