"""What every command shares: its settings, checked; the store it speaks of; the form of its answer.

In: the configuration that Hydra composed. Out: settings, a store, text. Touches: nothing.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from bench import catalogue, registry
from bench.rows.store import Store
from bench.schema import AUTO, UserError

MEASURED: dict[str, Any] = {"packing": 8, "processes": 2, "graph": False}  # or auto; an example of the other values


def plain(config: DictConfig) -> dict[str, Any]:
    """A composed configuration as a dictionary, its settings checked."""
    settings: dict[str, Any] = OmegaConf.to_container(config, resolve=True)  # type: ignore[assignment]
    check(settings)
    return settings


def check(settings: Mapping[str, Any]) -> None:
    """Raises UserError for a setting of a wrong type or size, before anything is done with it."""
    from bench.report import FORMATS, check_study

    defaults = {
        key: value for key, value in catalogue.load(catalogue.CONF / "settings.yaml").items() if key in settings
    }
    for key, default in defaults.items():
        if key not in MEASURED:
            check_one(key, settings[key], default)
        elif settings[key] != AUTO:
            try:
                check_one(key, settings[key], MEASURED[key])
            except UserError as mistake:
                raise UserError(f"{mistake}, or {key}=auto") from mistake
    if settings["format"] not in FORMATS:
        raise UserError(registry.unknown("format", settings["format"], FORMATS))
    check_study(settings)


def check_one(key: str, value: Any, default: Any) -> None:
    """Raises UserError for a value that is not of the type of the default, is empty, or not above 0."""
    from bench.plan.plan import typed

    value = typed(key, value, default)
    if isinstance(default, int | float) and value <= 0 and not isinstance(default, bool):
        raise UserError(f"{key}={value} is not above 0; for example {key}={default}")
    if value == "":
        raise UserError(f"{key} has no value; write {key}=VALUE")


def known_store(settings: Mapping[str, Any]) -> Store:
    """The store of a study that has been swept.

    Raises UserError, naming the studies there are, when it has not.
    """
    from bench.rows.store import studies

    name, there = settings["study"]["name"], studies(settings["results"])
    if name not in there:
        raise UserError(
            f"study {name} has no rows in {settings['results']}; there: {', '.join(there) or 'none'}. "
            f"`python -m bench sweep study={name}` makes them"
        )
    return Store(settings["results"], name)


def shown(said: Mapping[str, Any], text: str, settings: Mapping[str, Any]) -> str:
    """One JSON document, or text."""
    if settings["format"] not in ("text", "json"):
        raise UserError(f"format={settings['format']} is not known here; there are text and json")
    return json.dumps(said, indent=1, ensure_ascii=False) if settings["format"] == "json" else text


def config_folders() -> list[Path]:
    """The folders of configuration that Hydra searches, a user's --config-dir first."""
    sources = HydraConfig.get().runtime.config_sources
    return [Path(source.path) for source in sources if source.schema == "file"]
