"""The commands `seal` and `sync`: the rows of a study in one file, and in W&B.

In: settings. Out: text, and an exit code. Touches: what bench/rows touches.
"""

from bench.commands.shared import known_store, log_of
from bench.machine.settings import Settings
from bench.rows.store import SEALED


def seal(settings: Settings) -> int:
    """Write the rows of a study to the one file that is committed."""
    store = known_store(settings)
    print(f"study {store.folder.name}: {store.seal()} rows sealed in {store.folder / SEALED}")
    return 0


def sync(settings: Settings) -> int:
    """Send to W&B the rows that it has not received."""
    from bench.rows import tracking

    store = known_store(settings)
    sent, skipped = tracking.sync(lambda: log_of(store), settings.tracking, store.folder)
    print(f"study {store.folder.name}: {sent} rows sent to W&B, {skipped} were there already")
    return 0
