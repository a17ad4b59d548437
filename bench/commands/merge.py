"""The command `merge`: brings the rows of other machines into results/.

In: the configuration that Hydra composed. Out: text, and an exit code. Touches: what bench/rows touches.
"""

import sys
from dataclasses import asdict
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from bench.commands.settings import plain, shown
from bench.rows import merge as rows
from bench.schema import UserError


def merge(config: DictConfig) -> int:
    """Bring the rows of other folders into results/; 1, with a remark each, when some were not taken."""
    settings = plain(config)
    if not settings["folders"]:
        raise UserError(
            "merge what? Write `python -m bench merge DIR ...`; DIR is a results folder or one of its studies"
        )
    named = any(word.startswith("study") for word in HydraConfig.get().overrides.task)
    study = settings["study"]["name"] if named else None
    merged = rows.merge([Path(str(folder)) for folder in settings["folders"]], settings["results"], study)
    text = "{new} rows are new, {replaced} took the place of failed or preempted ones, {equal} were there already"
    print(shown(asdict(merged), text.format(**asdict(merged)), settings))
    for remark in merged.remarks:
        print(remark, file=sys.stderr)
    return int(bool(merged.remarks))
