"""The verdicts of a study: over all its blocks at one look, or look after look until each block is decided.

Where a study takes seeds until it is decided, a block has no more of them once no pair in it is open. Its verdicts stay
as they were at that look, and so does each pair that is decided earlier. At a look each family is as large as the
study: a test that a final verdict rests on counts in Holm's procedure as rejected, with p = 0, every other test of a
final pair as one with p = 1. At the first false rejection of all looks only true ones have gone before, so its p lies
below the level of the look over the number of true hypotheses; the levels sum to alpha, and so the chance of any false
rejection is at most alpha, whatever decides which blocks go on (Goeman & Solari 2010 for the steps, the union bound for
the looks).

In: blocks and rules. Out: findings, the answer to the question, the look. Touches: nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from bench.report import statistics
from bench.report.analysis.blocks import Block, compared, names, natural
from bench.report.analysis.finding import Finding, find, measure
from bench.report.analysis.interim import InterimLook, interim_look, seeds_of
from bench.report.analysis.pairs import UNDECIDED, Pair, decide
from bench.report.analysis.question import Question, ask
from bench.report.analysis.rules import ALPHA, Rules
from bench.report.statistics import sequential
from bench.schema import FINAL, Row

Pairs = dict[frozenset[str], Pair]  # of a block, by its two arms


@dataclass(frozen=True)
class Decided:
    """How far a study is whose blocks take seeds until they are decided.

    seeds: of each block, how many seeds it takes, as far as is known. open: whether it may take more.
    """

    seeds: tuple[int, ...]
    open: tuple[bool, ...]


@dataclass(frozen=True)
class Judged:
    """The findings of a study's blocks with their verdicts, its question, its look, and the level of its families."""

    findings: tuple[Finding, ...]
    question: Question | None
    look: InterimLook | None
    alpha: float
    decided: Decided | None = None


def judge(blocks: Sequence[Block], rules: Rules, seeds: Sequence[int] | None = None) -> Judged:
    """The verdicts on blocks by the rules of their study.

    `seeds`: how many each block takes, where that is decided already. Raises UserError and ValueError as `summarize`.
    """
    if rules.until and rules.looks:
        return _until_decided(blocks, rules, seeds)
    look = interim_look(rules.looks, blocks, ALPHA)
    alpha = ALPHA if look is None else look.alpha
    findings = find(blocks, rules, alpha)
    return Judged(findings, ask(findings, *rules.question) if rules.question else None, look, alpha)


def _until_decided(blocks: Sequence[Block], rules: Rules, taken: Sequence[int] | None) -> Judged:
    looks, levels = rules.looks, sequential.levels(rules.looks, ALPHA)
    called, seeds = names(blocks), [rules.looks[0]] * len(blocks)
    every: list[Pairs] = [{} for _ in blocks]
    asked: list[Pairs] = [{} for _ in blocks]
    active, reached = [*range(len(blocks))], 0
    for number, (count, alpha) in enumerate(zip(looks, levels, strict=True), start=1):
        if not active or any(seeds_of(rows) < count for place in active for rows in blocks[place].arms.values()):
            break
        reached, last = number, number == len(looks)
        for place in active:
            _look_at(_first(blocks[place], count), rules, every[place], asked[place])
        families = len(compared(blocks))
        _decide(every, alpha, families, count)
        _decide(asked, alpha, 1, count)
        goes_on = _open(asked, rules, 1) if rules.question else _open(every, rules, families)
        if taken is not None:
            goes_on = [count < one for one in taken]
        active = [place for place in active if goes_on[place] and not last]
        for place in active:
            seeds[place] = looks[number]
        _close(every, active, count)
        _close(asked, active, count)
    alpha = levels[reached - 1] if reached else 0.0
    counts = [seeds_of(rows) for block in blocks for rows in block.arms.values()]
    look = InterimLook(looks, min(counts), max(counts), reached or None, alpha)
    findings = tuple(
        _with_pairs(measure(block, name, rules, alpha), pairs)
        for block, name, pairs in zip(blocks, called, every, strict=True)
    )
    going = tuple(place in active for place in range(len(blocks)))
    return Judged(findings, _question(findings, asked, rules), look, alpha, Decided(tuple(seeds), going))


def _first(block: Block, count: int) -> Block:
    """The block with the first seeds of each arm alone."""
    return replace(block, arms={name: _first_rows(rows, count) for name, rows in block.arms.items()})


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


def _open(found: Sequence[Pairs], rules: Rules, families: int) -> list[bool]:
    """Of each block, whether more seeds may decide a pair of it.

    They may not where accuracies are equal and even the last look has too few seeds to compare training rates.
    """
    last, level = rules.looks[-1], sequential.levels(rules.looks, ALPHA)[-1]
    tests = families * sum(map(bool, found))
    out_of_reach = tests * statistics.rate_equivalence(last, last, last, last, rules.rate_margin) >= level
    return [
        any(pair.look is None and not (pair.rate_open and out_of_reach) for pair in pairs.values()) for pairs in found
    ]


def _close(found: Sequence[Pairs], active: Sequence[int], count: int) -> None:
    """Make every pair of the blocks that take no more seeds final."""
    for place, pairs in enumerate(found):
        if place not in active:
            for key, pair in pairs.items():
                pairs[key] = replace(pair, look=count) if pair.look is None else pair


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
