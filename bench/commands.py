"""What each command does, in terms of runs, rows and reports.

In: the configuration that Hydra composed. Out: what is printed on standard output, and an exit code.
Touches: what the rooms below touch; nothing of its own.
"""

import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from bench import catalogue, registry
from bench.rows.store import SEALED, Store
from bench.schema import FAILED, FINAL, WORDS, UserError

KINDS = (*WORDS, "study")


def train_pack(config: DictConfig) -> None:
    """The job that Hydra's launcher starts for each pack; torch is brought in by the process that trains."""
    from bench.runs.perform import perform

    perform(config)


def sweep(compose: Any, launch: Any, settings: Mapping[str, Any]) -> int:
    """Train what a study lacks and print its table; 1 when a run failed."""
    from bench.runs.plan import plan
    from bench.runs.sweep import sweep as do

    asked = plan(compose, settings["study"], settings["overrides"])
    store = Store(settings["results"], asked.study)
    do(asked, store, launch, settings)
    print(table(store, settings))
    return outcome(store, [run.id for run in asked.runs])


def run(compose: Any, launch: Any, settings: Mapping[str, Any]) -> int:
    """Train one run, if it has no row yet, and print its row; 1 when it failed."""
    from bench.runs.plan import plan
    from bench.runs.sweep import sweep as do

    asked = plan(compose, settings["study"], settings["overrides"])
    if len(asked.runs) > 1:
        raise UserError(f"these are {len(asked.runs)} runs; `python -m bench sweep` takes more than one")
    store = Store(settings["results"], asked.study)
    do(asked, store, launch, settings)
    row = store.read().rows[asked.runs[0].id]
    print(json.dumps({"id": row.id, "status": row.status, **row.measures, "error": row.error}, indent=1))
    return outcome(store, [row.id])


def plan(compose: Any, launch: Any, settings: Mapping[str, Any]) -> int:
    """Say what a sweep with the same overrides would do, and how long it would take; nothing is trained."""
    from bench.runs.pack import shape
    from bench.runs.plan import plan as make
    from bench.runs.sweep import left, rehearse

    asked = make(compose, settings["study"], settings["overrides"])
    missing = left(asked.runs, Store(settings["results"], asked.study).read(), settings["retry"])
    seconds = rehearse(missing, settings) if missing else {}
    minutes = sum(seconds[shape(run)] for run in missing) / settings["processes"] / 60
    said = {
        "study": asked.study,
        "total": len(asked.runs),
        "done": len(asked.runs) - len(missing),
        "left": len(missing),
        "skipped": asked.skipped,
        "minutes": round(minutes, 4),
    }
    text = "study {study}: {total} runs, {done} done, {left} left ({skipped} skipped); about {minutes:.1f} minutes"
    print(shown(said, text.format(**said), settings))
    return 0


def status(config: DictConfig) -> int:
    """Say how far the last sweep of a study is, also while it runs in another shell."""
    settings = plain(config)
    store = known_store(settings)
    planned, reading = store.read_plan() or [], store.read()
    count = Counter(reading.rows[id].status for id in planned if id in reading.rows)
    done = sum(count[one] for one in FINAL)
    said = {"study": store.folder.name, "total": len(planned), "done": done, "left": len(planned) - done}
    said |= {one: count[one] for one in ("ok", "diverged", "failed", "preempted")}
    said |= {"rows": len(reading.rows), "remarks": reading.remarks}
    text = (
        "study {study}: {total} runs in its last sweep, {done} done ({ok} ok, {diverged} diverged, {failed} failed), "
        "{left} left; {rows} rows in all"
    )
    print(shown(said, "\n".join([text.format(**said), *reading.remarks]), settings))
    return 0


def report(config: DictConfig) -> int:
    """Print the table of a study's rows and what it says."""
    settings = plain(config)
    print(table(known_store(settings), settings))
    return 0


def throughput(config: DictConfig) -> int:
    """Measure how fast laws fill weights, keep one row per case, and print the table; 1 when a library failed."""
    from bench.report.throughput import render
    from bench.runs.throughput.measure import measure

    settings = plain(config)
    store = Store(settings["results"], settings["study"]["name"])
    store.prepare()
    rows, remarks = measure(settings)
    for row in rows:
        store.write(row)
    print(render(rows, settings["format"]))
    for remark in remarks:
        print(remark, file=sys.stderr)
    return int(bool(remarks))


def list_names(config: DictConfig) -> int:
    """Print the names there are, each with its law and source."""
    settings = plain(config)
    if settings["kind"] not in (*KINDS, "all"):
        raise UserError(registry.unknown("kind", settings["kind"], [*KINDS, "all"]))
    kinds = KINDS if settings["kind"] == "all" else (settings["kind"],)
    found = {kind: catalogue.options(kind, config_folders()) for kind in kinds}
    said = {kind: [entry(option) for option in options.values()] for kind, options in found.items()}
    lines = [
        "\n".join([kind, *(f"  {one['name']:<28} {one['law']}\n{'':<30} {one['source']}" for one in entries)])
        for kind, entries in said.items()
    ]
    print(shown(said, "\n\n".join(lines), settings))
    return 0


def seal(config: DictConfig) -> int:
    """Write a study's rows into the one file that is committed."""
    store = known_store(plain(config))
    print(f"study {store.folder.name}: {store.seal()} rows sealed in {store.folder / SEALED}")
    return 0


def sync(config: DictConfig) -> int:
    """Replay to W&B the rows that it has not seen."""
    from bench.rows import tracking

    settings = plain(config)
    store = known_store(settings)
    sent, skipped = tracking.sync(store.read().rows.values(), settings["tracking"], store.folder)
    print(f"study {store.folder.name}: {sent} rows sent to W&B, {skipped} were there already")
    return 0


def table(store: Store, settings: Mapping[str, Any]) -> str:
    """The report of a store's rows in the format asked for; remarks about the rows go to standard error."""
    from bench.report import summarize, throughput
    from bench.report.render import render

    reading = store.read()
    for remark in reading.remarks:
        print(remark, file=sys.stderr)
    if reading.rows and all(row.choices.get("task") == "throughput" for row in reading.rows.values()):
        return throughput.render(reading.rows.values(), settings["format"])
    return render(
        summarize(reading.rows.values(), settings["margin"], settings["study"]["question"]), settings["format"]
    )


def outcome(store: Store, ids: Sequence[str]) -> int:
    """The exit code of a sweep: 1 when a run failed, 0 when all are ok or diverged."""
    rows = store.read().rows
    failures = [rows[id] for id in ids if rows[id].status == FAILED]
    for row in failures:
        print(f"failed: {row.id} {(row.error or {}).get('cause')}; the traceback is in its row", file=sys.stderr)
    if failures:
        print(f"failed runs: {len(failures)}; retry=failed does them again", file=sys.stderr)
    return int(bool(failures))


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


def entry(option: Mapping[str, Any]) -> dict[str, Any]:
    """What `list` says of an option: its name, law and source, and its arguments with their defaults."""
    about = {key: option[key] for key in ("name", "law", "source")}
    return {**about, "arguments": catalogue.arguments(option)}


def shown(said: Mapping[str, Any], text: str, settings: Mapping[str, Any]) -> str:
    """One JSON document, or text."""
    if settings["format"] not in ("text", "json"):
        raise UserError(f"format={settings['format']} is not known here; there are text and json")
    return json.dumps(said, indent=1, ensure_ascii=False) if settings["format"] == "json" else text


def check(settings: Mapping[str, Any]) -> None:
    """Raises UserError for a setting of a wrong type or size, before anything is done with it."""
    from bench.report import FORMATS
    from bench.runs.plan import typed

    defaults = {
        key: value for key, value in catalogue.load(catalogue.CONF / "settings.yaml").items() if key in settings
    }
    for key, default in defaults.items():
        value = typed(key, settings[key], default)
        if isinstance(default, int | float) and value <= 0 and not isinstance(default, bool):
            raise UserError(f"{key}={value} is not above 0; for example {key}={default}")
        if value == "":
            raise UserError(f"{key} has no value; write {key}=VALUE")
    if settings["format"] not in FORMATS:
        raise UserError(registry.unknown("format", settings["format"], FORMATS))


def plain(config: DictConfig) -> dict[str, Any]:
    """A composed configuration as a dictionary, its settings checked."""
    settings: dict[str, Any] = OmegaConf.to_container(config, resolve=True)  # type: ignore[assignment]
    check(settings)
    return settings


def config_folders() -> list[Path]:
    """The folders of configuration that Hydra searches, a user's --config-dir first."""
    sources = HydraConfig.get().runtime.config_sources
    return [Path(source.path) for source in sources if source.schema == "file"]
