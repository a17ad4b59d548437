"""How a command ends with an error: a sentence on standard error, and an exit code.

In: an exception. Out: an exit code. Touches: standard error; standard output, once nobody reads it.
"""

import os
import re
import sys

from bench import catalogue, registry
from bench.schema import UserError

DONE, MISTAKE, INTERRUPTED = 0, 2, 130


def exit_code(command: str, error: BaseException) -> int:
    """Print a sentence for a mistake, for missing memory or for an interrupt; raise any other error again."""
    if isinstance(error, BrokenPipeError):  # the reader of the output, such as `head`, has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    if isinstance(error, KeyboardInterrupt):
        print("bench: interrupted; finished runs are kept, the same command goes on from here", file=sys.stderr)
        return INTERRUPTED
    print(f"bench: {sentence(command, error)}", file=sys.stderr)
    return MISTAKE


def sentence(command: str, error: BaseException) -> str:
    """A mistake or missing memory in one sentence. Raises any other error again."""
    if isinstance(error, UserError):
        return str(error)
    if from_hydra(error):
        return explained(command, error)
    from bench.launch.failure import OUT_OF_MEMORY, failure_class, first_line

    if not isinstance(error, Exception) or failure_class(error) != OUT_OF_MEMORY:
        raise error
    cause = first_line(str(error)) or type(error).__name__
    return f"not enough memory ({cause}). Finished runs are kept; with more, the same command goes on"


def from_hydra(error: BaseException) -> bool:
    """Whether Hydra or OmegaConf raised the error; where they were never imported, neither did."""
    return any(kind.__module__ in ("hydra.errors", "omegaconf.errors") for kind in type(error).__mro__)


def explained(command: str, error: BaseException) -> str:
    """An error of Hydra or OmegaConf in one sentence that names what there is instead."""
    from hydra.errors import MissingConfigException, OverrideParseException

    first = str(error).partition("\n")[0]
    if isinstance(error, MissingConfigException) and error.options:
        word, _, name = (error.missing_cfg_file or "").rpartition("/")
        return registry.unknown(word, name, error.options)
    if isinstance(error, OverrideParseException):
        return f"cannot read {error.override!r} ({first}); write key=value or key=value,value"
    if found := re.match(r"Could not override '([^']+)'", first):
        return registry.unknown("key", found[1], catalogue.keys(command))
    if found := re.match(r"Ambiguous value for argument '([^=]+)=", first):
        return f"{command} takes one value of {found[1]}; where a key takes a list, write {found[1]}=[VALUE,VALUE]"
    return f"{first} {error.__cause__ or ''}".strip()
