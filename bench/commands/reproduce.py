"""The command `reproduce`: published claims, what their rows say, and the training of those that have none.

In: how to compose a configuration, how to launch jobs, settings. Out: text, and an exit code. Touches: what a sweep
touches.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from bench import registry
from bench.commands.claims import Asked, asked, judge, known_claims, looks_of, planned, remembering
from bench.commands.shared import show
from bench.commands.sweep import outcome, train
from bench.launch.scheduler import Launch
from bench.machine.settings import Claim, PlannedSettings, list_of
from bench.plan.plan import Compose
from bench.rows.store import Store
from bench.schema import UserError

ALL = "all"
UNDECIDED = "undecided"


@dataclass(frozen=True, kw_only=True)
class ReproduceSettings(PlannedSettings):
    """The settings of `reproduce`."""

    claims: list[str] = field(metadata=list_of(str))
    tier: Literal["exact", "scaled", "proxy", "cpu", "gpu"] | None


def reproduce(compose: Compose, launch: Launch, settings: ReproduceSettings) -> int:
    """List the claims, or train and judge some of them, the controls along; 1 when a run failed."""
    from bench.report.tables import claims as tables
    from bench.report.terminal import render

    if settings.overrides:
        words = ", ".join(settings.overrides)
        raise UserError(
            f"a claim is run as its yaml says, not with {words}; copy the yaml into the folder claim of --config-dir, "
            "under a name of its own, and change it there"
        )
    compose = remembering(compose)
    claims = known_claims()
    names = chosen(claims, settings)
    found = {name: asked(compose, claim, settings.results) for name, claim in claims.items()}
    code = 0
    if settings.claims:
        controls = [name for name, claim in claims.items() if claim.control and name not in names]
        for name in [*controls, *names]:
            code = max(code, run(compose, launch, found, name, settings))
    judgments = judge(found)
    cost = {name: one.runs for name, one in found.items()}
    sheet = tables.sheet(judgments, names, cost, details=bool(settings.claims))
    show(render(sheet, settings.format))
    return code


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
            found[name] = asked(compose, claim, settings.results)
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
