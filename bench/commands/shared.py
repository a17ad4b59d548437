"""What several commands share: the store of a study, and the form of an answer.

In: settings. Out: a store, text. Touches: nothing.
"""

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig

from bench import catalogue
from bench.machine import streams
from bench.machine.files import os_reason
from bench.machine.settings import Settings, Study
from bench.registry import unknown
from bench.rows.store import Store, studies
from bench.rows.tracking import StudyLog
from bench.schema import UserError


def known_store(settings: Settings) -> Store:
    """The store of a study that has been swept.

    Raises UserError, with the studies that there are, when it has not, and for what cannot be the name of a study.
    """
    name, known = settings.study.name, studies(settings.results)
    store = Store(settings.results, name)
    if name not in known:
        raise UserError(
            f"study {name} has no rows in {settings.results}; there: {', '.join(known) or 'none'}. "
            f"`python -m bench sweep study={name}` makes them"
        )
    return store


def log_of(store: Store) -> StudyLog:
    """A study as W&B shows it."""
    from bench.report.analysis.study_log import study_log  # pandas, which most commands do without

    return study_log(store.folder.name, list(store.read().rows.values()))


def answer(record: Mapping[str, Any], text: str, settings: Settings) -> str:
    """The output of a command that prints no table: one JSON document, or text."""
    if settings.format not in ("text", "json"):
        raise UserError(f"format={settings.format} is not known here; there are text and json")
    return json.dumps(record, indent=1, ensure_ascii=False) if settings.format == "json" else text


def check_question(study: Study, swept: Iterable[str] = ()) -> None:
    """Raise UserError for a question about a name that neither an initializer nor a row has; `swept`: those of rows."""
    known = {*catalogue.option_files("initializer", config_folders()), *swept} if study.question else set()
    for name in (arm.partition("(")[0] for arm in study.question):
        if catalogue.canonical("initializer", name) not in known:
            raise UserError(f"study.question: {unknown('initializer', name, known)}")


def show(text: str) -> None:
    """Print the text of a command that also writes files. An output that refuses it does not change the exit code."""
    try:
        print(text, end="", flush=True)
    except OSError as refused:
        streams.discard_output()
        if not isinstance(refused, BrokenPipeError):  # whose reader has enough
            print(f"the answer cannot be printed: {os_reason(refused)}; what is written stays", file=sys.stderr)


def config_folders() -> list[Path]:
    """The folders of configuration that Hydra searches, a user's --config-dir first."""
    sources = HydraConfig.get().runtime.config_sources
    return [Path(source.path) for source in sources if source.schema == "file"]
