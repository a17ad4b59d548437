"""Which weight initializer to use, with intervals: parts make runs, runs make rows, rows make a report."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.api import diagnose, gain, initialize, initializers
    from bench.schema import UserError

__version__ = "0.1.0"
__all__ = ["UserError", "diagnose", "gain", "initialize", "initializers"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("bench.api"), name)  # brings in torch, which `python -m bench` does without


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
