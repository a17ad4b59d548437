"""Checks a study's rows: each check reads all of them and records every fault with its place.

In: a reading of the study's folder, the ids of its plan. Out: faults and notes. Touches: nothing.
"""

import contextlib
import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bench.rows.correctness import unpacked
from bench.rows.reading import Reading
from bench.schema import DIVERGED, FAILED, OK, PREEMPTED, Row

MACHINE = ("device", "threads", "precision", "layout", "compiled")  # decide how sums are rounded
VERSIONS = ("git_commit", "git_dirty", "initbench", "torch", "torchvision", "numpy")
DRAWN_FROM = ("validation", "test", "subset", "split_seed", "crop", "flip", "checksum")  # the same raw data
CURVE = ("train_loss", "validation_loss", "validation_accuracy")  # of the last epoch, repeated as measures
TESTED = ("test_loss", "test_accuracy")
SHOWN = 5  # places of one fault

Faults = defaultdict[str, list[str]]  # what is wrong -> the ids of the rows, or what else names the place


def check(study: str, reading: Reading, planned: Sequence[str] | None, mixed: bool) -> list[str]:
    """Every fault as a line. `planned`: the ids of the study's plan, if any; `mixed`: versions and packs may differ."""
    rows = [reading.rows[id] for id in sorted(reading.rows)]
    faults: Faults = defaultdict(list)
    faults["another row of the same run differs"] += reading.differing
    faults[f"its study is not {study}, the name of its folder"] += [row.id for row in rows if row.study != study]
    plan(rows, planned, faults)
    seeds(rows, faults)
    data(rows, faults)
    machine(rows, faults)
    if not mixed:
        versions(rows, faults)
        packing(rows, faults)
    for row in rows:
        for what in outcome(row) if trained(row) else []:
            faults[what].append(row.id)
    return [*reading.remarks, *lines(faults)]


def notes(rows: Iterable[Row], planned: Sequence[str] | None) -> list[str]:
    """Remarks that are no faults."""
    rows, found = list(rows), []
    if planned is None:
        found.append("no plan is known here, so no run can be missed: its axes were on a command line; repeat them")
    elif extra := len({row.id for row in rows} - set(planned)):
        found.append(f"{extra} rows are of runs that the study does not ask for")
    if silent := sum(trained(row) and row.status == OK and not counts_tests(row) for row in rows):
        found.append(f"{silent} rows do not say how often the test set was read")
    return found


def lines(faults: Mapping[str, Sequence[str]]) -> list[str]:
    """Each fault as a line: what is wrong, the first places, and the number of places where there are more."""
    return [
        f"{what}: {', '.join(places[:SHOWN])}" + (f", ... ({len(places)} in all)" if len(places) > SHOWN else "")
        for what, places in faults.items()
        if places
    ]


def plan(rows: Iterable[Row], planned: Sequence[str] | None, faults: Faults) -> None:
    """Every planned run has a row, and a final one."""
    status = {row.id: row.status for row in rows}
    for id in planned or ():
        if id not in status:
            faults["a run of the study has no row"].append(id)
        elif status[id] == PREEMPTED:
            faults["a run of the study is not finished"].append(id)


def seeds(rows: Iterable[Row], faults: Faults) -> None:
    """All arms of a block have the same seeds, or their differences are not paired."""
    blocks: dict[str, dict[str, set[Any]]] = defaultdict(lambda: defaultdict(set))
    for row in rows:
        if "seed" in row.choices and "initializer" in row.choices:
            mine, rest = _parts(row)
            blocks[_text(rest)][_text(mine)].add(row.choices["seed"])
    for block, arms in blocks.items():
        every = set().union(*arms.values())
        for arm, own in arms.items():
            if own != every:
                missing = ", ".join(map(str, sorted(every - own, key=str)))
                faults["an arm lacks seeds that others of its block have"].append(f"{_named(block, arm)}: {missing}")


def data(rows: Iterable[Row], faults: Faults) -> None:
    """One dataset is the same data in every row, and the data that conf/ expects."""
    seen: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        found = row.environment.get("dataset_checksum")
        if found is None:
            continue
        parts = {key: value for key, value in row.choices.items() if key.partition(".")[0] == "dataset"}
        seen[_text({key: parts[key] for key in parts if key.partition(".")[2] not in DRAWN_FROM})].add(found)
        if parts.get("dataset.checksum") not in (None, found):
            faults["its data is not the data that its choices name"].append(row.id)
    for name, sums in seen.items():
        if len(sums) > 1:
            faults["one dataset has several checksums"].append(f"{name}: {', '.join(sorted(sums))}")


def machine(rows: Sequence[Row], faults: Faults) -> None:
    """One kind of device, thread count, precision and layout."""
    for key in MACHINE:
        values = _values(rows, key)
        if len(values) > 1:
            faults[f"rows of several kinds of {key}"].append(" and ".join(values))


def versions(rows: Sequence[Row], faults: Faults) -> None:
    """One version of the code, and a commit that names it; mixed=true skips this check."""
    for key in VERSIONS:
        values = _values(rows, key)
        if len(values) > 1:
            faults[f"rows of several versions: {key} (mixed=true allows it)"].append(" and ".join(values))
    dirty = [row.id for row in rows if row.environment.get("git_dirty")]
    if dirty:
        faults["its code was changed after its commit, so nothing names it (mixed=true allows it)"] += dirty


def packing(rows: Iterable[Row], faults: Faults) -> None:
    """All runs of a block trained alone, or all in packs, whose sums round otherwise; mixed=true skips this check."""
    blocks: dict[str, dict[bool, list[str]]] = defaultdict(lambda: {False: [], True: []})
    for row in rows:
        if isinstance(together := row.environment.get("packed"), int):
            blocks[_text(_parts(row)[1])][together > 1].append(row.id)
    for block in blocks.values():
        packed, few = min(block.items(), key=lambda item: len(item[1]))
        how = "in a pack" if packed else "alone"
        faults[f"trained {how}, unlike others of its block, and so rounded otherwise (mixed=true allows it)"] += few


def outcome(row: Row) -> list[str]:
    """What is wrong with the outcome of a training run."""
    status, measures = row.status, row.measures
    wrong = []
    if (status == FAILED) != bool(row.error):
        wrong.append("a failed row without an error, or an error in another")
    if not all(value is None or _is_number(value) for value in measures.values()):
        wrong.append("a measure is neither a finite number nor null")
    accuracies = [value for key, value in measures.items() if key.endswith("accuracy") and value is not None]
    if any(not 0 <= value <= 1 for value in accuracies):
        wrong.append("an accuracy is outside 0 to 1")
    if status in (OK, DIVERGED):
        wrong += ended(row)
    if row.correct is not None and not adds_up(row):
        wrong.append("the test images that it classified correctly do not add up to its test accuracy")
    return wrong


def ended(row: Row) -> list[str]:
    """What is wrong with a run that ended: its test, its curve."""
    status, measures, curve = row.status, row.measures, row.curve
    wrong = []
    if status == OK and not all(_is_number(measures.get(key)) for key in (*CURVE, *TESTED)):
        wrong.append("an ok row lacks a loss or an accuracy")
    if status == OK and counts_tests(row) and measures["test_evaluations"] != 1:
        wrong.append("its test set was not read exactly once")
    if status == DIVERGED and any(measures.get(key) is not None for key in ("train_loss", *TESTED)):
        wrong.append("a diverged row has a final loss or a test result")
    if [entry.get("epoch") for entry in curve] != list(range(1, len(curve) + 1)):
        wrong.append("the epochs of its curve are not 1, 2, 3 ...")
    if status == OK and len(curve) != epochs(row):
        wrong.append("its curve is not as long as its budget")
    if not curve or any(curve[-1].get(key) != measures.get(key) for key in CURVE):
        wrong.append("the end of its curve is not what its measures say")
    return wrong


def adds_up(row: Row) -> bool:
    """Whether the test images that the row says are correct can be read, and are as many as its test accuracy says."""
    images = row.environment.get("test_images")
    with contextlib.suppress(ValueError, OverflowError):
        if isinstance(images, int) and images > 0:
            return int(unpacked(row.correct or "", images).sum()) / images == row.measures.get("test_accuracy")
    return False


def epochs(row: Row) -> Any:
    """How many epochs, the last of them perhaps cut short, the run's budget makes; None where the row does not say."""
    steps, images, size = row.choices.get("steps"), row.environment.get("train_images"), row.choices.get("batch_size")
    if steps is None or images is None or size is None:
        return row.choices.get("epochs") if steps is None else None
    return math.ceil(steps / max(1, images // size))


def trained(row: Row) -> bool:
    """Whether it is a row of the task `train`."""
    return row.choices.get("task") == "train"


def counts_tests(row: Row) -> bool:
    """Whether the row says how often the test set was read."""
    return "test_evaluations" in row.measures


def _values(rows: Iterable[Row], key: str) -> list[str]:
    return sorted({json.dumps(row.environment[key]) for row in rows if key in row.environment})


def _parts(row: Row) -> tuple[dict[str, Any], dict[str, Any]]:
    """The choices of a row that make its arm, and those that make its block: all others but the seed."""
    arm = {key: value for key, value in row.choices.items() if key.partition(".")[0] == "initializer"}
    return arm, {key: value for key, value in row.choices.items() if key not in (*arm, "seed")}


def _text(choices: Mapping[str, Any]) -> str:
    return json.dumps(choices, sort_keys=True)


def _named(block: str, arm: str) -> str:
    where, who = json.loads(block), json.loads(arm)
    words = [str(where[key]) for key in ("model", "normalization", "activation") if key in where]
    return " ".join([*words, str(who["initializer"])])


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
