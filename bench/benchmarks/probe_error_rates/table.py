"""Rows of probe_error_rates as tables: false alarms, mutants found, and how a risk ranks runs.

In: the rows of `python -m bench probe_error_rates`. Out: Tables, sentences, a Sheet. Touches: nothing.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pandas as pd
from scipy import stats

from bench.report.document import Cell, Sheet, Table, records
from bench.report.statistics import Array, wilson
from bench.report.tables.page import page
from bench.schema import Row

ALPHA = 0.05  # of the paired test between a mutant and its healthy net
POINTS = 0.05  # of accuracy that a mutant must lose on average, besides
RESAMPLES = 2000
BEYOND = 99.0  # in place of a risk that is infinite
HALVES = (CHOSEN, KEPT) = ("thresholds chosen", "kept back")  # of all that is diagnosed
SCORES = {"risk": "risk", "layers": "number of layers", "var_times_fan": "variance times fan, from He's"}
NOTES = (
    "A mutant fails if it loses 5 points of accuracy to its healthy net on average, and a paired one-sided t test over "
    "seeds says so at 5 %; it is found if more than half of its draws have a problem. The thresholds of `slow`, "
    "`unstable` and `saturated` were chosen on one half of the nets, models and runs; the nets kept back were trained "
    "afterwards. The other thresholds were set by hand before, with runs of both studies and models of torchvision in "
    "view. Intervals are of 95 %: Wilson's for shares, a bootstrap over arms for areas."
)
AGAIN = "`python -m bench probe_error_rates` measures all again in about half an hour on one core."


def frame(rows: Iterable[Row]) -> pd.DataFrame:
    """One line per row: its choices and measures."""
    return pd.DataFrame([{"row": row.id, **row.choices, **row.measures} for row in rows]).drop(columns="task")


def sheet(rows: Sequence[Row]) -> Sheet:
    """The sentences and the tables; a line per row for csv."""
    found = frame(rows)
    said, shown = tuple(sentences(found)), tuple(tables(found))
    made = page("How often a diagnosis is wrong", rows, said, *shown, NOTES, AGAIN)
    return Sheet((*shown, said, (NOTES,)), found, {"sentences": [*said], "rows": records(found)}, made)


def sentences(found: pd.DataFrame) -> Iterator[str]:
    """False alarms, recall and precision over mutants, and the ranking of runs, by half, each with its interval."""
    healthy = found[found["part"] == "family"]
    if len(healthy):
        models = healthy.groupby(["half", "model"], as_index=False, sort=False)["problems"].max()
        yield f"False alarms: {_shares(models, 'problems')} of torchvision's models as shipped, in any of their draws."
    judged = mutants(found)
    if len(judged):
        failing, blamed = judged[judged["fails"]], judged[judged["found"]]
        yield f"Found: {_shares(failing, 'found')} of the mutants that fail to train as well as their healthy net."
        yield f"Right: {_shares(blamed, 'fails')} of the mutants with a problem fail."
        healthy = found[(found["part"] == "mutant") & (found["mutant"] == "")]
        yield f"False alarms: {_shares(healthy, 'problems')} of the healthy nets of the mutants."
    runs = found[found["part"] == "run"]
    for score, words in SCORES.items() if len(runs) else ():
        for half, same in _halves(runs):
            area, low, high, null = ranking(same, score)
            yield (
                f"AUROC of the {words} for runs that do not train: {area:.3f} ({low:.3f} to {high:.3f}; {half}); "
                f"labels permuted among these runs reach {null:.3f} in 1 of 20 draws."
            )


def tables(found: pd.DataFrame) -> Iterator[Table]:
    """Mutants by their mutation; the ranking within blocks of runs; every false alarm."""
    judged = mutants(found)
    if len(judged):
        lines = [
            (
                Cell(half),
                Cell(str(name)),
                *map(_cell, (len(one), one["fails"].sum(), (one["fails"] & one["found"]).sum())),
                _cell((~one["fails"] & one["found"]).sum()),
            )
            for half, same in _halves(judged)
            for name, one in same.groupby("mutant", sort=False)
        ]
        header = ("half", "mutation", "nets", "fail", "of these found", "found though they train")
        yield Table("mutants", "Mutants of small nets on the digits.", header, tuple(lines))
    runs = found[found["part"] == "run"]
    if len(runs):
        blocks = runs.groupby(["model", "normalization", "activation"])
        lines = [
            (
                Cell(", ".join(map(str, name))),
                _cell(len(one)),
                _cell(int((one["trained"] == 0).sum())),
                *(_area(one, score) for score in SCORES),
            )
            for name, one in blocks
        ]
        columns = ("block", "runs", "do not train", *(f"AUROC of {words}" for words in SCORES.values()))
        yield Table("runs", "Runs of the studies, by block.", columns, tuple(lines))


def mutants(found: pd.DataFrame) -> pd.DataFrame:
    """A line per net and mutation: whether it fails by a paired test, and whether most draws have a problem."""
    part = found[found["part"] == "mutant"]
    lines = []
    for net, same in part.groupby("model", sort=False):
        healthy = same[same["mutant"] == ""].set_index("seed")["validation_accuracy"]
        for name, one in same[same["mutant"] != ""].groupby("mutant", sort=False):
            lost = healthy - one.set_index("seed")["validation_accuracy"]
            fails = lost.mean() > POINTS and _p(lost.to_numpy()) < ALPHA
            blamed = (one["problems"] > 0).mean() > 0.5
            lines.append({"model": net, "half": one["half"].iloc[0], "mutant": name, "fails": fails, "found": blamed})
    return pd.DataFrame(lines)


def _p(lost: Array) -> float:
    """One-sided, of a mean above 0; 0 where all losses are the same and above 0."""
    if np.ptp(lost) == 0:
        return 0.0 if lost[0] > 0 else 1.0
    return float(stats.ttest_1samp(lost, 0.0, alternative="greater").pvalue)


def ranking(runs: pd.DataFrame, score: str) -> tuple[float, float, float, float]:
    """The AUROC, its 95 % interval by a bootstrap over arms, and the 95th percentile when labels are permuted."""
    generator = np.random.default_rng(0)
    values, failed = _values(runs, score), (runs["trained"] == 0).to_numpy()
    arms = [
        *runs.reset_index(drop=True).groupby(["model", "normalization", "activation", "initializer"]).groups.values()
    ]
    drawn, null = [], []
    for _ in range(RESAMPLES):
        chosen = np.concatenate([arms[place] for place in generator.integers(len(arms), size=len(arms))])
        drawn.append(auroc(values[chosen], failed[chosen]))
        null.append(auroc(values, generator.permutation(failed)))
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return auroc(values, failed), float(low), float(high), float(np.nanpercentile(null, 95))


def auroc(values: Array, failed: Array) -> float:
    """The share of pairs of a failing and another run where the failing one has more; ties count half."""
    count = int(failed.sum())
    if count in (0, len(failed)):
        return float("nan")
    ranks = stats.rankdata(values)
    return float((ranks[failed].sum() - count * (count + 1) / 2) / (count * (len(failed) - count)))


def _values(runs: pd.DataFrame, score: str) -> Array:
    return np.asarray(runs[score].astype(float).fillna(BEYOND))


def _area(runs: pd.DataFrame, score: str) -> Cell:
    area = auroc(_values(runs, score), (runs["trained"] == 0).to_numpy())
    return Cell("" if np.isnan(area) else f"{area:.3f}", area)


def _cell(count: int) -> Cell:
    return Cell(str(count), float(count))


def _shares(lines: pd.DataFrame, column: str) -> str:
    """For how many lines of each half the column is above 0."""
    parts = [(half, _share(same[column] > 0)) for half, same in _halves(lines)]
    return ", ".join(f"{share[:-1]}; {half})" for half, share in parts) or "none of 0"


def _halves(lines: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """The lines of each half that has some."""
    return ((half, same) for half in HALVES if len(same := lines[lines["half"] == half]))


def _share(yes: "pd.Series[bool]") -> str:
    within = wilson(int(yes.sum()), len(yes))
    low, high = (100 * float(within.low or 0), 100 * float(within.high or 0))
    return f"{int(yes.sum())} of {len(yes)} ({low:.0f} to {high:.0f} %)"
