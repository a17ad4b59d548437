"""The sentences of a card: what to take, how sure that is, where it holds, what is not known, what would change it.

In: a Card. Out: sentences. Touches: nothing.
"""

from collections.abc import Sequence
from typing import Any

from bench import catalogue
from bench.report.analysis.advice import EQUAL, LOST, OPEN, SAME, WORSE, Advice, Candidate
from bench.report.analysis.arms import IMAGES, SPLITS
from bench.report.analysis.card import Card
from bench.report.analysis.power import POWER
from bench.report.analysis.rules import Rules
from bench.report.wording.answer import margin, rate_margin, verdict, verdict_of_block
from bench.report.wording.format import confidence, counted, counted_range, few, listed, number
from bench.rows.expiry import STARTS, UNKNOWN, Expiry, commits
from bench.schema import Row

RATE = "optimizer.learning_rate"
NAMES = {"model.depth": "depth", "model.width": "width", RATE: "learning rate", "batch_size": "batch size"}
TITLE = ("model", "normalization", "activation", "dataset")
STANDING = {SAME: "may be taken", EQUAL: "may be taken", OPEN: "open", WORSE: "do not take", LOST: "does not train"}


def asked(card: Card) -> str:
    """The setting as it was asked for: model=resnet20 depth=20."""
    return words(card.asked)


def words(choices: Any) -> str:
    """Choices as a command line has them."""
    return " ".join(f"{key}={value}" for key, value in choices.items())


def title(card: Card, one: Advice) -> str:
    """A setting of the card by the choices that tell it from the others; by its main choices where it is alone."""
    keys = [*TITLE, *(key for key in one.choices if key not in TITLE)]
    varying = [key for key in keys if len({repr(each.choices.get(key)) for each in card.advice}) > 1]
    return " ".join(f"{key}={one.choices[key]}" for key in varying or TITLE if key in one.choices)


def take(card: Card) -> list[str]:
    """What to take: the default and what may be taken instead, or why there is no advice."""
    if not card.advice:
        return ["Not known: no study under results/ compares initializers in training runs."]
    found = [*_nearest(card)]
    if not card.near:
        return found
    if not card.trained:
        return [*found, f"Take none of {few(_arms(card), 'or')}: no run of theirs trains here."]
    if card.default is None:
        found.append(f"No arm may be taken in all {len(card.trained)} settings: each is shown to be worse in one.")
        return [*found, *(f"{title(card, one)}: {_take(one)}" for one in card.trained)]
    return [*found, _together(card, card.default), *_not_due(card), *_untrained(card)]


def _nearest(card: Card) -> list[str]:
    if card.exact:
        return []
    differ = listed([f"{key} ({old} asked, {new} measured)" for key, (old, new) in card.differs.items()])
    start = f"Not measured: no row has {asked(card)}. The nearest setting differs in {differ}"
    if card.near:
        return [f"{start}; what follows is its advice, and may not hold here."]
    return [f"Not known. {start}, and such a choice may turn the advice."]


def _together(card: Card, default: str) -> str:
    """The default and the other arms that may be taken, by what is shown of them."""
    by_word = {word: [name for name in card.allowed[1:] if card.shown(name) == word] for word in (SAME, EQUAL, OPEN)}
    where = f" in all {len(card.trained)} settings" if len(card.trained) > 1 else ""
    rules = card.trained[0].summary.rules
    if by_word[SAME]:
        start = f"Take any of {listed([default, *by_word[SAME]])}{where}: they are shown to be equivalent"
        start += f", within {margin(rules)} of accuracy and {rate_margin(rules)} of training rate."
    else:
        start = f"Take {default}{where}."
    parts = [start]
    if equal := by_word[EQUAL]:
        parts.append(
            f"{listed(equal)} may be taken instead: within {margin(rules)} of the accuracy of {default}; a difference "
            f"in training rate above {rate_margin(rules)} is not excluded."
        )
    if undecided := by_word[OPEN]:
        verb = "is" if len(undecided) == 1 else "are"
        parts.append(f"{listed(undecided)} {verb} not shown to be worse, nor to be equivalent: that is open.")
    if not card.allowed[1:] and len(_arms(card)) > 1:
        parts.append(f"Every other arm is shown to be worse{' in one of them' if where else ''}, or does not train.")
    return " ".join(parts)


def _take(one: Advice) -> str:
    same, rest = ([each.name for each in one.with_word(*kind)] for kind in ((SAME,), (EQUAL, OPEN)))
    default = one.default.name if one.default else ""
    start = f"any of {listed([default, *same])}, shown to be equivalent" if same else default
    return f"take {start}{f'; not shown to be worse: {listed(rest)}' if rest else ''}."


def _not_due(card: Card) -> list[str]:
    early = [one for one in card.trained if not one.summary.alpha]
    if not early:
        return []
    return [
        f"No verdict is due yet in {_studies(early)}, between its planned looks: the default has the highest mean so "
        "far."
    ]


def _untrained(card: Card) -> list[str]:
    lost = [title(card, one) for one in card.advice if not one.default]
    return [f"Nothing trains, whatever the initializer, with {listed(lost)}."] if lost else []


def _studies(found: Sequence[Advice]) -> str:
    return listed(sorted({f"study {one.summary.name}" for one in found}))


def _arms(card: Card) -> list[str]:
    return sorted({one.name for each in card.advice for one in each.finding.arms})


def sure(card: Card) -> list[str]:
    """On which rows the advice rests, what its report says of each setting, and what other studies say."""
    rest = {_rests_on(one): None for one in card.advice}
    return [*rest, *(f"{title(card, one)}: {_shown(one)}." for one in card.advice), *_also(card)]


def _rests_on(one: Advice) -> str:
    seeds = counted_range(sorted({arm.ended for arm in one.finding.arms}), "seed")
    return (
        f"Study {one.summary.name}: {seeds} for each of {counted(len(one.finding.arms), 'arm')}, "
        f"commit {listed(commits(rows_of(one))) or 'unknown'}. Intervals cover {_covers(one)}."
    )


def _shown(one: Advice) -> str:
    verdicts = [verdict(pair.pair) for pair in one.others if pair.pair]
    each = listed([f"{verdicts.count(word)} {word}" for word in dict.fromkeys(verdicts)])
    return f"{verdict_of_block(one.finding)}{f'; against the default: {each}' if each else ''}"


def _also(card: Card) -> list[str]:
    """In how many settings other studies allow the default too."""
    found = []
    for name in dict.fromkeys(one.summary.name for one in card.also):
        of_study = [one for one in card.also if one.summary.name == name]
        seeds = counted_range(sorted({one.seeds for one in of_study}), "seed")
        if card.default is None:
            allowed = [f"{listed(one.allowed) or 'no arm'} ({title(card, one)})" for one in of_study]
        else:
            count = sum(card.default in one.allowed for one in of_study)
            allowed = [f"{card.default} in {count} of {counted(len(of_study), 'setting')}"]
        found.append(f"The study {name} has {seeds}, which allow {listed(allowed)}.")
    return found


def _covers(one: Advice) -> str:
    return listed(sorted({arm.covers for arm in one.finding.arms if arm.trained})) or "nothing, for nothing trains"


def rows_of(one: Advice) -> list[Row]:
    """The rows of a block."""
    return [row for arm in one.finding.arms for row in arm.rows]


def scope(card: Card) -> list[str]:
    """Where the advice holds: data, network, budget, learning rate."""
    data = listed([_data(one) for one in _distinct(card, ("dataset",))])
    models = listed([_model(one) for one in _distinct(card, ("model", "model.depth", "model.width"))])
    epochs = _values(card, "epochs", "epoch")
    recipe = listed(
        [f"{_values(card, key)}" for key in ("optimizer", "schedule") if _values(card, key)]
        + [f"batches of {_values(card, 'batch_size')}"] * bool(_values(card, "batch_size"))
    )
    return [f"Data: {data}.", f"Networks: {models}.", f"Training: {epochs}, {recipe}.", *_rates(card)]


def _distinct(card: Card, keys: Sequence[str]) -> list[Advice]:
    return list({repr([one.choices.get(key) for key in keys]): one for one in reversed(card.advice)}.values())[::-1]


def _data(one: Advice) -> str:
    images = f" ({one.finding.test_images:,} test images)" if one.finding.test_images else ""
    return f"{one.choices.get('dataset')}{images}"


def _model(one: Advice) -> str:
    keys = ("model.depth", "model.width")
    sizes = [f"{NAMES[key]} {one.choices[key]}" for key in keys if one.choices.get(key) is not None]
    return f"{one.choices.get('model')}{f' ({listed(sizes)})' if sizes else ''}"


def _values(card: Card, key: str, noun: str = "") -> str:
    found = sorted({one.choices[key] for one in card.advice if one.choices.get(key) is not None}, key=repr)
    if not found:
        return ""
    return f"{listed(list(map(str, found)), 'or')}{f' {noun}' if noun else ''}{'s' * bool(noun and found != [1])}"


def _rates(card: Card) -> list[str]:
    tuned = [one for one in card.advice if one.tuned]
    shared = [one for one in card.advice if not one.tuned]
    found = []
    if tuned:
        tune = tuned[0].summary.rules.tune
        seeds = len(tune.seeds) if tune else 0
        found.append(
            f"Learning rate: tuned for each arm on one grid by {counted(seeds, 'seed')} that no verdict uses"
            if tune and tune.key == RATE
            else f"Tuned for each arm: {tune.key if tune else ''}"
        )
        found[-1] += "." if not shared else f", with {few([title(card, one) for one in tuned])}."
    if shared:
        rates = listed(sorted({f"{one.choices[RATE]:g}" for one in shared if RATE in one.choices}), "or")
        found.append(f"Learning rate: {rates or 'that of the study'}, the same for all arms and tuned for none.")
    return found


def unknown(card: Card) -> list[str]:
    """What the rows do not say."""
    if not card.advice:
        return []
    found = ["Other data, depths and widths, and longer training: they may order the arms otherwise."]
    if any(not one.tuned for one in card.advice):
        found.append("Other learning rates: an arm that would do better at another is judged at this one.")
    left = sorted(
        set(catalogue.option_files("initializer")) - {name.partition("(")[0] for name in _arms(card)} - {"again"}
    )
    if left:
        found.append(
            f"{counted(len(left), 'initializer')} of {len(left) + len(_arms(card))} have no rows here: {few(left)}."
        )
    unfit = sorted({name for one in card.advice for name in one.finding.block.unfit})
    if unfit:
        found.append(f"Left out, for they do not fit the model: {listed(unfit)}.")
    if any(SPLITS not in _covers(one) and IMAGES not in _covers(one) for one in card.trained):
        found.append("Other test images: the intervals cover the seeds alone.")
    return found


def change(card: Card) -> list[str]:
    """What would change the advice: which arms may still be better, and the seeds that would decide it."""
    found = []
    for one in card.trained:
        rivals = [each for each in one.others if each.word in (SAME, EQUAL, OPEN) and _room(each) is not None]
        for each in sorted(rivals, key=lambda each: -(_room(each) or 0.0))[:1]:
            room = _room(each) or 0.0
            if one.default and room > one.finding.margin:
                found.append(
                    f"{title(card, one)}: {each.name} may be up to {number(room, one.finding.digits)} points better "
                    f"than {one.default.name} ({confidence()} interval); rows that show it to be better by more than "
                    f"{margin(one.summary.rules)} would make it the default."
                )
        if seeds := _seeds(one):
            found.append(seeds)
    if any(not one.tuned for one in card.advice):
        found.append("Tuned learning rates, if arms rank otherwise at them: the same sweep with tune=true.")
    return found


def _room(one: Candidate) -> float | None:
    return one.pair.accuracy.high if one.pair else None


def _seeds(one: Advice) -> str:
    power = next((each for each in one.summary.power if each.finding.block is one.finding.block), None)
    if power is None or not one.with_word(OPEN) or power.one_pair.equivalence is None:
        return ""
    needed = max(power.one_pair.equivalence, power.one_pair.difference or 0)
    return (
        f"Open there: {few([each.name for each in one.with_word(OPEN)])}. One pair of arms takes about {needed:,} "
        f"seeds to be decided with a probability of {POWER:g} at the spread seen; there are {one.seeds}."
    )


def expired(found: Expiry) -> list[str]:
    """Whether the rows have expired; nothing where today's code makes them."""
    made = f"commit {listed(list(found.commits))}" if found.commits else "an unknown commit"
    if found.differs:
        id, measure, then, now = found.differs
        return [
            f"Expired: run {id}, begun again with the code of today, has another {measure.replace('_', ' ')} than its "
            f"row ({_value(then)} at {made}, {_value(now)} now). The same sweep under another study name makes new "
            "rows."
        ]
    if found.status == STARTS:
        return [
            f"The code has changed since {made}; {counted(found.begun, 'run')} begun again start as their rows say. "
            "check=true trains one to its end."
        ]
    if found.status == UNKNOWN:
        return [f"Whether the code of today still makes the rows of {made} is not known: {found.reason}."]
    return []


def _value(found: float | None) -> str:
    return "no finite number" if found is None else f"{found:.6g}"


def margins(rules: Rules) -> str:
    """What difference matters."""
    return f"A difference matters from {margin(rules)} of accuracy or {rate_margin(rules)} of training rate."
