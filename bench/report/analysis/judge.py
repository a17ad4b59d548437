"""The verdicts of a study: over all its blocks at one look, or look after look until each pair is decided.

Where a study takes seeds until it is decided, the arms of a block have no more of them once no pair of theirs is open.
Their verdicts stay as they were at that look, and so does each pair that is decided earlier. At a look each family is
as large as the study: a test that a final verdict rests on counts in Holm's procedure as rejected, with p = 0, every
other test of a final pair as one with p = 1. At the first false rejection of all looks only true ones have gone before,
so its p lies below the level of the look over the number of true hypotheses; the levels sum to alpha, and so the chance
of any false rejection is at most alpha, whatever decides which arms go on (Goeman & Solari 2010 for the steps, the
union bound for the looks).

In: blocks and rules. Out: findings, the answer to the question, the look. Touches: nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from bench.report import statistics
from bench.report.analysis.blocks import Block, compared, names, natural
from bench.report.analysis.finding import Finding, find, measure
from bench.report.analysis.interim import InterimLook, interim_look, seeds_of
from bench.report.analysis.pairs import UNDECIDED, Comparison, Pair, decide
from bench.report.analysis.question import Question, ask
from bench.report.analysis.rules import ALPHA, ENOUGH, Rules
from bench.report.statistics import sequential
from bench.report.statistics.power import chance_to_decide
from bench.schema import FINAL, Row

FUTILE = 0.1  # chance to be decided at the last look, below which a pair has no more seeds
Seeds = Sequence[Mapping[str, int]]  # of each block, by arm
Pairs = dict[frozenset[str], Pair]  # of a block, by its two arms


@dataclass(frozen=True)
class Decided:
    """How far a study is whose arms take seeds until they are decided.

    seeds: of each block, how many seeds each arm takes, as far as is known. open: the arms that may take more.
    """

    seeds: tuple[Mapping[str, int], ...]
    open: tuple[frozenset[str], ...]


@dataclass(frozen=True)
class Judged:
    """The findings of a study's blocks with their verdicts, its question, its look, and the level of its families."""

    findings: tuple[Finding, ...]
    question: Question | None
    look: InterimLook | None
    alpha: float
    decided: Decided | None = None


def judge(blocks: Sequence[Block], rules: Rules, seeds: Seeds | None = None) -> Judged:
    """The verdicts on blocks by the rules of their study.

    `seeds`: how many each arm takes, where that is decided already. Raises UserError and ValueError as `summarize`.
    """
    if rules.until and rules.looks:
        return _until_decided(blocks, rules, seeds)
    look = interim_look(rules.looks, blocks, ALPHA)
    alpha = ALPHA if look is None else look.alpha
    findings = find(blocks, rules, alpha)
    return Judged(findings, ask(findings, *rules.question) if rules.question else None, look, alpha)


def _until_decided(blocks: Sequence[Block], rules: Rules, taken: Seeds | None) -> Judged:
    looks, levels, families = rules.looks, sequential.levels(rules.looks, ALPHA), len(compared(blocks))
    active = [frozenset(block.arms) for block in blocks]
    seeds = [dict.fromkeys(block.arms, looks[0]) for block in blocks]
    every: list[Pairs] = [{} for _ in blocks]
    asked: list[Pairs] = [{} for _ in blocks]
    reached = 0
    for count, alpha in zip(looks, levels, strict=True):
        if not any(active) or not _there(blocks, active, count):
            break
        for block, arms, *pairs in zip(blocks, active, every, asked, strict=True):
            _look_at(_first(block, arms, count), rules, *pairs)
        _decide(every, alpha, families, count)
        _decide(asked, alpha, 1, count)
        reached += 1
        if taken is None:
            active = _open(asked, rules, 1, count) if rules.question else _open(every, rules, families, count)
        else:
            active = [frozenset(arm for arm, number in one.items() if number > count) for one in taken]
        for mine, arms in zip(seeds, active, strict=True):
            mine |= dict.fromkeys(arms, looks[min(reached, len(looks) - 1)])
        _close(every, active, count)
        _close(asked, active, count)
    alpha = levels[reached - 1] if reached else 0.0
    counts = [seeds_of(rows) for block in blocks for rows in block.arms.values()]
    findings = tuple(
        _with_pairs(measure(block, name, rules, alpha), pairs)
        for block, name, pairs in zip(blocks, names(blocks), every, strict=True)
    )
    look = InterimLook(looks, min(counts), max(counts), reached or None, alpha)
    return Judged(findings, _question(findings, asked, rules), look, alpha, Decided(tuple(seeds), tuple(active)))


def _there(blocks: Sequence[Block], active: Sequence[frozenset[str]], count: int) -> bool:
    """Whether all arms that go on have as many seeds."""
    return all(seeds_of(block.arms[arm]) >= count for block, arms in zip(blocks, active, strict=True) for arm in arms)


def _first(block: Block, arms: Iterable[str], count: int) -> Block:
    """The block with the first seeds of some of its arms alone."""
    return replace(block, arms={name: _first_rows(block.arms[name], count) for name in arms})


def _first_rows(rows: Iterable[Row], count: int) -> list[Row]:
    ended = [row for row in rows if row.status in FINAL]
    seeds = sorted({row.choices.get("seed") for row in ended}, key=natural)[:count]
    return [row for row in ended if row.choices.get("seed") in seeds]


def _look_at(block: Block, rules: Rules, every: Pairs, asked: Pairs) -> None:
    """Measure again the pairs that are not final."""
    finding = measure(block, "", rules, ALPHA)
    for pair in finding.pairs:
        for pairs in (every, asked) if pair.names == {*rules.question} else (every,):
            if pair.names not in pairs or pairs[pair.names].look is None:
                pairs[pair.names] = pair


def _decide(found: Sequence[Pairs], alpha: float, families: int, count: int) -> None:
    """Give each pair that is not final its verdict; it is final where there is one."""
    places = [(pairs, key) for pairs in found for key in pairs]
    decided = decide([pairs[key] for pairs, key in places], alpha, families)
    for (pairs, key), pair in zip(places, decided, strict=True):
        pairs[key] = replace(pair, look=count) if pair.look is None and pair.verdict != UNDECIDED else pair


def _open(found: Sequence[Pairs], rules: Rules, families: int, count: int) -> list[frozenset[str]]:
    """Of each block, the arms of pairs that more seeds may decide; none at the last look."""
    last, level = rules.looks[-1], sequential.levels(rules.looks, ALPHA)[-1]
    level /= families * max(1, sum(map(bool, found)))
    rates = statistics.rate_equivalence(last, last, last, last, rules.rate_margin) < level
    return [
        frozenset().union(*(key for key, pair in pairs.items() if _is_open(pair, count, last, level, rates)))
        for pairs in found
    ]


def _is_open(pair: Pair, count: int, last: int, level: float, rates: bool) -> bool:
    """Whether more seeds may decide a pair. `rates`: whether the last look may show that all runs of both train."""
    if pair.look is not None or count >= last:
        return False
    chances = [_chance(pair.rate, count, last, level)] if pair.rate.difference else [float(rates and pair.rate_open)]
    chances += [] if pair.rate_open else [_chance(pair.accuracy, pair.seeds, last, level)]
    return max(chances) >= FUTILE


def _chance(found: Comparison, n: int, last: int, level: float) -> float:
    """The chance that the last look decides an endpoint, from its n seeds; 1 where they are too few to tell."""
    if n < ENOUGH or found.difference is None or found.low is None or found.high is None:
        return 1.0
    reach = (found.high - found.low) / 2
    return chance_to_decide(found.difference, reach, n, last, found.margin, level / 2, level)


def _close(found: Sequence[Pairs], active: Sequence[frozenset[str]], count: int) -> None:
    """Make every pair final of which an arm takes no more seeds."""
    for arms, pairs in zip(active, found, strict=True):
        for key, pair in pairs.items():
            if pair.look is None and not key <= arms:
                pairs[key] = replace(pair, look=count)


def _with_pairs(finding: Finding, pairs: Mapping[frozenset[str], Pair]) -> Finding:
    """The finding of all runs with the pairs as they were at their looks, in the order of its arms."""
    return replace(finding, pairs=tuple(_turned(pairs.get(pair.names, pair), pair) for pair in finding.pairs))


def _turned(pair: Pair, like: Pair) -> Pair:
    return pair if pair.initializer == like.initializer else pair.turned()


def _question(findings: Sequence[Finding], asked: Sequence[Pairs], rules: Rules) -> Question | None:
    if not rules.question:
        return None
    ours, theirs = rules.question
    found = []
    for finding, pairs in zip(findings, asked, strict=True):
        if pair := pairs.get(frozenset(rules.question)) or finding.pair(ours, theirs):
            found.append((finding, pair if pair.initializer == ours else pair.turned()))
    return Question((ours, theirs), tuple(found)) if found else None
