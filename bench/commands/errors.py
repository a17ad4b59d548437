"""How a command ends with an error: a sentence on standard error, and an exit code.

In: an exception. Out: an exit code. Touches: standard error; standard output, once nobody reads it.
"""

import os
import re
import sys
import traceback

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
    """Whether Hydra, OmegaConf or the reader of yaml raised the error, of whatever kind it is."""
    raisers = {kind.__module__.partition(".")[0] for kind in type(error).__mro__}
    frames = [frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__)]
    raisers |= {name.partition(".")[0] for name in [one for one in frames if one != "codecs"][-1:]}  # text that is none
    return not raisers.isdisjoint(("hydra", "omegaconf", "yaml"))


def explained(command: str, error: BaseException) -> str:
    """An error of Hydra or OmegaConf in one sentence that names what there is instead."""
    from hydra.errors import MissingConfigException, OverrideParseException

    first = str(error).partition("\n")[0]
    if place := getattr(error, "problem_mark", None):  # of yaml
        return f"{place.name}, line {place.line + 1}: {getattr(error, 'problem', first)}"
    if isinstance(error, MissingConfigException) and error.options:
        word, _, name = (error.missing_cfg_file or "").rpartition("/")
        own = f"; one of your own is {word}=MODULE:NAME" if word in registry.OPEN else ""
        return registry.unknown(word, name, error.options) + own
    if isinstance(error, OverrideParseException):
        key, _, value = str(error.override).partition("=")
        quoted = f"; quote a value with other signs than letters and digits: '{key}=\"{value}\"'" if value else ""
        return f"cannot read {error.override!r} ({first}); write key=value or key=value,value{quoted}"
    if first.startswith("Config group override"):
        return f"an option is chosen by its name, as initializer=he_normal or tracking=off ({first})"
    if found := re.match(r"Could not override '([^']+)'", first):
        known = catalogue.keys(command)
        if found[1] in known:
            return f"{found[1]} is set in a yaml of conf/, not on the command line"
        return registry.unknown("key", found[1], known)
    if found := re.match(r"Ambiguous value for argument '([^=]+)=", first):
        return f"{command} takes one value of {found[1]}; where a key takes a list, write {found[1]}=[VALUE,VALUE]"
    if first.endswith(":"):
        return " ".join(str(error).split())
    return f"{first} {error.__cause__ or ''}".strip()
