"""The commands about a study's rows: seal, sync.

In: the configuration that Hydra composed. Out: text, and an exit code. Touches: what bench/rows touches.
"""

from omegaconf import DictConfig

from bench.commands.settings import known_store, plain
from bench.rows.store import SEALED


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
