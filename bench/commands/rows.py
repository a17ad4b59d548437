"""The commands `seal` and `sync`: the rows of a study in one file, and in W&B.

In: the configuration that Hydra composed. Out: text, and an exit code. Touches: what bench/rows touches.
"""

from omegaconf import DictConfig

from bench.commands.settings import known_store, plain
from bench.rows.store import SEALED


def seal(config: DictConfig) -> int:
    """Write the rows of a study to the one file that is committed."""
    store = known_store(plain(config))
    print(f"study {store.folder.name}: {store.seal()} rows sealed in {store.folder / SEALED}")
    return 0


def sync(config: DictConfig) -> int:
    """Send to W&B the rows that it has not received."""
    from bench.rows import tracking

    settings = plain(config)
    store = known_store(settings)
    sent, skipped = tracking.sync(store.read().rows.values(), settings["tracking"], store.folder)
    print(f"study {store.folder.name}: {sent} rows sent to W&B, {skipped} were there already")
    return 0
