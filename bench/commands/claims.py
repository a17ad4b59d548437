"""What is known of the published claims: their yamls, the rows that each asks for, and the verdicts on them.

In: how to compose a configuration, a folder of rows. Out: Asked, Judgments. Touches: the rows and the git repository,
which it reads.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from bench import catalogue
from bench.commands.shared import config_folders
from bench.launch.stages import compared
from bench.machine.settings import Claim, Study
from bench.plan import tune
from bench.plan.plan import Compose, Plan, axes_of, plan, up_to_last_look
from bench.plan.tune import Final
from bench.rows.reading import Reading
from bench.rows.registration import edited, notes, older, registration
from bench.rows.store import Store
from bench.rows.tuning import TUNED
from bench.rows.unfit import sentences
from bench.schema import Row, Run, UserError

if TYPE_CHECKING:
    from bench.report.analysis.claim import Evidence, Judgment

DIFFERING = 3  # choices that a sentence on another protocol names


@dataclass(frozen=True)
class Asked:
    """A claim with the runs that it asks for at the look that its rows are at, and those at its first look."""

    claim: Claim
    store: Store
    reading: Reading
    final: list[Final]
    ids: frozenset[str]
    runs: int


def remembering(compose: Compose) -> Compose:
    """The same, which composes each list of overrides once: many claims have the same options."""
    composed: dict[tuple[str, ...], Any] = {}

    def remembered(overrides: list[str]) -> Any:
        if tuple(overrides) not in composed:
            composed[tuple(overrides)] = compose(overrides)
        return composed[tuple(overrides)]

    return remembered


def verdicts(compose: Compose, results: str | Path) -> tuple[list["Judgment"], list[Row]]:
    """The verdicts on all claims by the rows in a folder, and these rows; nothing is trained."""
    compose = remembering(compose)
    found = {name: asked(compose, claim, results) for name, claim in known_claims().items()}
    return judge(found), [row for one in found.values() for row in one.reading.rows.values()]


def known_claims() -> dict[str, Claim]:
    """Every claim by its name, those of a user's --config-dir too. Raises UserError for one that cannot be read."""
    files = catalogue.option_files("claim", config_folders())
    catalogue.study_files(config_folders())  # refuses a name that a study has
    shared = catalogue.load(catalogue.CONF / "settings.yaml")["study"]
    defaults = OmegaConf.merge(shared, catalogue.load(catalogue.CONF / "study" / "claim.yaml"))
    return {name: claim_of(name, file, defaults) for name, file in files.items()}


def claim_of(name: str, file: Path, defaults: DictConfig | ListConfig) -> Claim:
    """The claim that a yaml declares, as study=NAME composes it, in a hundredth of the time.

    Raises UserError, with the file, for one that cannot be read.
    """
    try:
        merged: Any = OmegaConf.to_container(OmegaConf.merge(defaults, catalogue.load(file), {"name": name}))
        found = Study.read(merged, "study.")
    except (UserError, OmegaConfBaseException) as wrong:
        raise UserError(f"claim {name}: {wrong}") from wrong
    assert isinstance(found, Claim), "the defaults of a claim have a test"
    return found


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


def asked(compose: Compose, claim: Claim, results: str | Path) -> Asked:
    """What a claim asks for, at the smallest look that has all seeds of its rows."""
    store = Store(results, claim.name)
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
