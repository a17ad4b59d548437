"""The command `reproduce`: published claims, what their rows say, and the training of those that have none.

In: how to compose a configuration, how to launch jobs, settings. Out: text, and an exit code. Touches: what a sweep
touches.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from bench import catalogue, registry
from bench.commands.overrides import claimed
from bench.commands.shared import config_folders, show
from bench.commands.sweep import outcome, train
from bench.launch.scheduler import Launch
from bench.launch.stages import compared
from bench.machine.settings import Claim, PlannedSettings, list_of
from bench.plan import tune
from bench.plan.plan import Compose, Plan, axes_of, declared, plan, up_to_last_look
from bench.plan.tune import Final
from bench.rows.reading import Reading
from bench.rows.registration import edited, notes, older, registration
from bench.rows.store import Store
from bench.rows.tuning import TUNED
from bench.rows.unfit import sentences
from bench.schema import Row, Run, UserError

if TYPE_CHECKING:
    from bench.report.analysis.claim import Evidence, Judgment

ALL = "all"
UNDECIDED = "undecided"
DIFFERING = 3  # choices that a sentence on another protocol names


@dataclass(frozen=True, kw_only=True)
class ReproduceSettings(PlannedSettings):
    """The settings of `reproduce`."""

    claims: list[str] = field(metadata=list_of(str))
    tier: Literal["exact", "scaled", "proxy", "cpu", "gpu"] | None


@dataclass(frozen=True)
class Asked:
    """A claim with the runs that it asks for at the look that its rows are at, and those at its first look."""

    claim: Claim
    store: Store
    reading: Reading
    final: list[Final]
    ids: frozenset[str]
    runs: int


def reproduce(compose: Compose, launch: Launch, settings: ReproduceSettings) -> int:
    """List the claims, or train and judge some of them, the controls along; 1 when a run failed."""
    from bench.report.document import Sheet
    from bench.report.tables import claims as tables
    from bench.report.terminal import render

    if settings.overrides:
        words = ", ".join(settings.overrides)
        raise UserError(
            f"a claim is run as its yaml says, not with {words}; copy the yaml into the folder claim of --config-dir, "
            "under a name of its own, and change it there"
        )
    compose = remembering(compose)
    claims = known_claims(compose)
    names = chosen(claims, settings)
    found = {name: asked(compose, claim, settings) for name, claim in claims.items()}
    code = 0
    if settings.claims:
        controls = [name for name, claim in claims.items() if claim.control and name not in names]
        for name in [*controls, *names]:
            code = max(code, run(compose, launch, found, name, settings))
    judgments = judge(found)
    cost = {name: one.runs for name, one in found.items()}
    sheet = tables.evidence(judgments, names, cost) if settings.claims else tables.sheet(judgments, names, cost)
    if settings.format == "text":
        shown = [one for one in judgments if one.claim.name in names]
        ends = sheet.parts[:-1] if settings.claims else (tables.overview(shown, cost),)
        from bench.report.wording.claim import controls as checks

        sheet = Sheet(
            (*ends, tuple(checks([one for one in judgments if one.claim.control]))), sheet.frame, sheet.record
        )
    show(render(sheet, settings.format))
    return code


def remembering(compose: Compose) -> Compose:
    """The same, which composes each list of overrides once: many claims have the same options."""
    composed: dict[tuple[str, ...], Any] = {}

    def remembered(overrides: list[str]) -> Any:
        if tuple(overrides) not in composed:
            composed[tuple(overrides)] = compose(overrides)
        return composed[tuple(overrides)]

    return remembered


def known_claims(compose: Compose) -> dict[str, Claim]:
    """Every claim by its name, those of a user's --config-dir too. Raises UserError for one that cannot be read."""
    names = catalogue.option_files("claim", config_folders())
    catalogue.study_files(config_folders())  # refuses a name that a study has
    return {name: claim_of(compose, name) for name in names}


def claim_of(compose: Compose, name: str) -> Claim:
    """The claim that a yaml declares. Raises UserError, with the file, for one that cannot be read."""
    try:
        found = declared(compose(claimed(name)))
    except UserError as wrong:
        raise UserError(f"claim {name}: {wrong}") from wrong
    assert isinstance(found, Claim), "the defaults of a claim have a test"
    return found


def chosen(claims: Mapping[str, Claim], settings: ReproduceSettings) -> list[str]:
    """The names of the claims that the settings choose. Raises UserError for an unknown one, and for none."""
    asked_for = [name for name in settings.claims if name != ALL]
    if unknown := [name for name in asked_for if name not in claims]:
        raise UserError(registry.unknown("claim", unknown[0], [*claims, ALL]))
    names = [*claims] if ALL in settings.claims or not asked_for else asked_for
    if settings.tier:
        names = [name for name in names if settings.tier in (claims[name].tier, claims[name].hardware)]
    if not names:
        raise UserError(f"no claim here has tier={settings.tier}")
    return names


def run(compose: Compose, launch: Launch, found: dict[str, Asked], name: str, settings: ReproduceSettings) -> int:
    """Train what a claim needs, look after look until it is decided; 1 when a run failed, 2 when it cannot be run.

    What is found of the claim is renewed.
    """
    claim = found[name].claim
    if reason := cannot(claim, settings):
        print(f"claim {name} is not run: {reason}", file=sys.stderr)
        return 0
    own, store = replace(settings, study=claim), Store(settings.results, name)
    try:
        for seeds in looks_of(claim):
            ids = train(planned(compose, claim, seeds), store, launch, own)
            found[name] = asked(compose, claim, settings)
            if code := outcome(store, ids):
                return code
            verdicts = {one.claim.name: one.verdict for one in judge(found)}
            if verdicts[name] != UNDECIDED:
                break
    except UserError as wrong:
        if len(settings.claims) == 1 and ALL not in settings.claims:
            raise
        print(f"claim {name} is not run: {wrong}", file=sys.stderr)
        return 2
    return 0


def cannot(claim: Claim, settings: ReproduceSettings) -> str:
    """Why a claim cannot be run here; "" where it can."""
    if claim.untestable:
        return claim.untestable
    if claim.hardware == "gpu":
        from bench.machine.machine import machine_of

        if machine_of(settings).device != "cuda":
            minutes = f" for about {claim.minutes:g} minutes" if claim.minutes else ""
            return f"it needs a GPU{minutes}, and this machine has none that torch can use"
    return ""


def looks_of(claim: Claim) -> list[list[int]]:
    """The seeds of a claim at each of its looks; all that its axes have where it plans none."""
    given = axes_of(claim).get("seed", [0])
    if not claim.looks:
        return [given]
    seeds = up_to_last_look(given, claim)
    return [seeds[:count] for count in claim.looks]


def planned(compose: Compose, claim: Claim, seeds: Sequence[int]) -> Plan:
    """The runs of a claim with these seeds."""
    return plan(compose, claim, [f"seed={','.join(map(str, seeds))}"])


def asked(compose: Compose, claim: Claim, settings: ReproduceSettings) -> Asked:
    """What a claim asks for, at the smallest look that has all seeds of its rows."""
    store = Store(settings.results, claim.name)
    reading = store.read(curves=False)
    if claim.untestable:
        return Asked(claim, store, reading, [], frozenset(), 0)
    looks = looks_of(claim)
    there = {row.choices.get("seed") for row in reading.rows.values()} & {*looks[-1]}
    seeds = next(one for one in looks if there <= {*one})
    base = planned(compose, claim, seeds)
    fitting = [one for one in base.runs if one.id not in reading.left_out]
    stage = tune.stage(fitting, claim, reading.rows)
    final = [*stage.final, *(Final(one, {claim.tune.key: TUNED}) for one in stage.later)]
    runs: list[Run] = [*stage.tuning, *(one.run for one in stage.final), *stage.later]
    return Asked(claim, store, reading, final, frozenset(one.id for one in runs), len({one.id for one in runs}))


def judge(found: Mapping[str, Asked]) -> list["Judgment"]:
    """The verdicts on these claims as one family, each with what a reader has to know of its rows."""
    from bench.report.analysis.claim import judged

    judgments = judged([evidence_of(one) for one in found.values()])
    return [replace(one, notes=remarks(found[one.claim.name])) for one in judgments]


def evidence_of(found: Asked) -> "Evidence":
    """What the rows say that the claim asks for; rows of another protocol have no part in it."""
    from bench.report.analysis.claim import check_arms, evidence

    rows = [compared(one, found.reading.rows.get(one.run.id)) for one in found.final]
    arms = sentences(found.reading.unfit)
    if not found.claim.untestable and not arms:
        check_arms(found.claim, rows)
    return evidence(found.claim, rows, arms)


def remarks(found: Asked) -> list[str]:
    """The rows that are refused, those that are older than the claim, and an edit of the claim since."""
    rows, name = list(found.reading.rows.values()), found.claim.name
    if not rows:
        return []
    registered = registration(name, config_folders())
    about = notes(registered, older(rows, registered))
    lines = [*refused(found), *edited(name, found.store.registered(), config_folders()), *about, *found.reading.remarks]
    return [line[0].upper() + line[1:].rstrip(".") + "." for line in lines]


def refused(found: Asked) -> list[str]:
    """A sentence on the rows that are not of the protocol that the claim declares."""
    if found.claim.untestable or not found.final:
        return []
    others = [row for id, row in found.reading.rows.items() if id not in found.ids]
    if not others:
        return []
    differences: dict[str, Any] = {}
    for row in others:
        differences |= differing(row, found.final[0].run.choices)
    shown = ", ".join(f"{key}={value}" for key, value in [*differences.items()][:DIFFERING])
    return [
        f"{len(others)} rows in {found.store.folder} are of another protocol than the claim's "
        f"({shown or 'their seeds'}) and are refused: no verdict rests on them"
    ]


def differing(row: Row, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The choices of a row that differ from those of a run of the claim, but for its seed and its initializer."""
    return {
        key: value
        for key, value in row.choices.items()
        if key != "seed" and key.partition(".")[0] != "initializer" and wanted.get(key) != value
    }
