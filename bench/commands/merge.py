"""The command `merge`: brings the rows of other machines into results/.

In: settings. Out: text, and an exit code. Touches: what bench/rows touches.
"""

import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from hydra.core.hydra_config import HydraConfig

from bench.commands.shared import answer
from bench.machine.settings import Settings
from bench.rows import merge as rows
from bench.schema import UserError


@dataclass(frozen=True, kw_only=True)
class MergeSettings(Settings):
    """The settings of `merge`."""

    folders: list[Path]  # of a results folder, or one of its studies


def merge(settings: MergeSettings) -> int:
    """Bring the rows of other folders into results/; 1, with a remark each, when some were not taken."""
    if not settings.folders:
        raise UserError(
            "merge what? Write `python -m bench merge DIR ...`; DIR is a results folder or one of its studies"
        )
    named = any(word.startswith("study") for word in HydraConfig.get().overrides.task)
    study = settings.study.name if named else None
    merged = rows.merge(settings.folders, settings.results, study)
    text = "{new} rows are new, {replaced} took the place of failed or preempted ones, {equal} were there already"
    print(answer(asdict(merged), text.format(**asdict(merged)), settings))
    for remark in merged.remarks:
        print(remark, file=sys.stderr)
    return int(bool(merged.remarks))
