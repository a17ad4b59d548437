"""The summary of the published rows, counted again by other means: plain Python on the text of the rows.

Nothing here is shared with the store or with bench.report.statistics: ids, digests, counts, means and Student's
intervals are computed anew.
"""

import hashlib
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
from bench.report import summarize
from bench.report.analysis.arms import Arm
from bench.rows.store import Store

RESULTS = CONF.parent / "results"
LINES = (RESULTS / "question" / "rows.jsonl").read_bytes().splitlines(keepends=True)
RECORDS: list[dict[str, Any]] = [json.loads(line) for line in LINES]
MANY = 20  # converged runs from which on the interval is a bootstrap, which only its own code can repeat


def recounted() -> list[dict[str, Any]]:
    """Every arm in every block: rows that differ in nothing but their seed."""
    arms: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for record in RECORDS:
        arms[json.dumps({**record["choices"], "seed": None}, sort_keys=True)].append(record)
    return [counted(rows) for rows in arms.values()]


def counted(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    status = Counter(row["status"] for row in rows)
    reached = [row["measures"]["test_accuracy"] for row in rows if row["status"] == "ok"]
    mean = math.fsum(reached) / len(reached) if reached else None
    bounds = None, None
    if mean is not None and 1 < len(reached) < MANY:
        image = 1 / rows[0]["environment"]["test_images"]
        spread = max(statistics.stdev(reached), image)  # never below the step of the scale
        reach = float(stats.t.ppf(0.975, len(reached) - 1)) * spread / math.sqrt(len(reached))
        bounds = max(0.0, mean - reach), min(1.0, mean + reach)
    counts = [status[one] for one in ("ok", "diverged", "failed", "preempted")]
    return {"ids": {row["id"] for row in rows}, "counts": counts, "values": [mean, *bounds]}


def of_summary(one: Arm) -> dict[str, Any]:
    found = one.test_accuracy
    values = [found.value, found.low, found.high] if found else [None] * 3
    return {"ids": set(one.ids), "counts": [one.converged, one.diverged, one.failed, one.preempted], "values": values}


def test_every_arm_of_the_published_study_is_found_again() -> None:
    expected = {min(one["ids"]): one for one in recounted()}
    summary = summarize(Store(RESULTS, "question").read().rows.values(), 0.3)
    found = [of_summary(one) for finding in summary.findings for one in finding.arms]
    assert len(found) == len(expected)
    for one in found:
        other = expected[min(one["ids"])]
        assert (one["ids"], one["counts"]) == (other["ids"], other["counts"])
        assert one["values"] == pytest.approx(other["values"], abs=1e-9)


def test_ids_and_digests_are_those_of_choices_and_content() -> None:
    for line, record in zip(LINES, RECORDS, strict=True):
        choices = json.JSONEncoder(separators=(",", ":"), sort_keys=True).encode(record["choices"])
        assert record["id"] == hashlib.sha256(choices.encode("ascii")).digest()[:8].hex()
        content = re.sub(rb', "digest": "[0-9a-f]{64}"\}\n\Z', b"", line)
        assert record["digest"] == hashlib.sha256(content).hexdigest()
