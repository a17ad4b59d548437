"""A card for a terminal, a page and programs: what to take, what other choices cost, and the lines to write.

In: a Card. Out: Sheets and Tables. Touches: nothing.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from bench.report.analysis.advice import EQUAL, LOST, OPEN, SAME, WORSE, Advice, Candidate, Width
from bench.report.analysis.card import Card, of_study
from bench.report.analysis.frame import of_pair
from bench.report.analysis.summary import Summary
from bench.report.document import Cell, Listing, Part, Section, Sheet, Table
from bench.report.tables.results import labels
from bench.report.wording import card as say
from bench.report.wording.answer import verdict, word_of_block
from bench.report.wording.code import Code, code
from bench.report.wording.format import DASH, PERCENT, estimate, points
from bench.rows.expiry import Expiry, commits

DEFAULT = "default"
HEADER = ("initializer", "advice", "trained", "accuracy %", "accuracy in points", "rate in points", "verdict")
COSTS = (
    "What each choice costs: its difference from the default in accuracy and in training rate, in points with 95 % "
    "intervals"
)


TAKE = (
    "What to take in each block: of the arms than which none is shown to be better, the default has the highest mean "
    "over all its runs. The others are shown to be equivalent to it, or equal in accuracy alone, or are open; an arm "
    "that is not to be taken is shown to be worse than another, or does not train."
)


@dataclass(frozen=True)
class Sweep:
    """The command that would measure a setting, and the minutes it takes here; None where that is not known."""

    command: str
    minutes: float | None


def sheet(card: Card, expiry: Expiry | None, sweep: Sweep | None = None, checked: str = "") -> Sheet:
    """The card. `expiry`: of its rows; `sweep`: to measure the setting; `checked`: what a repeated run shows."""
    expired = [*(say.expired(expiry) if expiry else []), *[checked] * bool(checked)]
    parts: list[Part] = [f"Card for {say.asked(card)}", *say.take(card), *expired]
    if sweep:
        parts += suggested(sweep)
    if card.known:
        costs = [Section(say.title(card, one), (table(one),)) for one in card.advice]
        parts += [Section(COSTS, ()), *costs] if len(costs) > 1 else [Section(COSTS, (table(card.advice[0]),))]
        parts += [
            Section("How sure, and on what rows", (*say.sure(card), say.margins(card.advice[0].summary.rules))),
            Section("Where it holds", tuple(say.scope(card))),
            Section("What is not known", tuple(say.unknown(card))),
            Section("What would change it", tuple(say.change(card))),
        ]
    parts += [Section(f"The lines for {name}", listings(one)) for name, one in lines(card).items()]
    found = record(card, expiry, sweep, checked)
    return Sheet(tuple(parts), pd.DataFrame(found["costs"]), found)


def suggested(sweep: Sweep) -> list[Part]:
    """The command, and its minutes."""
    minutes = "" if sweep.minutes is None else f", in about {sweep.minutes:.1f} minutes on this machine"
    return [f"This sweep would measure the setting{minutes}:", Listing(sweep.command, "bash")]


def table(one: Advice) -> Table:
    """One line per arm, the default first: how it stands, how often it trains, and what it costs."""
    tuned = any(each.width for each in _each(one))
    lines = tuple(_line(one, each, tuned) for each in _each(one))
    return Table("costs", COSTS, (*HEADER, *("tuned value", "width") * tuned), lines, 2)


def take(summary: Summary) -> Table:
    """One line per block: the default, what may be taken instead by what is shown of it, what is not to be taken."""
    found = of_study(summary).advice
    columns = [column for column in summary.columns if column in found[0].finding.choices]
    header = (*columns, "default", "equivalent", "equal in accuracy", "open", "do not take")
    lines = tuple((*labels(one.finding), *_taken(one)) for one in found)
    return Table("take", TAKE, header, lines, len(columns), tuple(columns))


def _taken(one: Advice) -> list[Cell]:
    default = Cell(one.default.name, None, one.default.arm.ids) if one.default else Cell(DASH)
    groups = ([each.name for each in one.with_word(*kinds)] for kinds in ((SAME,), (EQUAL,), (OPEN,), (WORSE, LOST)))
    return [default, *(Cell(", ".join(names) or DASH) for names in groups)]


def _each(one: Advice) -> list[Candidate]:
    return [*([one.default] if one.default else []), *one.others]


def _line(one: Advice, each: Candidate, tuned: bool) -> tuple[Cell, ...]:
    arm, digits, pair = each.arm, one.finding.digits, each.pair
    rate = [
        Cell(DASH if each.value is None else f"{each.value:g}", each.value),
        Cell(width(each.width), each.width.value if each.width else None),
    ]
    return (
        Cell(each.name),
        Cell(DEFAULT if each is one.default else say.STANDING[each.word]),
        Cell(f"{arm.trained} of {arm.ended}", arm.trained, arm.ids),
        Cell(estimate(arm.accuracy, digits, PERCENT), arm.mean, arm.ids),
        Cell(points(pair.accuracy, digits) if pair else DASH, pair.accuracy.difference if pair else None, arm.ids),
        Cell(points(pair.rate, 0) if pair else DASH, pair.rate.difference if pair else None, arm.ids),
        Cell(verdict(pair) if pair else DASH),
        *rate * tuned,
    )


def width(found: Width | None) -> str:
    """The width of a basin as a factor, with the least and the largest by a single seed; a plus where it is cut off."""
    if found is None:
        return DASH
    return f"x{found.value:g}{'+' * found.cut_off} [x{found.low:g}, x{found.high:g}]"


def lines(card: Card) -> dict[str, Code]:
    """The lines of the default, or of each setting's default where there is no common one, by the name of the arm."""
    names = [card.default] if card.default else [one.default.name for one in card.trained if one.default and card.near]
    return {name: _code(card, name) for name in dict.fromkeys(names)}


def _code(card: Card, name: str) -> Code:
    rows = [row for one in card.trained if (arm := one.finding.arm(name)) for row in arm.rows]
    given = {key.partition(".")[2]: value for key, value in rows[0].choices.items() if key.startswith("initializer.")}
    activations = {str(row.choices.get("activation")) for row in rows}
    return code(str(rows[0].choices["initializer"]), given, min(activations))


def listings(found: Code) -> tuple[Part, ...]:
    """The lines of an arm, each library under its name."""
    none = "no line of this library draws this law"
    texts = {
        "torch alone": found.torch or "# torch's nn.init has no call for this law; take bench.initialize",
        "bench.initialize": found.initialize,
        "Keras, as kernel_initializer": found.keras or f"# {none}",
        "JAX, as kernel_init": found.jax or f"# {none}",
    }
    return tuple(part for name, text in texts.items() for part in (f"{name}:", Listing(text, "python")))


def record(card: Card, expiry: Expiry | None, sweep: Sweep | None, checked: str) -> dict[str, Any]:
    """The card for a program: numbers in full precision, differences in points, None where there is none."""
    return {
        "asked": dict(card.asked),
        "measured": card.exact,
        "known": card.known,
        "differs": {key: {"asked": old, "measured": new} for key, (old, new) in card.differs.items()},
        "default": card.default,
        "alternatives": [{"initializer": name, "shown": card.shown(name)} for name in card.allowed[1:]],
        "text": say.take(card),
        "settings": [_setting(card, one) for one in card.advice],
        "costs": [_cost(card, one, each) for one in card.advice for each in one.others],
        "rows": [_rows(one, counts) for found, counts in ((card.advice, True), (card.also, False)) for one in found],
        "scope": say.scope(card) if card.advice else [],
        "unknown": say.unknown(card),
        "change": say.change(card),
        "expiry": {**asdict(expiry), "text": " ".join(say.expired(expiry)), "checked": checked or None}
        if expiry
        else None,
        "sweep": asdict(sweep) if sweep else None,
        "code": {name: asdict(one) for name, one in lines(card).items()},
    }


def _setting(card: Card, one: Advice) -> dict[str, Any]:
    return {
        "title": say.title(card, one),
        "choices": one.choices,
        "default": one.default.name if one.default else None,
        "may_be_taken": one.allowed,
        "tuned": bool(one.tuned),
        "verdict": word_of_block(one.finding),
    }


def _cost(card: Card, one: Advice, each: Candidate) -> dict[str, Any]:
    pair: Mapping[str, Any] = of_pair(each.pair) if each.pair else {"initializer": each.name, "other": None}
    return {
        "setting": say.title(card, one),
        "advice": say.STANDING[each.word],
        **pair,
        "value": each.value,
        "width": each.width.value if each.width else None,
        "width_low": each.width.low if each.width else None,
        "width_high": each.width.high if each.width else None,
    }


def _rows(one: Advice, counts: bool) -> dict[str, Any]:
    return {
        "study": one.summary.name,
        "counts": counts,
        "block": one.finding.block.label,
        "verdict": word_of_block(one.finding),
        "commits": commits(say.rows_of(one)),
        "arms": {
            arm.name: {"seeds": arm.ended, "trained": arm.trained, "runs": list(arm.ids)} for arm in one.finding.arms
        },
    }
