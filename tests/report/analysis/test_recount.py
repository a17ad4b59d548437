"""The summary of the published rows, counted again by other means: plain Python and scipy on the text of the rows.

Nothing here is shared with the store or with bench.report.statistics: ids, digests, outcomes, means, Student's
intervals, and the adjusted p-values of every pair are computed anew.
"""

import hashlib
import itertools
import json
import math
import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import pytest
from scipy import stats

from bench.catalogue import CONF
from bench.report import Summary, summarize
from bench.report.analysis.arms import Arm
from bench.report.analysis.rules import Margin, Rules
from bench.rows.store import Store

RESULTS = CONF.parent / "results"
LINES = (RESULTS / "question" / "rows.jsonl").read_bytes().splitlines(keepends=True)
RECORDS: list[dict[str, Any]] = [json.loads(line) for line in LINES]
MANY = 20  # trained runs from which on the interval is a bootstrap, which only its own code can repeat
LINE = 0.1
OUTCOMES = "trained", "stalled", "diverged", "failed", "preempted"

Runs = Sequence[dict[str, Any]]
Arms = dict[str, list[dict[str, Any]]]


def by_arm() -> Arms:
    """The runs of every arm in every block: rows that differ in nothing but their seed."""
    arms: Arms = defaultdict(list)
    for record in RECORDS:
        arms[json.dumps({**record["choices"], "seed": None}, sort_keys=True)].append(record)
    return arms


def outcome(run: dict[str, Any]) -> str:
    if run["status"] != "ok":
        return str(run["status"])
    guess = 1 / run["environment"]["classes"]
    return "trained" if run["measures"]["validation_accuracy"] > guess + LINE * (1 - guess) else "stalled"


def by_seed(runs: Runs) -> dict[int, float]:
    return {run["choices"]["seed"]: run["measures"]["test_accuracy"] for run in runs if outcome(run) == "trained"}


def counted(runs: Runs) -> dict[str, Any]:
    found = Counter(map(outcome, runs))
    reached = list(by_seed(runs).values())
    mean = math.fsum(reached) / len(reached) if reached else None
    bounds = None, None
    if mean is not None and 1 < len(reached) < MANY:
        reach = float(stats.t.ppf(0.975, len(reached) - 1)) * error(reached, runs)
        bounds = max(0.0, mean - reach), min(1.0, mean + reach)
    counts = [found[one] for one in OUTCOMES]
    return {"ids": {run["id"] for run in runs}, "counts": counts, "values": [mean, *bounds]}


def error(values: Sequence[float], runs: Runs) -> float:
    """The standard error of a mean, whose spread is never below the step of the scale."""
    image = 1 / runs[0]["environment"]["test_images"]
    return max(statistics.stdev(values), image) / math.sqrt(len(values))


def of_summary(one: Arm) -> dict[str, Any]:
    found = one.accuracy
    values = [found.value, found.low, found.high] if found else [None] * 3
    return {"ids": set(one.ids), "counts": [getattr(one, name) for name in OUTCOMES], "values": values}


@pytest.fixture(scope="module")
def summary() -> Summary:
    return summarize(Store(RESULTS, "question").read().rows.values(), Rules(Margin(points=1.0), 0.1, LINE))


def test_every_arm_of_the_published_study_is_found_again(summary: Summary) -> None:
    expected = {min(one["ids"]): one for one in map(counted, by_arm().values())}
    found = [of_summary(one) for finding in summary.findings for one in finding.arms]
    assert len(found) == len(expected)
    for one in found:
        other = expected[min(one["ids"])]
        assert (one["ids"], one["counts"]) == (other["ids"], other["counts"])
        assert one["values"] == pytest.approx(other["values"], abs=1e-9)


def p_of_accuracy(ours: Runs, theirs: Runs) -> float:
    """Paired t over five seeds or more, and sign changes where an arm's values lie in two groups; 1 without a test."""
    one, other = by_seed(ours), by_seed(theirs)
    gaps = [one[seed] - other[seed] for seed in one if seed in other]
    if len(gaps) < 5:
        return 1.0
    p = 2 * float(stats.t.sf(abs(statistics.fmean(gaps)) / error(gaps, ours), len(gaps) - 1))
    if not any(map(in_two_groups, (one.values(), other.values()))):
        return p
    signs = itertools.product((1, -1), repeat=len(gaps))
    sums = [abs(math.fsum(sign * gap for sign, gap in zip(way, gaps, strict=True))) for way in signs]
    return max(p, statistics.fmean(one >= abs(math.fsum(gaps)) - 1e-9 for one in sums))


def in_two_groups(values: Any) -> bool:
    ordered = sorted(values)
    if len(ordered) < 2:
        return False
    gap, place = max((high - low, place) for place, (low, high) in enumerate(itertools.pairwise(ordered), 1))
    low, high = ordered[:place], ordered[place:]
    return bool(gap >= 0.1 and gap > max(low[-1] - low[0], high[-1] - high[0]))


def p_of_rate(ours: Runs, theirs: Runs) -> float:
    counts = [Counter(map(outcome, runs)) for runs in (ours, theirs)]
    trained, lost = [one["trained"] for one in counts], [one["stalled"] + one["diverged"] for one in counts]
    p = float(stats.boschloo_exact([trained, lost], n=64).pvalue)
    return 1.0 if math.isnan(p) else p


def test_the_adjusted_p_values_of_every_pair_are_found_again(summary: Summary) -> None:
    """Holm's steps over both endpoints in all blocks, times the pairs of arms."""
    runs = {frozenset(run["id"] for run in arm): arm for arm in by_arm().values()}
    families: dict[frozenset[str], list[tuple[float, float]]] = defaultdict(list)
    for finding in summary.findings:
        for pair in finding.pairs:
            ours, theirs = (runs[frozenset(finding.ids(name))] for name in (pair.initializer, pair.other))
            found = [(test.p, test.p_adjusted) for test in (pair.accuracy, pair.rate)]
            expected = p_of_accuracy(ours, theirs), p_of_rate(ours, theirs)
            assert [1.0 if p is None else p for p, _ in found] == pytest.approx(expected, abs=1e-6)
            adjusted = (math.nan if one is None else one for _, one in found)
            families[pair.names] += zip(expected, adjusted, strict=True)
    for family in families.values():
        least = 0.0
        for place, (p, adjusted) in enumerate(sorted(family)):
            least = max(least, min(1.0, (len(family) - place) * p))
            assert math.isnan(adjusted) or adjusted == pytest.approx(min(1.0, len(families) * least), abs=1e-4)


def test_ids_and_digests_are_those_of_choices_and_content() -> None:
    for line, record in zip(LINES, RECORDS, strict=True):
        choices = json.JSONEncoder(separators=(",", ":"), sort_keys=True).encode(record["choices"])
        assert record["id"] == hashlib.sha256(choices.encode("ascii")).digest()[:8].hex()
        content = re.sub(rb', "digest": "[0-9a-f]{64}"\}\n\Z', b"", line)
        assert record["digest"] == hashlib.sha256(content).hexdigest()
