"""The commands about a study's rows: status, seal, sync.

In: the configuration that Hydra composed. Out: text, and an exit code. Touches: what bench/rows touches.
"""

from collections import Counter

from omegaconf import DictConfig

from bench.commands.settings import known_store, plain, shown
from bench.rows.store import SEALED
from bench.schema import FINAL


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
